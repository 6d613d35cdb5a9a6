package bench

import (
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"
)

// TestPostKnowsWhatBecame: what the server answers says whether a message was accepted, when to send it again, or that it never will be.
func TestPostKnowsWhatBecame(t *testing.T) {
	for _, tt := range []struct {
		status int
		after  string
		want   error // nil is any other error, of which nobody knows what it means
	}{
		{503, "", &busyError{busyPause}},
		{503, "7", &busyError{7 * time.Second}},
		{429, "0", &busyError{busyPause}},
		{503, "100000", &busyError{maxAfter}},
		{503, "Wed, 21 Oct 2015 07:28:00 GMT", &busyError{busyPause}},
		{403, "", &refusedError{`the server answered 403: ""`}},
		{302, "", &refusedError{`the server answered 302: ""`}},
		{500, "", nil},
		{502, "", nil},
	} {
		f := &fake{status: func(int) int { return tt.status }, header: http.Header{"Retry-After": {tt.after}}}
		cfg, err := Config{URL: startFake(t, f), Emitters: 1}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		senders, closeAll, err := (&load{cfg: cfg}).newPosters()
		if err != nil {
			t.Fatal(err)
		}
		err = senders[0].send(t.Context(), 0, []byte("{}"))
		closeAll()
		if tt.want == nil {
			_, busy := errors.AsType[*busyError](err)
			_, refused := errors.AsType[*refusedError](err)
			if err == nil || busy || refused {
				t.Errorf("%d: %#v, want an error that says nothing", tt.status, err)
			}
		} else if !reflect.DeepEqual(err, tt.want) {
			t.Errorf("%d after %q: %#v, want %#v", tt.status, tt.after, err, tt.want)
		}
	}
}
