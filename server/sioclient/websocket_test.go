package sioclient

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// dialRaw opens a bare WebSocket to a peer, and returns the peer's side of it too.
func dialRaw(t *testing.T) (*WebSocket, *peerSession) {
	t.Helper()
	p := newPeer(t)
	w, err := DialWebSocket(within(t), strings.Replace(p.url, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	if open, err := w.ReadText(); err != nil || open != p.only().open() {
		t.Fatalf("first message %q, error %v", open, err)
	}
	return w, p.only()
}

func TestWebSocketEcho(t *testing.T) {
	w, _ := dialRaw(t)
	for _, m := range []Message{text("40"), text("4" + strings.Repeat("x", 70_000)), {Binary: true, Data: []byte{0, 0xff}}, text("4é")} {
		want := m
		if string(m.Data) == "40" {
			want = text(`40{"sid":"public"}`)
		}
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
		got, err := w.Read()
		if err != nil || got.Binary != want.Binary || !bytes.Equal(got.Data, want.Data) {
			t.Errorf("%.20q, error %v, want %.20q", got.Data, err, want.Data)
		}
	}
}

func TestWebSocketFragments(t *testing.T) {
	w, s := dialRaw(t)
	var b bytes.Buffer
	for _, f := range []ws.Frame{
		ws.NewFrame(ws.OpText, false, []byte("4a\xc3")), // half a character
		ws.NewPingFrame([]byte("hello")),
		ws.NewFrame(ws.OpContinuation, false, nil),
		ws.NewPongFrame(nil),
		ws.NewFrame(ws.OpContinuation, true, []byte("\xa9")),
		ws.NewFrame(ws.OpBinary, false, []byte{1}),
		ws.NewFrame(ws.OpContinuation, true, []byte{2}),
		ws.NewTextFrame([]byte("4b")),
	} {
		b.Write(ws.MustCompileFrame(f))
	}
	s.writeRaw(b.Bytes())
	for _, want := range []Message{text("4aé"), {Binary: true, Data: []byte{1, 2}}, text("4b")} {
		m, err := w.Read()
		if err != nil || m.Binary != want.Binary || !bytes.Equal(m.Data, want.Data) {
			t.Errorf("%+v, error %v, want %+v", m, err, want)
		}
	}
}

func TestWebSocketErrors(t *testing.T) {
	huge := ws.Header{Fin: true, OpCode: ws.OpText, Length: 1 << 62}
	for name, tt := range map[string]struct {
		frames []ws.Frame
		want   error
	}{
		"masked":                 {[]ws.Frame{ws.MaskFrame(ws.NewTextFrame([]byte("4")))}, ErrProtocol},
		"reserved opcode":        {[]ws.Frame{ws.NewFrame(3, true, nil)}, ErrProtocol},
		"compressed":             {[]ws.Frame{{Header: ws.Header{Fin: true, Rsv: ws.Rsv(true, false, false), OpCode: ws.OpText}}}, ErrProtocol},
		"continuation of none":   {[]ws.Frame{ws.NewFrame(ws.OpContinuation, true, nil)}, ErrProtocol},
		"text within a message":  {[]ws.Frame{ws.NewFrame(ws.OpText, false, nil), ws.NewTextFrame(nil)}, ErrProtocol},
		"not UTF-8":              {[]ws.Frame{ws.NewTextFrame([]byte{'4', 0xc3})}, ErrProtocol},
		"large ping":             {[]ws.Frame{ws.NewPingFrame(make([]byte, 126))}, ErrProtocol},
		"huge":                   {[]ws.Frame{{Header: huge}}, ErrTooLarge},
		"huge after a beginning": {[]ws.Frame{ws.NewFrame(ws.OpText, false, []byte("4")), {Header: ws.Header{OpCode: ws.OpContinuation, Length: 16 << 20}}}, ErrTooLarge},
	} {
		w, s := dialRaw(t)
		var b bytes.Buffer
		for _, f := range tt.frames {
			b.Write(ws.MustCompileFrame(f))
		}
		s.writeRaw(b.Bytes())
		if _, err := w.Read(); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
}

func TestWebSocketTruncated(t *testing.T) {
	for _, frame := range []ws.Frame{
		{Header: ws.Header{Fin: true, OpCode: ws.OpText, Length: 10}},
		{Header: ws.Header{Fin: true, OpCode: ws.OpText, Length: 10_000}},
		{Header: ws.Header{Fin: true, OpCode: ws.OpPing, Length: 10}},
	} {
		w, s := dialRaw(t)
		s.writeRaw(ws.MustCompileFrame(frame))
		s.close()
		if _, err := w.Read(); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v", err)
		}
	}
}

func TestWebSocketWriteClose(t *testing.T) {
	w, _ := dialRaw(t)
	if err := w.WriteClose(1000, "bye"); err != nil {
		t.Fatal(err)
	}
	var closed *CloseError
	if _, err := w.Read(); !errors.As(err, &closed) || closed.Code != 1000 {
		t.Errorf("error %v", err)
	}
}

func TestReadTextRefusesBinary(t *testing.T) {
	w, s := dialRaw(t)
	s.send(Message{Binary: true, Data: []byte{1}})
	if _, err := w.ReadText(); !errors.Is(err, ErrProtocol) {
		t.Errorf("error %v", err)
	}
}
