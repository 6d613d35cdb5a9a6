// Package redisbus brings messages in from Redis pub/sub, in the formats that existing publishers write, and publishes them there.
//
// [Reader] is an [emitter.Source]. It subscribes to a list of channels, each with the dialect that is spoken there: [DialectPython], what
// python-socketio and Flask-SocketIO publish, [DialectNode], what Socket.IO's Redis adapter and emitters for Node do, or [DialectJSON], the
// body of POST /emit. Every node of a cluster subscribes for itself, so a message goes to the sockets of the node that read it and no
// further. Among the Nodes of a cluster a Reader only listens: it is not counted as one of them and answers nothing.
//
//	Redis -> receive (reads, never pauses) -> queue (bounded in bytes) -> deliver (decodes, waits for the sink) -> emitter.Sink
//
// [Reader.Run] starts these two goroutines and waits for both. go-redis connects and logs in; what comes then is read here. A reader that pauses
// is cut off by Redis with all that waits for it (client-output-buffer-limit pubsub), so a slow sink fills the queue and not the connection, and
// what does not fit is dropped and counted. Pub/sub keeps nothing: what is published while the connection is away is gone. Both are gaps, told
// through [Config].OnGap.
//
// [Publisher] is the other end, for backends written in Go: it publishes plain JSON.
//
// Redis is trusted to carry messages, not to carry good ones: a payload that is not understood is dropped with a [DropReason].
package redisbus
