package scenario

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"golang.org/x/sync/errgroup"
)

// exit is a way in which a client goes.
type exit int

const (
	exitCloseFrame exit = iota // as a browser that leaves a page
	exitTCP                    // as a process that ends
	exitReset                  // as a network that breaks
	exitHandshake              // half of a request, and gone
	exitBeforeJoin             // it has a session, and has not asked for a namespace
	exitUnanswered             // it has asked to join, and does not wait for the answer
	exits                      // how many there are
)

// churnPatience bounds a visit.
const churnPatience = 10 * time.Second

// comeAndGo lets clients come and go, and returns when all have gone. Addresses of loopback take turns, as one has too few ports.
func comeAndGo(ctx context.Context, base string, clients int) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range churnAtOnce {
		group.Go(func() error {
			for i := int(next.Add(1) - 1); i < clients && ctx.Err() == nil; i = int(next.Add(1) - 1) {
				if err := visit(ctx, base, i); err != nil {
					return fmt.Errorf("client %d: %w", i, err)
				}
			}
			return ctx.Err()
		})
	}
	return group.Wait()
}

// visit is one client, from when it comes until it has gone.
func visit(ctx context.Context, base string, i int) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	dialer := net.Dialer{Timeout: churnPatience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%200))}}
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(churnPatience)); err != nil {
		return err
	}
	how := exit(i % int(exits))
	if how == exitHandshake {
		_, err := io.WriteString(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: "+u.Host+"\r\nConnec")
		return err
	}
	v := visitor{conn: conn}
	if err := v.join(u, fmt.Sprint("churn-", i), how); err != nil {
		return err
	}
	switch how {
	case exitCloseFrame:
		return v.goodbye()
	case exitReset:
		return conn.(*net.TCPConn).SetLinger(0)
	}
	return nil
}

// visitor is a client of Socket.IO by WebSocket.
type visitor struct {
	conn net.Conn
	br   *bufio.Reader
}

// join does what a client does, as far as it goes.
func (v *visitor) join(u *url.URL, room string, how exit) error {
	br, _, err := ws.Dialer{}.Upgrade(v.conn, &url.URL{Scheme: "ws", Host: u.Host, Path: "/socket.io/", RawQuery: "EIO=4&transport=websocket"})
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if v.br = br; br == nil {
		v.br = bufio.NewReaderSize(v.conn, 512)
	}
	if err := v.expect("0{"); err != nil || how == exitBeforeJoin {
		return err
	}
	if err := v.write("40"); err != nil {
		return err
	}
	if err := v.expect("40{"); err != nil {
		return err
	}
	if err := v.write(`420["join",{"room":"` + room + `"}]`); err != nil || how == exitUnanswered {
		return err
	}
	return v.expect(`430[{"ok":true`)
}

func (v *visitor) write(packet string) error {
	return wsutil.WriteClientText(v.conn, []byte(packet))
}

// expect reads a packet and looks how it begins.
func (v *visitor) expect(beginning string) error {
	packet, err := wsutil.ReadServerText(struct {
		io.Reader
		io.Writer
	}{v.br, v.conn})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", beginning, err)
	}
	if !strings.HasPrefix(string(packet), beginning) {
		return fmt.Errorf("got %.100q, want %s", packet, beginning)
	}
	return nil
}

// goodbye closes the WebSocket as it should be: a close frame, and the server's answer.
func (v *visitor) goodbye() error {
	frame := ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "")))
	if err := ws.WriteFrame(v.conn, frame); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, v.br)
	return err
}
