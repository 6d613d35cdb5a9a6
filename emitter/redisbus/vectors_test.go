package redisbus

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
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

// pickleVector is what python-socketio published, or Python wrote, or what was made to do harm. A payload of the last kind that does not even
// look like a pickle is dropped for any reason.
type pickleVector struct {
	ID                     int
	Publisher, Description string
	Payload                []byte
	Drop                   DropReason
	Want                   *wantMessage
}

type wantMessage struct {
	Method, Namespace, Event    string // no method is emit
	Rooms, Change, Except, Args []string
	Attachments                 []string // base64
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
	w := wantMessage{Namespace: m.Namespace, Event: m.Event, Rooms: m.Rooms, Change: m.Change, Except: m.Except}
	if m.Method != emitter.MethodEmit {
		w.Method = m.Method.String()
	}
	for _, arg := range m.Args {
		w.Args = append(w.Args, string(arg))
	}
	for _, a := range m.Attachments {
		w.Attachments = append(w.Attachments, base64.StdEncoding.EncodeToString(a))
	}
	return w
}

func (w wantMessage) equal(o wantMessage) bool {
	return w.Method == o.Method && w.Namespace == o.Namespace && w.Event == o.Event && slices.Equal(w.Rooms, o.Rooms) &&
		slices.Equal(w.Change, o.Change) && slices.Equal(w.Except, o.Except) && slices.Equal(w.Args, o.Args) &&
		slices.Equal(w.Attachments, o.Attachments)
}

// means is equal for arguments that may be written in another way, with the members of objects in the same order.
func (w wantMessage) means(t *testing.T, o wantMessage) bool {
	t.Helper()
	same := slices.EqualFunc(w.Args, o.Args, func(a, b string) bool { return sameJSON(t, a, b) })
	w.Args, o.Args = nil, nil
	return same && w.equal(o)
}

// sameJSON compares two texts of JSON token by token.
func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	return slices.Equal(jsonTokens(t, a), jsonTokens(t, b))
}

func jsonTokens(t *testing.T, s string) (tokens []json.Token) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err == io.EOF {
			return tokens
		}
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		if n, ok := token.(json.Number); ok && strings.ContainsAny(n.String(), ".eE") {
			if token, err = n.Float64(); err != nil {
				t.Fatal(err)
			}
			if f := token.(float64); f == float64(int64(f)) {
				token = json.Number(strconv.FormatInt(int64(f), 10))
			}
		}
		tokens = append(tokens, token)
	}
}

func TestPythonVectors(t *testing.T) {
	for _, v := range readVectors[pythonVector](t, "python-socketio.json") {
		got, reason, _ := decodePython(nil, published{body: []byte(v.Payload)}, &rules{})
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

func TestPickleVectors(t *testing.T) {
	for _, v := range readVectors[pickleVector](t, "python-pickle.json") {
		got, reason, _ := decodePython(nil, published{body: slices.Clone(v.Payload)}, &rules{pickle: true})
		switch {
		case reason != v.Drop && (v.Drop != "" || v.Want != nil):
			t.Errorf("%d (%s: %s): reason %q, want %q", v.ID, v.Publisher, v.Description, reason, v.Drop)
		case v.Want == nil && (len(got) > 0 || reason == "" || reason == DropInternal || reason == DropAck):
			t.Errorf("%d (%s: %s): message %+v, reason %q, want none", v.ID, v.Publisher, v.Description, got, reason)
		case v.Want != nil && (len(got) != 1 || !wantOf(got[0]).means(t, *v.Want)):
			t.Errorf("%d (%s: %s): %+v, want %+v", v.ID, v.Publisher, v.Description, got, *v.Want)
		}
		checkMessages(t, got)
		for name, decode := range map[string]decoder{"python without pickles": decodePython, "json": decodeJSON} {
			if got, reason, _ := decode(nil, published{body: slices.Clone(v.Payload)}, &rules{}); len(got) > 0 || reason == "" {
				t.Errorf("%d (%s: %s) as %s: reason %q, messages %+v", v.ID, v.Publisher, v.Description, name, reason, got)
			} else if looksPickled(v.Payload) && reason != DropPickle {
				t.Errorf("%d (%s: %s) as %s: reason %q, want %q", v.ID, v.Publisher, v.Description, name, reason, DropPickle)
			}
		}
	}
}

// TestForeignVectors: what belongs on other channels is dropped on ours, whole.
func TestForeignVectors(t *testing.T) {
	for _, v := range readVectors[foreignVector](t, "other-formats.json") {
		for name, decode := range map[string]decoder{"python": decodePython, "json": decodeJSON} {
			got, reason, _ := decode(nil, published{body: slices.Clone(v.Payload)}, &rules{})
			if len(got) > 0 || reason == "" || reason == DropInternal || reason == DropAck {
				t.Errorf("%d (%s) as %s: reason %q, messages %+v", v.ID, v.Publisher, name, reason, got)
			}
			if v.Payload[0] == 0x80 && len(v.Payload) > 1 && reason != DropPickle {
				t.Errorf("%d (%s) as %s: reason %q, want %q", v.ID, v.Publisher, name, reason, DropPickle)
			}
		}
	}
}
