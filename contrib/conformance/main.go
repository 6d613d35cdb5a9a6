// Command conformance serves what the public test suites of the Engine.IO protocol (revision 4) and the Socket.IO protocol (revision 5) ask for, on the
// packages of this project.
//
//	/engine.io/   echoes every message
//	/socket.io/   emits "auth" with what the client gave, answers "message" with "message-back", acknowledges "message-with-ack"; namespaces / and /custom
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/rs/cors"
	"golang.org/x/sync/errgroup"

	"github.com/ws-emit/ws-emit/server/engineio"
	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/socketio"
)

func main() {
	addr := flag.String("addr", ":3000", "address to listen on")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr string) error {
	engine := engineio.Config{
		Handler:      echo{},
		PingInterval: 300 * time.Millisecond,
		PingTimeout:  200 * time.Millisecond,
		MaxPayload:   1_000_000,
	}
	engines, err := engineio.New(engine)
	if err != nil {
		return err
	}
	sockets, err := socketio.New(socketio.Config{
		Handler:        app{},
		Namespaces:     []string{"/", "/custom"},
		ConnectTimeout: time.Second,
		Engine:         engine,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/engine.io/", engines)
	mux.Handle("/socket.io/", sockets)
	web := &http.Server{Addr: addr, Handler: cors.AllowAll().Handler(mux), ReadHeaderTimeout: 5 * time.Second}

	timers, endTimers := context.WithCancel(context.Background())
	group, failed := errgroup.WithContext(timers)
	group.Go(func() error { return engines.Run(timers) })
	group.Go(func() error { return sockets.Run(timers) })
	group.Go(func() error {
		if err := web.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	select {
	case <-ctx.Done():
	case <-failed.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	engines.Shutdown(grace, 0)
	sockets.Shutdown(grace, 0)
	_ = web.Shutdown(grace)
	endTimers()
	return group.Wait()
}

// echo sends every message back.
type echo struct{}

func (echo) Open(*engineio.Session) {}

func (echo) Message(s *engineio.Session, m engineio.Message) func() {
	data := m.Data
	if !m.Binary {
		data = append([]byte{byte(engineio.PacketMessage)}, data...)
	}
	s.Send(frame.One(frame.New(frame.Packet{Binary: m.Binary, Data: data})))
	return nil
}

func (echo) Close(*engineio.Session, engineio.CloseReason) {}

type app struct{}

func (app) Connect(s *socketio.Socket, auth json.RawMessage, reply *frame.Frame) error {
	if auth == nil {
		auth = json.RawMessage("{}")
	}
	hello, err := socketio.EncodeEvent(s.Namespace(), "auth", []json.RawMessage{auth}, nil)
	if err != nil {
		return err
	}
	s.Session().Send(frame.One(reply))
	s.Session().Send(frame.One(hello))
	return nil
}

func (app) Event(s *socketio.Socket, e socketio.Event) func() {
	var answer *frame.Frame
	var err error
	switch e.Name {
	case "message":
		answer, err = socketio.EncodeEvent(s.Namespace(), "message-back", e.Args, e.Attachments)
	case "message-with-ack":
		answer, err = socketio.EncodeAck(s.Namespace(), e.ID, e.Args, e.Attachments)
	default:
		return nil
	}
	if err != nil {
		s.Session().Finish(engineio.ReasonInternal)
		return nil
	}
	s.Session().Send(frame.One(answer))
	return nil
}

func (app) Ack(*socketio.Socket, int64, []json.RawMessage, [][]byte) {}

func (app) Disconnect(*socketio.Socket, engineio.CloseReason) {}
