package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/emitter"
)

// collect is a target that passes on batches.
func collect(to chan<- []emitter.Message) *target {
	return &target{send: func(_ context.Context, batch ...emitter.Message) (sent, error) {
		to <- batch
		return sent{messages: len(batch), receivers: 2 * len(batch)}, nil
	}}
}

// TestLinesAreSentAsTheyCome: a line does not wait for the next one.
func TestLinesAreSentAsTheyCome(t *testing.T) {
	in, typed := io.Pipe()
	batches := make(chan []emitter.Message)
	var out bytes.Buffer
	end := make(chan error)
	go func() { end <- emitLines(t.Context(), collect(batches), in, &out, false) }()
	for _, event := range []string{"first", "second"} {
		fmt.Fprintf(typed, `{"room":"r","event":%q}`+"\n", event)
		if batch := <-batches; len(batch) != 1 || batch[0].Event != event {
			t.Errorf("got %+v, want %s", batch, event)
		}
	}
	fmt.Fprintf(typed, "\n{\"room\":\"r\",") // begun
	go func() {
		fmt.Fprintf(typed, `"event":"third"}`) // ended, without a newline
		typed.Close()
	}()
	if batch := <-batches; len(batch) != 1 || batch[0].Event != "third" {
		t.Errorf("got %+v, want the third", batch)
	}
	if err := <-end; err != nil {
		t.Fatal(err)
	}
	if said := out.String(); said != "3 messages, 6 receivers\n" {
		t.Errorf("said %q", said)
	}
}

// TestLinesThatAreThereGoTogether, as many as a server takes.
func TestLinesThatAreThereGoTogether(t *testing.T) {
	small := `{"room":"r","event":"e"}` + "\n"
	large := fmt.Sprintf(`{"room":"r","event":"e","data":"%s"}`+"\n", strings.Repeat("x", 400<<10))
	for _, tt := range []struct {
		name, in string
		want     []int
	}{
		{"many", strings.Repeat(small, 2100), []int{1000, 1000, 100}},
		{"large", strings.Repeat(large, 5), []int{3, 2}},
		{"none", "\n \r\n\n", nil},
	} {
		batches := make(chan []emitter.Message, 100)
		var out bytes.Buffer
		if err := emitLines(t.Context(), collect(batches), strings.NewReader(tt.in), &out, false); err != nil {
			t.Fatal(err)
		}
		close(batches)
		var got []int
		for b := range batches {
			got = append(got, len(b))
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: batches of %v, want %v; said %q", tt.name, got, tt.want, &out)
		}
	}
}

// TestLinesThatAreRefused: whoever finds a fault, it has its line.
func TestLinesThatAreRefused(t *testing.T) {
	lines := strings.Repeat(`{"room":"r","event":"e"}`+"\n\n", 3)
	for _, tt := range []struct {
		name, in, want string
		err            error
		usage          bool
	}{
		{"by the target", lines, "line 3: event: is bad", &emitter.InputError{Index: 1, Field: "event", Reason: "is bad"}, true},
		{"by the server", lines, "line 5: the server answered 400: message 2: no", &emitter.StatusError{Status: 400, Message: "message 2: no", Index: 2}, false},
		{"all", lines, "the server answered 403: no", &emitter.StatusError{Status: 403, Message: "no", Index: -1}, false},
		{"long", "\n" + strings.Repeat(" ", maxLine) + lines, "line 2: it is longer than 8MiB", nil, true},
		{"method", `{"room":"r","event":"e"}` + "\n[]\n", "line 2: must be an object; 1 message before it", nil, false},
	} {
		to := &target{send: func(_ context.Context, batch ...emitter.Message) (sent, error) {
			if tt.err != nil {
				return sent{}, tt.err
			}
			return sent{messages: len(batch)}, nil
		}}
		err := emitLines(t.Context(), to, strings.NewReader(tt.in), io.Discard, false)
		if err == nil || err.Error() != tt.want || errors.As(err, new(usageError)) != tt.usage {
			t.Errorf("%s: error %v (usage %t), want %s", tt.name, err, errors.As(err, new(usageError)), tt.want)
		}
	}
}
