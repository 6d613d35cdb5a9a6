package server

import (
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"log/slog"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/roomspace"
	"github.com/ws-emit/ws-emit/server/engineio"
	"github.com/ws-emit/ws-emit/server/frame"
	"github.com/ws-emit/ws-emit/server/internal/hub"
	"github.com/ws-emit/ws-emit/server/socketio"
)

// member is what a socket is to us.
type member = hub.Member

// Connect implements socketio.Handler: everybody may connect.
func (s *Server) Connect(k *socketio.Socket, _ json.RawMessage, reply *frame.Frame) error {
	session := k.Session()
	m := s.hub.NewMember(k.Outlet(), k.Namespace(), k.ID(), crc32.ChecksumIEEE([]byte(session.SID())))
	k.Data = m
	m.Connect(reply)
	s.debug("connected", k, slog.String("addr", session.Addr().String()))
	return nil
}

// Disconnect implements socketio.Handler.
func (s *Server) Disconnect(k *socketio.Socket, why engineio.CloseReason) {
	if m := k.Data.(*member); why == engineio.ReasonClient {
		m.Quit()
	} else {
		m.Gone()
	}
	s.debug("disconnected", k, slog.String("reason", string(why)))
}

// debug logs what happens to a socket, which costs nothing unless somebody wants to know. The room that a client names is its own to tell; a secret is not.
func (s *Server) debug(message string, k *socketio.Socket, more slog.Attr) {
	if log := s.cfg.Logger; log.Enabled(context.Background(), slog.LevelDebug) {
		log.LogAttrs(context.Background(), slog.LevelDebug, message, slog.String("sid", k.ID()), slog.String("namespace", k.Namespace()), more)
	}
}

// refuse answers a join with the reason why not.
func (s *Server) refuse(m *member, reply joinReply, why roomspace.Result) {
	room := ""
	if reply.room != nil {
		room = (*reply.room)[:min(len(*reply.room), roomspace.MaxRoom)]
	}
	s.debug("join refused", reply.socket, slog.Group("join", slog.String("room", room), slog.String("reason", string(why))))
	m.Reply(reply.refused(why))
}

// Ack implements socketio.Handler: we ask for no answers.
func (s *Server) Ack(*socketio.Socket, int64, []json.RawMessage, [][]byte) {
	s.metrics.Ignored("ack")
}

// Event implements socketio.Handler: clients join and leave, and that is all.
func (s *Server) Event(k *socketio.Socket, e socketio.Event) (wait func()) {
	switch e.Name {
	case "join":
		return s.join(k, e)
	case "leave":
		s.leave(k, e)
	default:
		s.metrics.Ignored("event")
	}
	return nil
}

// join answers a join. Only for a room of a space is there something to wait for.
func (s *Server) join(k *socketio.Socket, e socketio.Event) (wait func()) {
	m := k.Data.(*member)
	reply := newJoinReply(k, e)
	room, secret, err := joinArgs(e.Args)
	if err == nil {
		reply.room = &room
		var name roomspace.Name
		if name, err = roomspace.Parse(room); err == nil && name.Space != "" {
			return s.joinSpace(m, reply, roomspace.Request{
				Space: name.Space, Secret: secret, Conn: failures(k), Addr: k.Session().Addr(), Arrived: e.Arrived,
			})
		}
	}
	if result := roomspace.ResultOf(err); result != roomspace.ResultOK {
		s.metrics.Join(string(result))
		s.refuse(m, reply, result)
		return nil
	}
	s.metrics.Join("public")
	m.Join(room, reply.ok(), reply.refused(roomspace.ResultLimit))
	return nil
}

// failures counts the failed joins of a connection: of all its sockets, for a client can have as many as it likes, one after the other.
func failures(k *socketio.Socket) *roomspace.ConnState {
	data := k.SessionData()
	if *data == nil {
		*data = new(roomspace.ConnState)
	}
	return (*data).(*roomspace.ConnState)
}

func (s *Server) joinSpace(m *member, reply joinReply, r roomspace.Request) (wait func()) {
	return func() {
		if err := s.authorizer.Join(s.joins, r); err != nil {
			s.refuse(m, reply, roomspace.ResultOf(err))
			return
		}
		m.Join(*reply.room, reply.ok(), reply.refused(roomspace.ResultLimit))
	}
}

// leave answers a leave, which needs no secret. Leaving a room that one is not in is fine.
func (s *Server) leave(k *socketio.Socket, e socketio.Event) {
	m := k.Data.(*member)
	reply := newJoinReply(k, e)
	room, _, err := joinArgs(e.Args)
	if err != nil || len(room) > roomspace.MaxRoom {
		m.Reply(reply.refused(roomspace.ResultInvalid))
		return
	}
	reply.room = &room
	m.Leave(room, reply.ok())
}

var errArgs = errors.Join(roomspace.ErrInvalid, errors.New("server: not a room"))

// joinArgs reads the argument of a join or leave: {"room": R, "secret": S?} or "R". The strings are copies. A secret that is not a string matches nothing, as
// does none.
func joinArgs(args []json.RawMessage) (room, secret string, err error) {
	if len(args) == 0 {
		return "", "", errArgs
	}
	if jsonString(args[0], &room) {
		return room, "", nil
	}
	var object map[string]json.RawMessage // not a struct: that would take "ROOM" too
	if json.Unmarshal(args[0], &object) != nil || !jsonString(object["room"], &room) {
		return "", "", errArgs
	}
	jsonString(object["secret"], &secret)
	return room, secret, nil
}

// jsonString reads a string. Half of a surrogate pair is none: encoding/json would make U+FFFD of it, and one name of several.
func jsonString(raw json.RawMessage, s *string) bool {
	return len(raw) > 0 && raw[0] == '"' && !hasLoneSurrogate(string(raw)) && json.Unmarshal(raw, s) == nil
}

// hasLoneSurrogate looks at the escapes of a valid JSON string.
func hasLoneSurrogate(s string) bool {
	for {
		_, escape, found := strings.Cut(s, `\`)
		if !found {
			return false
		}
		first := codeUnit(escape)
		if !utf16.IsSurrogate(first) {
			s = escape[1:]
			continue
		}
		rest, pair := strings.CutPrefix(escape[5:], `\`)
		if !pair || utf16.DecodeRune(first, codeUnit(rest)) == utf8.RuneError {
			return true
		}
		s = rest[5:]
	}
}

// codeUnit returns what "uXXXX" stands for, 0 for any other escape.
func codeUnit(escape string) rune {
	if escape[0] != 'u' {
		return 0
	}
	unit, _ := strconv.ParseUint(escape[1:5], 16, 16) // the string is valid
	return rune(unit)
}

// joinReply makes the answer to a join or leave, if the client asked for one.
type joinReply struct {
	socket *socketio.Socket
	id     int64
	room   *string // nil: there is no name to repeat
}

func newJoinReply(k *socketio.Socket, e socketio.Event) joinReply {
	return joinReply{socket: k, id: e.ID}
}

func (r joinReply) ok() *frame.Frame { return r.encode(true, "") }

func (r joinReply) refused(why roomspace.Result) *frame.Frame { return r.encode(false, why) }

func (r joinReply) encode(ok bool, why roomspace.Result) *frame.Frame {
	if r.id == socketio.NoID {
		return nil
	}
	room := r.room
	if room != nil && len(*room) > roomspace.MaxRoom {
		room = nil // not a name: no need to send it back
	}
	answer, _ := json.Marshal(struct { // strings do not fail
		OK    bool             `json:"ok"`
		Room  *string          `json:"room"`
		Error roomspace.Result `json:"error,omitempty"`
	}{ok, room, why})
	return r.socket.AckFrame(socketio.Event{ID: r.id}, answer)
}
