package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws/wsutil"
)

// objects is a protocol of JSON objects, several of which may be in one text, with a newline between them.
type objects struct{}

func (objects) Endpoint() string { return "/objects?format=json" }

func (objects) Join(c Conn, client int, rooms []string) error {
	for i, room := range append([]string{""}, rooms...) {
		command := fmt.Sprintf(`{"id":%d,"subscribe":{"channel":%q}}`, i+1, room)
		if i == 0 {
			command = `{"id":1,"connect":{}}`
		}
		if err := c.Write([]byte(command)); err != nil {
			return err
		}
		for answered := false; !answered; {
			text, err := c.Read()
			if err != nil {
				return err
			}
			if bytes.Contains(text, []byte(`"error"`)) {
				return errors.New("refused")
			}
			answered = bytes.Contains(text, fmt.Appendf(nil, `{"id":%d,`, i+1))
		}
	}
	return nil
}

func (objects) Receive(text []byte) (answer []byte, messages bool, err error) {
	if string(text) == "{}" {
		return text, false, nil
	}
	return nil, true, nil
}

// speakObjects is the other side of it. It pings before it answers, and in the same packet after it has answered the last join.
func (f *fake) speakObjects(conn net.Conn) {
	for {
		data, _, err := wsutil.ReadClientData(conn)
		if err != nil {
			return
		}
		command := string(data)
		f.mu.Lock()
		switch {
		case command == "{}":
			f.pongs++
		case strings.Contains(command, "closed"):
			_ = wsutil.WriteServerText(conn, []byte(`{"id":2,"error":{"code":103}}`))
		case strings.Contains(command, "connect"):
			_ = wsutil.WriteServerText(conn, []byte("{}"))
			_ = wsutil.WriteServerText(conn, []byte(`{"id":1,"connect":{"client":"x"}}`))
		default:
			f.conns[conn] = true
			_, _ = conn.Write(append(frame(`{"id":2,"subscribe":{}}`), frame("{}")...))
		}
		f.mu.Unlock()
	}
}

// TestRunOtherProtocol: a server that does not speak Socket.IO is loaded just so, also where it sends several messages in one text.
func TestRunOtherProtocol(t *testing.T) {
	const count, clients = 90, 4
	f := &fake{faulty: func(f *fake, n int, m string) []string {
		if n == 50 {
			m = "" // lost
		}
		f.held += m + "\n"
		if n%3 != 0 {
			return nil
		}
		together := f.held
		f.held = ""
		return []string{together, "{}"}
	}}
	cfg := Config{URL: startFake(t, f), Protocol: objects{}, Clients: clients, Count: count, Patience: time.Second}
	r := mustRun(t, cfg)
	if d := r.Delivery; d.Expected != clients*count || d.Lost != clients || d.Doubled+d.OutOfOrder+d.Strays != 0 {
		t.Errorf("%+v", d)
	}
	f.ending.Wait()
	if want := clients * (2 + count/3); f.pongs != want {
		t.Errorf("%d answers to pings, want %d", f.pongs, want)
	}
	f.pongs = 0
	mustRun(t, Config{URL: cfg.URL, Protocol: objects{}, Clients: clients, By: ByNothing, Duration: time.Millisecond})
	f.ending.Wait()
	if f.pongs != clients*2 {
		t.Errorf("%d answers to pings where no messages come, want %d", f.pongs, clients*2)
	}
	cfg.Room = "closed"
	if _, err := Run(t.Context(), cfg); err == nil || err.Error() != "no client could connect: refused" {
		t.Errorf("error %v where the join is refused", err)
	}
	cfg.Transport = Polling
	if _, err := CheckLimits(cfg); err == nil {
		t.Error("another protocol over long-polling")
	}
}
