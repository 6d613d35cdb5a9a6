// Package bench puts load on a Socket.IO server, and reports what became of every message.
//
// A run has three phases: all clients connect and join their rooms; emitters emit; and then the clients may receive what is still under way,
// for a bounded time. What is missing after that is lost.
//
//	emitters -> POST /emit or Redis -> the server -> clients -> trackers (lost, doubled, out of order) and histograms (latency)
//
// Each message carries a mark: the run, the emitter, the room, a number that counts up in that room, and the time when it should have been
// sent. Clients find the mark by its bytes and decode nothing else. On Linux there is one reader for each processor, which waits for many
// WebSockets and borrows one of a few workers, with a buffer and a histogram, to read them: the load generator has to be cheap, as it often
// shares the machine with the server. With TLS, and on other systems, each client has a goroutine that does so.
//
// What is expected is exact: a client is expected to get each message that was accepted for one of its rooms, since all joins have been
// acknowledged before the first emit. An emit whose outcome is not known, as the answer did not arrive, is expected from nobody.
//
// Latency is measured from the time at which a message should have been sent. At a given rate, an emitter that is held up by a slow answer
// does not hide what that cost the messages after it (coordinated omission). It ends when the bench reads the message, which is late on a
// machine that is busy: how late the bench's own timer is tells that.
//
// What clients and servers say to each other over WebSocket is a [Protocol], so that servers of other protocols can be compared.
//
// Run starts all goroutines and waits for them.
package bench
