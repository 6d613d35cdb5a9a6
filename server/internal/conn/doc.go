// Package conn is one connection of whatever protocol: its states, what waits to be written, reading WebSocket messages, heartbeats.
//
// A [Conn] is *polling*, *direct*, *draining* or *closed*. Frames come in by Send, from any goroutine, which never blocks:
//
//	polling   they wait until a GET takes them (Take, Answered)
//	direct    one non-blocking write is tried; what does not fit waits, and the connection is draining
//	draining  they wait; one goroutine, which exists only now, writes them, and makes the connection direct again when nothing is left
//	closed    nothing is accepted
//
// What waits is charged to the connection in bytes, and to its [Group], which knows all connections of a node. A connection that is over its
// share, or that lets nothing be written for too long, is ended as a slow consumer; when all together are over theirs, the one whose oldest byte
// is oldest is ended. [Group.Behind] says that emitters should wait.
//
// Goroutines: Group.Run (the timing wheel, and the look at the backlogs), a drainer for each draining connection, one for each connection that
// ends, which tells its owner, and, where the protocol reads a WebSocket, one that is in [Conn.ReadWebSocket]. Group.Run waits for the drainers
// and the owners.
//
// Locks: Conn.mu (in an upgrade the session's, then the probe's), then Group.backlogs.mu or wheel.mu. No lock is held across a call that can block.
package conn
