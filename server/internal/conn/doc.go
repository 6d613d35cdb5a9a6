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
// A WebSocket that says nothing has neither a goroutine nor a buffer: on Linux one goroutine, the poller, watches all descriptors, and workers read
// what has come and call the owner, one at a time for each connection. TLS, and every connection on other systems, is read by a goroutine of its own.
//
// Goroutines: Group.Run (the timing wheel, and the look at the backlogs), which waits for all others: a drainer for each draining connection, one for
// each connection that ends, which tells its owner, the poller, the workers and those that read.
//
// Locks: Conn.mu (in an upgrade the session's, then the probe's), then Group.backlogs.mu, wheel.mu or poller.mu. No lock is held across a call that can block.
package conn
