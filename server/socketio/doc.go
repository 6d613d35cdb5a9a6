// Package socketio speaks Socket.IO protocol 5 on top of Engine.IO.
//
// The codec turns what an Engine.IO message carries into a [Packet] and back: [Decoder] for what a client sent, Encode and its
// variants for what it is sent. Event arguments are never decoded: they are raw JSON from end to end, and binary attachments stay beside
// it. The codec keeps nothing but the one binary packet whose attachments are still on their way, and starts no goroutine.
//
// A [Server] is an engineio.Server whose sessions have a [Socket] for each namespace that the client has connected to, and tells a [Handler]
// what happens to them. Who sends to sockets does so by the [Outlet] of their session, which also disconnects them: by calls that never
// block, from any goroutine. So the sockets of a session have a lock; the Handler is not called with it.
package socketio
