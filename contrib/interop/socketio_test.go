package interop

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// connectNamespace sends a CONNECT packet ("40" and what follows it) and takes
// the two answers: CONNECT, with a sid and nothing else, and the event auth
// with the auth that the client gave. It returns the sid.
func (w *webSocket) connectNamespace(t *testing.T, connect, namespace, auth string) string {
	t.Helper()
	w.send(t, connect)
	sid := readConnect(t, w.message(t), namespace)
	w.expect(t, "42"+namespace+`["auth",`+auth+`]`)
	return sid
}

// readConnect reads a CONNECT packet; namespace is as on the wire, such as
// "/custom,", or empty.
func readConnect(t *testing.T, packet, namespace string) string {
	t.Helper()
	payload, ok := strings.CutPrefix(packet, "40"+namespace)
	if !ok {
		t.Fatalf("CONNECT is answered with %q", packet)
	}
	var h struct {
		SID string `json:"sid"`
	}
	d := json.NewDecoder(strings.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil || h.SID == "" {
		t.Fatalf("CONNECT is answered with %q (%v), want a sid", packet, err)
	}
	return h.SID
}

// connected begins a session that is connected to the main namespace.
func (e endpoint) connected(t *testing.T) *webSocket {
	t.Helper()
	w, _ := e.openWebSocket(t)
	w.connectNamespace(t, "40", "", "{}")
	return w
}

// TestSocketIOConnect holds "Connection to a namespace" of the Socket.IO
// protocol, revision 5.
func TestSocketIOConnect(t *testing.T) {
	_, e := startConformance(t)
	for _, tt := range []struct{ connect, namespace, auth string }{
		{"40", "", "{}"},
		{`40{"token":"123"}`, "", `{"token":"123"}`},
		{"40/custom,", "/custom,", "{}"},
		{"40/custom", "/custom,", "{}"},
		{`40/custom,{"token":"ü"}`, "/custom,", `{"token":"ü"}`},
	} {
		t.Run(tt.connect, func(t *testing.T) {
			w, h := e.openWebSocket(t)
			if sid := w.connectNamespace(t, tt.connect, tt.namespace, tt.auth); sid == h.SID {
				t.Error("the socket shows the sid of the session, which is a secret")
			}
		})
	}
	t.Run("by polling", func(t *testing.T) {
		sid := e.open(t)
		e.post(t, sid, `40{"token":"123"}`).expect(t, http.StatusOK, "ok")
		r := e.get(t, sid)
		connect, auth, _ := strings.Cut(r.body, "\x1e")
		if auth == "" { // in two answers
			auth = e.get(t, sid).body
		}
		readConnect(t, connect, "")
		if want := `42["auth",{"token":"123"}]`; auth != want {
			t.Errorf("second packet %q, want %q", auth, want)
		}
	})
	t.Run("two namespaces", func(t *testing.T) {
		w, _ := e.openWebSocket(t)
		one := w.connectNamespace(t, "40", "", "{}")
		if two := w.connectNamespace(t, "40/custom,", "/custom,", "{}"); one == two {
			t.Errorf("both namespaces have the sid %q", one)
		}
	})
	t.Run("unknown namespace", func(t *testing.T) {
		w, _ := e.openWebSocket(t)
		w.send(t, "40/random")
		w.expect(t, `44/random,{"message":"Invalid namespace"}`)
		// The session goes on.
		w.connectNamespace(t, "40", "", "{}")
	})
	t.Run("anything else first", func(t *testing.T) {
		for _, packet := range []string{"4abc", `42["message"]`, "41", "4"} {
			w, _ := e.openWebSocket(t)
			w.send(t, packet)
			w.expectClosed(t)
		}
	})
	t.Run("nothing", func(t *testing.T) {
		w, _ := e.openWebSocket(t)
		opened := time.Now()
		// Pings are answered: it is the CONNECT that is missed.
		for {
			if _, err := w.tryMessage(); err != nil {
				break
			}
		}
		if waited := time.Since(opened); waited < connectTimeout/2 || waited > connectTimeout+5*time.Second {
			t.Errorf("closed after %v, want %v", waited, connectTimeout)
		}
	})
}

// TestSocketIODisconnect holds "Disconnection from a namespace".
func TestSocketIODisconnect(t *testing.T) {
	_, e := startConformance(t)
	t.Run("main", func(t *testing.T) {
		w := e.connected(t)
		w.send(t, "41")
		// No answer, and the session stays: what comes next is a ping.
		if got := w.text(t); got != "2" {
			t.Errorf("read %q, want a ping", got)
		}
	})
	t.Run("custom", func(t *testing.T) {
		w := e.connected(t)
		w.connectNamespace(t, "40/custom,", "/custom,", "{}")
		w.send(t, "41/custom,", `42["message","to the main namespace"]`)
		w.expect(t, `42["message-back","to the main namespace"]`)
	})
	t.Run("and connect again", func(t *testing.T) {
		w := e.connected(t)
		first := w.connectNamespace(t, "40/custom,", "/custom,", "{}")
		w.send(t, "41/custom")
		if second := w.connectNamespace(t, "40/custom,", "/custom,", "{}"); first == second {
			t.Errorf("the sid is %q again", first)
		}
	})
}

// TestSocketIOMessages holds "Sending and receiving data" and
// "Acknowledgement".
func TestSocketIOMessages(t *testing.T) {
	_, e := startConformance(t)
	one, two := []byte{1, 2, 3}, []byte{4, 5, 6}
	for _, tt := range []struct {
		name, send, want string
		binary           [][]byte
	}{
		{"text", `42["message",1,"2",{"3":[true]}]`, `42["message-back",1,"2",{"3":[true]}]`, nil},
		{"no arguments", `42["message"]`, `42["message-back"]`, nil},
		{"unicode", `42["message","grüße, 日本 🎉"]`, `42["message-back","grüße, 日本 🎉"]`, nil},
		{
			"binary",
			`452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`,
			`452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`,
			[][]byte{one, two},
		},
		{"ack", `42456["message-with-ack",1,"2",{"3":[false]}]`, `43456[1,"2",{"3":[false]}]`, nil},
		{"ack without arguments", `420["message-with-ack"]`, `430[]`, nil},
		{
			"binary ack",
			`452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`,
			`462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`,
			[][]byte{one, two},
		},
		{"custom namespace", `42/custom,["message",1]`, `42/custom,["message-back",1]`, nil},
		{"ack in a custom namespace", `42/custom,7["message-with-ack",1]`, `43/custom,7[1]`, nil},
		{
			"binary in a custom namespace",
			`451-/custom,["message",{"_placeholder":true,"num":0}]`,
			`451-/custom,["message-back",{"_placeholder":true,"num":0}]`,
			[][]byte{one},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := e.connected(t)
			w.connectNamespace(t, "40/custom,", "/custom,", "{}")
			w.send(t, tt.send)
			w.sendBinary(t, tt.binary...)
			w.expect(t, tt.want)
			w.expectBinary(t, tt.binary...)
		})
	}
	t.Run("by polling, with binary", func(t *testing.T) {
		sid := e.open(t)
		e.post(t, sid, "40").expect(t, http.StatusOK, "ok")
		e.post(t, sid, "451-[\"message\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID").expect(t, http.StatusOK, "ok")
		got := e.get(t, sid).body
		for range 3 { // CONNECT, auth and the message may come in several answers
			if strings.Contains(got, "\x1eb") {
				break
			}
			got += "\x1e" + e.get(t, sid).body
		}
		packets := strings.Split(got, "\x1e")
		readConnect(t, packets[0], "")
		if want := "42[\"auth\",{}]\x1e451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID"; strings.Join(packets[1:], "\x1e") != want {
			t.Errorf("after CONNECT %q, want %q", packets[1:], want)
		}
	})
	t.Run("events keep their order", func(t *testing.T) {
		w := e.connected(t)
		const events = `42["message",1]|420["message-with-ack",2]|42["message",3]|421["message-with-ack",4]`
		w.send(t, strings.Split(events, "|")...)
		w.expect(t, `42["message-back",1]`, `430[2]`, `42["message-back",3]`, `431[4]`)
	})
}

// TestSocketIOBadPackets: a packet that is none ends the connection, and
// nothing else.
func TestSocketIOBadPackets(t *testing.T) {
	_, e := startConformance(t)
	for _, packet := range []string{
		"4abc",
		"4",
		"42",
		"42{}",
		"42[]",
		"42[null]",
		`42["unclosed"`,
		`42["trailing"]x`,
		`42abc["message-with-ack",1]`,
		"43",
		"431{}",
		"451-",
		`45-["message"]`,
		`45x-["message"]`,
		`4599999999999999999999-["message"]`,
		"47",
		"49",
	} {
		w, other := e.connected(t), e.connected(t)
		w.send(t, packet)
		w.expectClosed(t)
		other.send(t, `42["message","still here"]`)
		other.expect(t, `42["message-back","still here"]`)
	}
	t.Run("text where an attachment is due", func(t *testing.T) {
		w := e.connected(t)
		w.send(t, `451-["message",{"_placeholder":true,"num":0}]`, `42["message"]`)
		w.expectClosed(t)
	})
	t.Run("an attachment that is not due", func(t *testing.T) {
		w := e.connected(t)
		w.sendBinary(t, []byte{1})
		w.expectClosed(t)
	})
	t.Run("a placeholder without attachment", func(t *testing.T) {
		for _, num := range []string{"1", "-5", "0.5", "99999999999999999999", `"0"`, "null"} {
			w := e.connected(t)
			w.send(t, `451-["message",{"_placeholder":true,"num":`+num+`}]`)
			w.sendBinary(t, []byte{1})
			w.expectClosed(t)
		}
	})
}
