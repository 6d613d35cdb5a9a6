// Package server puts the parts together: it is what `ws-emit` runs, and what a Go program can run inside itself.
//
//	in    HTTP -> engineio -> socketio -> join.go -> roomspace.Authorizer -> hub (members, rooms)
//	out   POST /emit, Redis -> emitter.Sink = Server.Emit -> socketio.EncodeEvent, once -> hub -> sessions
//
// Only wiring and the rules of this application stand here. join.go is the only file that sees protocol, policy and hub together: who reviews security reads
// that file and package roomspace.
//
// Goroutines: those of the parts, which Run starts and waits for. Locks: each part has its own; where one part calls another with a lock held, the order is
// engineio.Session or the sockets of a socketio session, conn.Conn, then what hub says.
package server
