package redisbus

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/ws-emit/ws-emit/emitter"
)

// pythonVector is what a RedisManager of python-socketio published, and what it means.
type pythonVector struct {
	ID                              int
	Publisher, Description, Payload string
	Drop                            DropReason
	Want                            *wantMessage
}

type wantMessage struct {
	Namespace, Event    string
	Rooms, Except, Args []string
	Attachments         []string // base64
}

// foreignVector is a payload of another format.
type foreignVector struct {
	ID        int
	Publisher string
	Payload   []byte
}

func readVectors[V any](tb testing.TB, name string) []V {
	tb.Helper()
	raw, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	var vectors []V
	if err := json.Unmarshal(raw, &vectors); err != nil {
		tb.Fatal(err)
	}
	if len(vectors) == 0 {
		tb.Fatalf("%s is empty", name)
	}
	return vectors
}

func wantOf(m emitter.Message) wantMessage {
	w := wantMessage{Namespace: m.Namespace, Event: m.Event, Rooms: m.Rooms, Except: m.Except}
	for _, arg := range m.Args {
		w.Args = append(w.Args, string(arg))
	}
	for _, a := range m.Attachments {
		w.Attachments = append(w.Attachments, base64.StdEncoding.EncodeToString(a))
	}
	return w
}

func (w wantMessage) equal(o wantMessage) bool {
	return w.Namespace == o.Namespace && w.Event == o.Event && slices.Equal(w.Rooms, o.Rooms) && slices.Equal(w.Except, o.Except) &&
		slices.Equal(w.Args, o.Args) && slices.Equal(w.Attachments, o.Attachments)
}

func TestPythonVectors(t *testing.T) {
	for _, v := range readVectors[pythonVector](t, "python-socketio.json") {
		got, reason := decodePython(nil, published{body: []byte(v.Payload)}, &rules{})
		if reason != v.Drop {
			t.Errorf("%d (%s: %s): reason %q, want %q", v.ID, v.Publisher, v.Description, reason, v.Drop)
			continue
		}
		switch {
		case v.Want == nil && len(got) > 0:
			t.Errorf("%d (%s: %s): message %+v, want none", v.ID, v.Publisher, v.Description, got)
		case v.Want != nil && (len(got) != 1 || !wantOf(got[0]).equal(*v.Want)):
			t.Errorf("%d (%s: %s): %+v, want %+v", v.ID, v.Publisher, v.Description, got, *v.Want)
		}
	}
}

// TestForeignVectors: what belongs on other channels is dropped on ours, whole.
func TestForeignVectors(t *testing.T) {
	for _, v := range readVectors[foreignVector](t, "other-formats.json") {
		for name, decode := range map[string]decoder{"python": decodePython, "json": decodeJSON} {
			got, reason := decode(nil, published{body: slices.Clone(v.Payload)}, &rules{})
			if len(got) > 0 || reason == "" || reason == DropInternal || reason == DropAck {
				t.Errorf("%d (%s) as %s: reason %q, messages %+v", v.ID, v.Publisher, name, reason, got)
			}
			if v.Payload[0] == 0x80 && len(v.Payload) > 1 && reason != DropPickle {
				t.Errorf("%d (%s) as %s: reason %q, want %q", v.ID, v.Publisher, name, reason, DropPickle)
			}
		}
	}
}
