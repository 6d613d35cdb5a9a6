package server_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

// hostilePacket is a packet, and whether the session goes on after it: one that has connected, and one that has not.
type hostilePacket struct {
	packet                 string
	connected, unconnected bool
}

func packetsWithAnswers() []hostilePacket {
	return []hostilePacket{
		{"", false, false}, {"4", false, false}, {"42", false, false}, {"42[]", false, false}, {"42[null]", false, false}, {"43", false, false},
		{"40/x", true, true}, // refused with CONNECT_ERROR
		{"431[]", true, false}, {`431["nobody","asked"]`, true, false}, {"43[]", false, false},
		{"4599999999999999999999-[]", false, false}, {`4511-["a"]`, false, false}, {"450-[]", false, false}, {"45-[]", false, false}, {"451-", false, false},
		{"3", true, true}, {"5", true, true}, {"6", true, true}, {"0", true, true}, {"9", false, false}, {"2", false, false}, {"2probe", false, false},
		{"40[]", false, false}, {"40" + deep, false, false}, {`40/x,{"a":` + deep + "}", false, false}, {"42" + deep, false, false}, {`42["a",` + deep + "]", false, false},
		{"42" + strings.Repeat("[", 100_000), false, false}, {`42["a",` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "]", true, false},
		{`42["__proto__",{"__proto__":{"constructor":1}}]`, true, false}, {`42["join",{"__proto__":{"room":"a"}}]`, true, false}, {`42["a",1e999999]`, true, false},
		{"42[" + strings.Repeat("9", 10_000) + "]", true, false}, {`4299999999999999999999["a"]`, false, false}, {`42["disconnect"]`, false, false}, {"44{}", false, false},
	}
}

// Each hostile packet ends its session as a parse error or does nothing, on both transports, before CONNECT and after it.
func TestInvariant5_HostilePackets(t *testing.T) {
	registry := prometheus.NewRegistry()
	n := start(t, server.Config{Registerer: registry})
	ended := 0
	for _, transport := range []sioclient.Transport{sioclient.TransportPolling, sioclient.TransportWebSocket} {
		for _, c := range packetsWithAnswers() {
			for _, connected := range []bool{true, false} {
				goesOn, err := n.survives(transport, c.packet, connected)
				want := connected && c.connected || !connected && c.unconnected
				if err != nil || goesOn != want {
					t.Errorf("%s, connected %t, %.60q: goes on %t, %v; want %t", transport, connected, c.packet, goesOn, err, want)
				}
				if !want {
					ended++
				}
			}
		}
	}
	until(t, "all have ended as parse errors", func() bool {
		return metrics(t, registry)[`wsemit_sessions_ended_total{reason="parse error"}`] == float64(ended)
	})
}

// survives sends a packet and reports whether the session can be used after it.
func (n *node) survives(transport sioclient.Transport, packet string, connected bool) (bool, error) {
	w, err := dialWire(n.url, transport)
	if err != nil {
		return false, err
	}
	defer w.close()
	if connected {
		if err := connect(w); err != nil {
			return false, err
		}
	}
	var refused *sioclient.StatusError
	if err := w.write(packet); errors.As(err, &refused) && refused.Status == http.StatusBadRequest {
		return false, nil
	}
	then, want := "40", `40{"sid":"~`
	if connected {
		then, want = `427["leave","a"]`, `437[{"ok":true,"room":"a"}]`
	}
	_ = w.write(then) // it may have ended
	for {
		p, err := w.read()
		switch {
		case err == closed{ws.StatusProtocolError}, errors.As(err, &refused) && refused.Status == http.StatusBadRequest, err != nil && transport == sioclient.TransportPolling:
			return false, nil
		case err != nil:
			return false, err
		case strings.HasPrefix(p, want):
			return true, nil
		case !strings.HasPrefix(p, "44/x,"):
			return false, fmt.Errorf("got %.100q", p)
		}
	}
}

// What breaks the rules of WebSocket is answered with the right code, and reads no further.
func TestInvariant5_HostileFrames(t *testing.T) {
	n := start(t, server.Config{})
	close := func(code ws.StatusCode, why string) string {
		return frameOf(ws.NewCloseFrame(ws.NewCloseFrameBody(code, why)))
	}
	first := frameOf(ws.NewFrame(ws.OpText, false, []byte("42[\"\xf0\x9f")))
	for name, c := range map[string]struct {
		bytes string
		code  ws.StatusCode
	}{
		"unmasked":                {"\x81\x02hi", ws.StatusProtocolError},
		"2^62 bytes":              {"\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00mask", ws.StatusMessageTooBig},
		"negative length":         {"\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00mask", ws.StatusProtocolError},
		"reserved opcode":         {"\x83\x80mask", ws.StatusProtocolError},
		"reserved control opcode": {"\x8b\x80mask", ws.StatusProtocolError},
		"reserved bit":            {"\xc1\x80mask", ws.StatusProtocolError},
		"continuation of nothing": {"\x80\x80mask", ws.StatusProtocolError},
		"message in a message":    {first + first, ws.StatusProtocolError},
		"fragment of a PING":      {"\x09\x80mask", ws.StatusProtocolError},
		"long PING":               {"\x89\xfe\x00\x7emask", ws.StatusProtocolError},
		"invalid UTF-8":           {text("42[\"\xff\"]"), ws.StatusInvalidFramePayloadData},
		"half a character":        {first + frameOf(ws.NewFrame(ws.OpContinuation, true, []byte("\"]"))), ws.StatusInvalidFramePayloadData},
		"half a close code":       {"\x88\x81mask\x00", ws.StatusProtocolError},
		"close code 1005":         {close(1005, ""), ws.StatusProtocolError},
		"close reason":            {close(1000, "\xff\xfe"), ws.StatusProtocolError},
		"binary nobody announced": {binary(1), ws.StatusProtocolError},
		"text for an attachment":  {text(`451-["a"]`) + text(`42["a"]`), ws.StatusProtocolError},
		"attachment too many":     {text(`451-["a"]`) + binary(1) + binary(1), ws.StatusProtocolError},
		"attachments of 1.5 MB":   {text(`4510-["a"]`) + strings.Repeat(binary(150_000), 10), ws.StatusProtocolError},
	} {
		w := openWire(t, n.url, sioclient.TransportWebSocket).(*socketWire)
		if err := connect(w); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, c.bytes); err != nil {
			t.Fatal(err)
		}
		if p, err := w.read(); err != (closed{c.code}) {
			t.Errorf("%s: %.60q, %v; want to be closed with %d", name, p, err, c.code)
		}
	}
}

// Placeholders are not looked up, whatever their number: no client can make the server reach beyond the attachments that it sent.
func TestInvariant5_HostilePlaceholders(t *testing.T) {
	n := start(t, server.Config{})
	w := openWire(t, n.url, sioclient.TransportWebSocket).(*socketWire)
	if err := connect(w); err != nil {
		t.Fatal(err)
	}
	for _, num := range []string{"-5", "1", "99999999999999999999", "1e999", "null", `"0"`, "[0]"} {
		placeholder := `{"_placeholder":true,"num":` + num + `}`
		bytes := text(`451-["m",`+placeholder+`]`) + binary(1) + text(`451-8["join",`+placeholder+`]`) + binary(1) + text(`461-0[`+placeholder+`]`) + binary(1)
		if _, err := io.WriteString(w, bytes+text(`427["leave","a"]`)); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`438[{"ok":false,"room":null,"error":"invalid"}]`, `437[{"ok":true,"room":"a"}]`} {
			if _, err := expect(w, want); err != nil {
				t.Fatalf("num %s: %v", num, err)
			}
		}
	}
}

// A body that is not a payload ends its session; a payload of very many packets is nothing special.
func TestInvariant5_HostilePolling(t *testing.T) {
	n := start(t, server.Config{})
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"100,000 PONGs": {strings.Repeat("3\x1e", 99_999) + "3", 0}, "100,000 acks": {strings.Repeat("431[]\x1e", 99_999) + "431[]", 0},
		"100,000 empty packets": {strings.Repeat("\x1e", 100_000), http.StatusBadRequest}, "nothing": {"", http.StatusBadRequest}, "empty packet at the end": {"3\x1e", http.StatusBadRequest},
		"no base64": {"b!!!!", http.StatusBadRequest}, "half base64": {"bAAA", http.StatusBadRequest}, "invalid UTF-8": {"4\xff", http.StatusBadRequest},
		"binary nobody announced": {"bAAAA", 0}, // a Socket.IO matter: the session ends after the answer
	} {
		w := openWire(t, n.url, sioclient.TransportPolling).(*pollWire)
		if err := connect(w); err != nil {
			t.Fatal(err)
		}
		_, err := w.request(http.MethodPost, strings.NewReader(c.body))
		var refused *sioclient.StatusError
		if errors.As(err, &refused) && refused.Status == c.status || err == nil && c.status == 0 {
			continue
		}
		t.Errorf("%s: %v, want status %d", name, err, c.status)
	}
}
