package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"
)

// kind is a client library as a script drives it.
type kind struct {
	name    string
	command func(t testing.TB) []string
}

var kinds = []kind{
	{"socket.io-client-4", func(t testing.TB) []string { return nodeScript(t, "client.mjs", "socket.io-client") }},
	{"socket.io-client-3", func(t testing.TB) []string { return nodeScript(t, "client.mjs", "socket.io-client-3") }},
	{"python-socketio", func(t testing.TB) []string { return pythonScript(t, "client.py") }},
}

// transports are the ways in. An upgrade starts as polling.
var transports = []struct {
	name  string
	offer []string // what the client is told to try, in order
	last  string   // the transport that it ends with
}{
	{"polling", []string{"polling"}, "polling"},
	{"websocket", []string{"websocket"}, "websocket"},
	{"upgrade", []string{"polling", "websocket"}, "websocket"},
}

func nodeScript(t testing.TB, script string, args ...string) []string {
	t.Helper()
	node := need(t, "node")
	if _, err := os.Stat(filepath.Join("node", "node_modules", ".package-lock.json")); err != nil {
		unavailable(t, "contrib/interop/node has no packages; `make setup` installs them")
	}
	return append([]string{node, filepath.Join("node", script)}, args...)
}

func pythonScript(t testing.TB, script string, args ...string) []string {
	t.Helper()
	python := filepath.Join("python", ".venv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		unavailable(t, "contrib/interop/python has no packages; `make setup` installs them")
	}
	// Exec resolves a relative path against the folder of the process.
	python, err := filepath.Abs(python)
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{python, filepath.Join("python", script)}, args...)
}

// note is what a driver tells of a client.
type note struct {
	Client    string
	Namespace string
	Note      string
	SID       string
	Reason    string
	Message   string
	Event     string
	Args      []any
	Name      string
}

func (n note) String() string {
	switch n.Note {
	case "event":
		args, _ := json.Marshal(n.Args) // what came as JSON goes as JSON
		return fmt.Sprintf("%s event %q %s", n.Namespace, n.Event, args)
	case "connect":
		return n.Namespace + " connect"
	default:
		return n.Namespace + " " + n.Note + " " + n.Reason + n.Message
	}
}

// answer is a driver's answer to an order.
type answer struct {
	Result json.RawMessage
	Error  string
}

// driver is a running script.
type driver struct {
	process *process

	mu      sync.Mutex // guards the following
	stdin   io.Writer
	lastID  int
	waiting map[int]chan answer
	clients map[string]*client
}

func startDriver(t testing.TB, command []string) *driver {
	t.Helper()
	d := &driver{waiting: map[int]chan answer{}, clients: map[string]*client{}}
	out, in := io.Pipe()
	var stdin io.WriteCloser
	d.process = start(t, func(cmd *exec.Cmd) {
		cmd.Stdout = in
		var err error
		if stdin, err = cmd.StdinPipe(); err != nil {
			t.Fatal(err)
		}
	}, command[0], command[1:]...)
	d.stdin = stdin
	read := make(chan struct{})
	go func() {
		defer close(read)
		d.read(t, out)
	}()
	t.Cleanup(func() {
		d.process.kill()
		in.Close()
		<-read
	})
	return d
}

// read sorts what the script prints into answers and notes.
func (d *driver) read(t testing.TB, out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			ID int
			answer
			note
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Errorf("driver printed %q: %v", lines.Bytes(), err)
			continue
		}
		d.mu.Lock()
		waiting, client := d.waiting[line.ID], d.clients[line.note.Client]
		delete(d.waiting, line.ID)
		d.mu.Unlock()
		switch {
		case waiting != nil:
			waiting <- line.answer
		case client != nil:
			client.add(line.note)
		default:
			t.Errorf("driver printed %q, which belongs to nothing", lines.Bytes())
		}
	}
	if err := lines.Err(); err != nil {
		t.Errorf("read what the driver prints: %v", err)
	}
	// Whoever still writes must not wait for a reader that has gone.
	_, _ = io.Copy(io.Discard, out)
}

// order sends an order and returns its answer's result.
func (d *driver) order(t testing.TB, order map[string]any) json.RawMessage {
	t.Helper()
	got := make(chan answer, 1)
	d.mu.Lock()
	d.lastID++
	order["id"] = d.lastID
	d.waiting[d.lastID] = got
	line, err := json.Marshal(order)
	if err == nil {
		_, err = d.stdin.Write(append(line, '\n'))
	}
	d.mu.Unlock()
	if err != nil {
		t.Fatalf("order %v: %v", order, err)
	}
	select {
	case a := <-got:
		if a.Error != "" {
			t.Fatalf("order %s: %s", line, a.Error)
		}
		return a.Result
	case <-d.process.exited:
		t.Fatalf("order %s: the driver ended: %v", line, d.process.err)
	case <-time.After(patience):
		t.Fatalf("order %s: no answer", line)
	}
	return nil
}

// client is one client in a driver.
type client struct {
	d    *driver
	name string

	mu        sync.Mutex // guards the following
	notes     []note     // not yet taken, in the order in which they came
	changed   chan struct{}
	transport string
}

type connectOptions struct {
	offer      []string
	namespaces []string // of the connection, joined by one client; "/" when empty
}

// connect makes a client; its connect and connect_error notes follow.
func (d *driver) connect(t testing.TB, name, url string, o connectOptions) *client {
	t.Helper()
	c := &client{d: d, name: name, changed: make(chan struct{})}
	d.mu.Lock()
	d.clients[name] = c
	d.mu.Unlock()
	if len(o.namespaces) == 0 {
		o.namespaces = []string{"/"}
	}
	d.order(t, map[string]any{"do": "connect", "client": name, "url": url, "path": "/socket.io/",
		"transports": o.offer, "namespaces": o.namespaces})
	return c
}

func (c *client) add(n note) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.Note == "transport" {
		c.transport = n.Name
	} else {
		c.notes = append(c.notes, n)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait returns after ok, which is called with mu held, has said true.
func (c *client) wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		done, changed := ok(), c.changed
		c.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s waited %v in vain for %s", c.name, patience, what)
		}
	}
}

// next takes the next note.
func (c *client) next(t testing.TB, what string) note {
	t.Helper()
	var n note
	c.wait(t, what, func() bool {
		if len(c.notes) == 0 {
			return false
		}
		n, c.notes = c.notes[0], c.notes[1:]
		return true
	})
	return n
}

// expect takes the next note, which must be this event with these arguments.
func (c *client) expect(t testing.TB, namespace, event string, args ...any) {
	t.Helper()
	want := note{Namespace: namespace, Note: "event", Event: event, Args: asJSON(t, args)}
	got := c.next(t, want.String())
	if got.Note != want.Note || got.Namespace != namespace || got.Event != event || !reflect.DeepEqual(got.Args, want.Args) {
		t.Fatalf("%s got %s, want %s", c.name, abridged(got), abridged(want))
	}
}

// expectConnect takes the connect notes of the namespaces, in any order, and
// returns the sid of each.
func (c *client) expectConnect(t testing.TB, namespaces ...string) map[string]string {
	t.Helper()
	sids := map[string]string{}
	for range namespaces {
		n := c.next(t, "connect")
		if n.Note != "connect" || n.SID == "" {
			t.Fatalf("%s got %s with sid %q, want connect with a sid", c.name, abridged(n), n.SID)
		}
		sids[n.Namespace] = n.SID
	}
	for _, namespace := range namespaces {
		if sids[namespace] == "" {
			t.Fatalf("%s is connected to %v, want %v", c.name, sids, namespaces)
		}
	}
	return sids
}

// expectDisconnect takes the next note, which must tell of a disconnect; the
// reason is the client library's own word for it.
func (c *client) expectDisconnect(t testing.TB, namespace string) {
	t.Helper()
	if n := c.next(t, "disconnect"); n.Note != "disconnect" || n.Namespace != namespace {
		t.Fatalf("%s got %s, want %s disconnect", c.name, abridged(n), namespace)
	}
}

// expectTransport waits until the client uses the transport.
func (c *client) expectTransport(t testing.TB, want string) {
	t.Helper()
	c.wait(t, "transport "+want, func() bool { return c.transport == want })
}

// emit sends an event without asking for an ack.
func (c *client) emit(t testing.TB, namespace, event string, args ...any) {
	t.Helper()
	c.d.order(t, map[string]any{"do": "emit", "client": c.name, "namespace": namespace, "event": event, "args": args})
}

// call sends an event and returns the arguments of the ack.
func (c *client) call(t testing.TB, namespace, event string, args ...any) []any {
	t.Helper()
	result := c.d.order(t, map[string]any{"do": "call", "client": c.name, "namespace": namespace, "event": event, "args": args})
	var got []any
	if err := json.Unmarshal(result, &got); err != nil {
		t.Fatalf("ack of %s: %v", event, err)
	}
	return got
}

// expectAck sends an event whose ack must be this one argument.
func (c *client) expectAck(t testing.TB, want any, namespace, event string, args ...any) {
	t.Helper()
	got := c.call(t, namespace, event, args...)
	if !reflect.DeepEqual(got, asJSON(t, []any{want})) {
		t.Fatalf("ack of %s %v is %v, want %v", event, args, got, want)
	}
}

// join joins a public room and waits for the ack.
func (c *client) join(t testing.TB, namespace, room string) {
	t.Helper()
	c.expectAck(t, object{"ok": true, "room": room}, namespace, "join", object{"room": room})
}

func (c *client) disconnect(t testing.TB, namespace string) {
	t.Helper()
	c.d.order(t, map[string]any{"do": "disconnect", "client": c.name, "namespace": namespace})
}

// object is a JSON object.
type object map[string]any

// bin is how bytes stand in a line.
func bin(b ...byte) object { return object{"$bin": append([]byte{}, b...)} }

// asJSON returns the values as they look after a way through JSON; none is an
// empty list.
func asJSON(t testing.TB, values []any) []any {
	t.Helper()
	b, err := json.Marshal(append([]any{}, values...))
	if err != nil {
		t.Fatal(err)
	}
	out := []any{}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// abridged keeps a failure readable when the payload is large.
func abridged(n note) string {
	s := n.String()
	if len(s) > 300 {
		s = fmt.Sprintf("%s... (%d bytes)", s[:300], len(s))
	}
	return s
}
