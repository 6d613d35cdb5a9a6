package engineio

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// net/http reads what is left of a body before it writes an answer. A client that announces one and does not send it must not hold up anything for long.
func TestBodiesThatNobodyWants(t *testing.T) {
	n := start(t, Config{BodyTimeout: 50 * time.Millisecond, MaxPayload: 1000}, &fake{})
	session := n.client(t, polls)
	session.send("4a")
	for name, request := range map[string][2]string{
		"unknown session":    {"POST", "EIO=4&transport=polling&sid=x"},
		"unknown transport":  {"POST", "EIO=4&transport=x"},
		"handshake":          {"POST", "EIO=4&transport=polling"},
		"handshake by GET":   {"GET", "EIO=4&transport=polling"},
		"a little too large": {"POST", "EIO=4&transport=polling&sid=" + n.client(t, polls).SID()},
		"GET of a session":   {"GET", "EIO=4&transport=polling&sid=" + session.SID()},
	} {
		t.Run(name, func(t *testing.T) {
			r := n.raw(t)
			r.write("%s /?%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", request[0], request[1])
			if _, _, err := r.answer(); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is too large is refused at once: the rest is not waited for.
func TestTooLargeIsRefusedAtOnce(t *testing.T) {
	n := start(t, Config{BodyTimeout: 2 * patience, MaxPayload: 1000}, &fake{})
	c := n.client(t, polls)
	r := n.raw(t)
	r.startPOST(c.SID(), "Content-Length: 1001")
	wantAnswer(t, 413, body(errTooLarge))(r.answer())
	c.wantClosed(t, ReasonTooLarge)
}

// Refusals have a deadline too: a client that sends bad requests and reads nothing loses its connection.
func TestRefusalsHaveADeadline(t *testing.T) {
	n := start(t, Config{WriteTimeout: 50 * time.Millisecond, BodyTimeout: 50 * time.Millisecond}, &fake{})
	r := n.raw(t)
	requests := strings.Repeat("GET /?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\n\r\n", 1000)
	for {
		if _, err := fmt.Fprint(r.Conn, requests); err != nil {
			if strings.Contains(err.Error(), "timeout") {
				t.Errorf("the connection stays: %v", err)
			}
			return
		}
	}
}
