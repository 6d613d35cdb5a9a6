package bench

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// Packets of Engine.IO and Socket.IO in one text, as far as clients have to know them.
const (
	engineOpen    = '0'
	engineClose   = '1'
	enginePing    = '2'
	engineMessage = '4'

	sioConnect      = "40"
	sioDisconnect   = '1'
	sioEvent        = "42"
	sioAck          = "43"
	sioConnectError = "44"
)

// enginePong answers a PING.
var enginePong = []byte("3")

// Ends of a client that are not those of its connection.
var (
	errEngineClosed = errors.New("the server closed the session")
	errDisconnected = errors.New("the server disconnected the socket")
	errRefused      = errors.New("the server refused the join")
)

// socketIO is Socket.IO over WebSocket, with one socket.
type socketIO struct {
	cfg       *Config
	namespace string // as packets have it: nothing, or the name and a comma
	join      string // the beginning of a join, as JSON
}

var _ Protocol = (*socketIO)(nil)

func newSocketIO(cfg *Config) *socketIO {
	p := &socketIO{cfg: cfg, join: `["` + inString(cfg.JoinEvent) + `",`}
	if cfg.Namespace != "/" {
		p.namespace = cfg.Namespace + ","
	}
	return p
}

func (p *socketIO) Endpoint() string { return p.cfg.Path + "?EIO=4&transport=websocket" }

// Join connects to the namespace and joins one room after the other.
func (p *socketIO) Join(c Conn, client int, rooms []string) error {
	open, err := c.Read()
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if len(open) == 0 || open[0] != engineOpen {
		return errors.New("handshake: no open packet")
	}
	if err := c.Write([]byte(sioConnect + p.namespace)); err != nil {
		return fmt.Errorf("connect to namespace: %w", err)
	}
	if _, err := await(c, sioConnect+p.namespace); err != nil {
		return fmt.Errorf("connect to namespace: %w", err)
	}
	for i, room := range rooms {
		if err := p.joinOne(c, client, room, i+1); err != nil {
			return err
		}
	}
	return nil
}

func (p *socketIO) joinOne(c Conn, client int, room string, id int) error {
	ack := strconv.Itoa(id)
	if p.cfg.NoJoinAck {
		ack = ""
	}
	err := c.Write([]byte(sioEvent + p.namespace + ack + p.join + p.cfg.joinData(client, room) + "]"))
	var answer []byte
	if err == nil && ack != "" {
		answer, err = await(c, sioAck+p.namespace+ack+"[")
	}
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if isRefusal(answer) {
		return errRefused
	}
	return nil
}

// await reads texts up to one that begins in a way.
func await(c Conn, beginning string) ([]byte, error) {
	for {
		text, err := c.Read()
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(text, []byte(beginning)) {
			return text, nil
		}
		if bytes.HasPrefix(text, []byte(sioConnectError)) {
			return nil, errors.New("the server refused the namespace")
		}
	}
}

// isRefusal reports whether a join is answered as ws-emit answers one that it refuses. It does not decode what other servers may answer.
func isRefusal(answer []byte) bool { return bytes.Contains(answer, []byte(`"ok":false`)) }

// Receive takes a packet.
func (p *socketIO) Receive(text []byte) (answer []byte, messages bool, err error) {
	switch {
	case len(text) > 1 && text[0] == engineMessage && text[1] != sioDisconnect:
		return nil, true, nil
	case len(text) > 1 && text[0] == engineMessage:
		return nil, false, errDisconnected
	case len(text) == 1 && text[0] == enginePing:
		return enginePong, false, nil
	case len(text) == 1 && text[0] == engineClose:
		return nil, false, errEngineClosed
	}
	return nil, false, nil
}

// joinData is the argument of a join.
func (c *Config) joinData(client int, room string) string {
	return string(newTemplate(c.JoinData, markRoom, markClient).
		bind(values{markRoom: inString(room), markClient: strconv.Itoa(client)}).append(nil, nil))
}
