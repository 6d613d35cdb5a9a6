// Package socketio speaks Socket.IO protocol 5 on top of Engine.IO.
//
// The codec turns what an Engine.IO message carries into a [Packet] and back: [Decoder] for what a client sent, Encode and its
// variants for what it is sent. Event arguments are never decoded: they are raw JSON from end to end, and binary attachments stay beside
// it. The codec keeps nothing but the one binary packet whose attachments are still on their way, and starts no goroutine.
package socketio
