// Package emitter is what backends see of ws-emit: a message, the rules that it must keep, the ways in and the way on.
//
// A [Message] is an event for the sockets of some rooms. A source brings messages in: POST /emit ([NewHandler]), or one of the packages
// below this one. It hands them as a batch to a [Sink], which accepts the batch or says why not. [ParseJSON] and [ParseNDJSON] decode
// the JSON form that all sources share, and [Client] is the other end of POST /emit, for backends written in Go.
//
//	backend -> Client -> POST /emit -> ParseJSON -> Message.Validate -> Sink
//
// The data of a message is checked but never decoded: it goes to the browsers as it came, without its white space.
//
// The package knows no sockets, no rooms' members and no secrets of room-spaces. It imports nothing of this project and starts no
// goroutine.
package emitter
