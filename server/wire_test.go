package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/sioclient"
)

// wire is a session that is spoken by hand: Engine.IO packets, each a string.
type wire interface {
	// write sends packets in one go.
	write(packets ...string) error
	// read returns the next text packet, without PINGs, which it answers.
	read() (string, error)
	// close ends the network connections without a word.
	close()
}

// openWire opens a session by long-polling or WebSocket. It is closed with the test.
func openWire(t testing.TB, base string, transport sioclient.Transport) wire {
	t.Helper()
	w, err := dialWire(base, transport)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

func dialWire(base string, transport sioclient.Transport) (wire, error) {
	var w wire
	var err error
	if transport == sioclient.TransportWebSocket {
		w, err = dialSocket(base, "")
	} else {
		w = newPollWire(base)
	}
	if err != nil {
		return nil, err
	}
	if _, err := expect(w, "0{"); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// connect connects a wire to the main namespace.
func connect(w wire) error {
	if err := w.write("40"); err != nil {
		return err
	}
	_, err := expect(w, `40{"sid":"~`)
	return err
}

// expect reads a packet that begins like this, and returns the rest of it.
func expect(w wire, prefix string) (string, error) {
	p, err := w.read()
	if err != nil {
		return "", fmt.Errorf("waiting for %s: %w", prefix, err)
	}
	rest, ok := strings.CutPrefix(p, prefix)
	if !ok {
		return "", fmt.Errorf("got %.200s, want %s", p, prefix)
	}
	return rest, nil
}

// socketWire is a wire on a WebSocket, whose handshake and frames are written by hand too.
type socketWire struct {
	net.Conn
	br *bufio.Reader
}

// handshake is the request that opens a WebSocket; sid is empty for a new session.
func handshake(base, sid string) string {
	u, _ := url.Parse(base) // of a server that was started here
	if sid != "" {
		sid = "&sid=" + url.QueryEscape(sid)
	}
	return "GET /socket.io/?EIO=4&transport=websocket" + sid + " HTTP/1.1\r\nHost: " + u.Host +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
}

// dialSocket opens a WebSocket, and writes packets in one go with the handshake.
func dialSocket(base, sid string, early ...string) (*socketWire, error) {
	c, err := dialHost(base)
	if err != nil {
		return nil, err
	}
	w := &socketWire{c, bufio.NewReader(c)}
	if err := w.open(handshake(base, sid) + frames(early)); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func dialHost(base string) (net.Conn, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: patience}
	return dialer.Dial("tcp", u.Host)
}

func (w *socketWire) open(request string) error {
	if _, err := io.WriteString(w, request); err != nil {
		return err
	}
	if err := w.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	response, err := http.ReadResponse(w.br, nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("handshake: %s", response.Status)
	}
	return nil
}

// frames encodes text messages, as a client does: masked.
func frames(packets []string) string {
	var b strings.Builder
	for _, p := range packets {
		b.WriteString(frameOf(ws.NewTextFrame([]byte(p))))
	}
	return b.String()
}

func frameOf(f ws.Frame) string { return string(ws.MustCompileFrame(ws.MaskFrame(f))) }

func (w *socketWire) write(packets ...string) error {
	_, err := io.WriteString(w, frames(packets))
	return err
}

// closed is the close frame that a server sent.
type closed struct{ code ws.StatusCode }

func (c closed) Error() string { return fmt.Sprint("closed with code ", c.code) }

// frame reads the next frame.
func (w *socketWire) frame() (op ws.OpCode, payload string, err error) {
	h, err := ws.ReadHeader(w.br)
	if err != nil {
		return 0, "", err
	}
	b := make([]byte, h.Length)
	_, err = io.ReadFull(w.br, b)
	return h.OpCode, string(b), err
}

func (w *socketWire) read() (string, error) {
	if err := w.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	for { // PINGs do not lengthen the wait
		op, payload, err := w.frame()
		switch {
		case err != nil:
			return "", err
		case op == ws.OpClose:
			code, _ := ws.ParseCloseFrameData([]byte(payload))
			return "", closed{code}
		case op != ws.OpText:
			return "", fmt.Errorf("frame with opcode %d", op)
		case payload == "2":
			if err := w.write("3"); err != nil {
				return "", err
			}
		default:
			return payload, nil
		}
	}
}

func (w *socketWire) close() { _ = w.Close() }

// pollWire is a wire by long-polling.
type pollWire struct {
	client http.Client
	url    string
	queue  []string // packets that were read and not asked for yet
	sid    string
}

func newPollWire(base string) *pollWire {
	return &pollWire{client: http.Client{Transport: &http.Transport{}}, url: base + "/socket.io/?EIO=4&transport=polling"}
}

func (w *pollWire) write(packets ...string) error {
	_, err := w.request(http.MethodPost, strings.NewReader(strings.Join(packets, "\x1e")))
	return err
}

func (w *pollWire) request(method string, body io.Reader) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.url, body)
	if err != nil {
		return "", err
	}
	res, err := w.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = &sioclient.StatusError{Status: res.StatusCode, Body: string(answer)}
	}
	return string(answer), err
}

func (w *pollWire) read() (string, error) {
	for began := time.Now(); ; {
		if time.Since(began) > patience {
			return "", os.ErrDeadlineExceeded // PINGs do not lengthen the wait
		}
		for len(w.queue) == 0 {
			answer, err := w.request(http.MethodGet, nil)
			if err != nil {
				return "", err
			}
			w.queue = strings.Split(answer, "\x1e")
		}
		p := w.queue[0]
		w.queue = w.queue[1:]
		switch {
		case p == "2":
			if err := w.write("3"); err != nil {
				return "", err
			}
		case p == "1":
			return "", errors.New("closed by the server")
		case w.sid == "" && strings.HasPrefix(p, "0"):
			_, rest, _ := strings.Cut(p, `"sid":"`)
			w.sid, _, _ = strings.Cut(rest, `"`)
			w.url += "&sid=" + url.QueryEscape(w.sid)
			return p, nil
		default:
			return p, nil
		}
	}
}

func (w *pollWire) close() { w.client.CloseIdleConnections() }
