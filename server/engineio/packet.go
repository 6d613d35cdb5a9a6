package engineio

import "github.com/ws-emit/ws-emit/server/frame"

// PacketType is the first character of a packet (Engine.IO protocol, "Protocol").
type PacketType byte

// Packet types, in the order of the protocol.
const (
	PacketOpen    PacketType = '0' // server -> client; the handshake
	PacketClose   PacketType = '1' // both; the transport can be closed
	PacketPing    PacketType = '2' // server -> client; client -> server with "probe" during an upgrade
	PacketPong    PacketType = '3' // client -> server; server -> client with "probe" during an upgrade
	PacketMessage PacketType = '4' // both
	PacketUpgrade PacketType = '5' // client -> server
	PacketNoop    PacketType = '6' // server -> client; ends a GET
)

const probe = "probe"

var (
	pingFrame  = frame.Text("2")
	pongProbe  = frame.Text("3" + probe)
	closeFrame = frame.Text("1")
	noopFrame  = frame.Text("6")
)
