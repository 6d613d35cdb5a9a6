package emitter_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/ws-emit/ws-emit/emitter"
)

// printer is a sink that prints.
type printer struct{}

func (printer) Emit(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	for _, m := range batch {
		fmt.Printf("%s to %q: %s\n", m.Event, m.Rooms, m.Args)
	}
	return emitter.Receipt{Accepted: len(batch), Receivers: func(context.Context) (int, error) { return 2, nil }}, nil
}

func ExampleClient() {
	srv := httptest.NewServer(emitter.NewHandler(emitter.HTTPConfig{Secret: "secret", Sink: printer{}}))
	defer srv.Close()

	client, err := emitter.NewClient(emitter.ClientConfig{URL: srv.URL + "/emit", Secret: "secret", HTTPClient: srv.Client()})
	if err != nil {
		fmt.Println(err)
		return
	}
	msg, err := emitter.NewMessage("update", []string{"time"}, map[string]int{"time": 111111})
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := client.Emit(context.Background(), msg)
	switch {
	case errors.Is(err, emitter.ErrBusy):
		fmt.Println("the server is behind, even after some retries")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(answer.Receivers, "receivers")
	}
	// Output:
	// update to ["time"]: [{"time":111111}]
	// 2 receivers
}

func ExampleNewHandler() {
	mux := http.NewServeMux()
	mux.Handle("/emit", emitter.NewHandler(emitter.HTTPConfig{Secret: "secret", Sink: printer{}}))
	srv := httptest.NewServer(mux)
	defer srv.Close()

	resp, err := srv.Client().Post(srv.URL+"/emit", "application/json", strings.NewReader(`{"event":"update","room":"time","data":1,"secret":"secret"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output:
	// update to ["time"]: [1]
	// 200 OK
}

func ExampleParseJSON() {
	batch, info, err := emitter.ParseJSON([]byte(`[{"event":"a","Room":"x"},{"event":"b","args":[1, 2]}]`), emitter.Limits{})
	fmt.Println(len(batch), info.Ignored, err)
	_, _, err = emitter.ParseJSON([]byte(`[{"event":"a"},{"event":"b","room":["x",7]}]`), emitter.Limits{})
	fmt.Println(err)
	// Output:
	// 2 [Room] <nil>
	// message 1: room[1]: must be a string
}
