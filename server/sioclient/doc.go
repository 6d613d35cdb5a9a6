// Package sioclient is a small Socket.IO client (Socket.IO protocol 5, Engine.IO protocol 4), for tests, for load tests and for programs that
// want to hear what browsers hear.
//
// It shares no code with the server, so that the two check each other: it refuses what a browser would refuse (text that is not UTF-8, invalid
// JSON, masked frames, attachments out of place). What it does not do: reconnect, several namespaces over one session, compression.
//
// A [Client] has one goroutine, which reads and hands events on in the order in which they came; writing is done by the goroutine that calls.
// On long-polling net/http adds its own.
//
// [DialWebSocket] gives a bare WebSocket instead, for tests that speak Engine.IO themselves.
package sioclient
