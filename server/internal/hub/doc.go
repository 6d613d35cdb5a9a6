// Package hub knows who is in which room, and fans frames out to them.
//
// It owns the members (a socket is a member: one connection in one namespace) and their rooms, the queue of accepted messages, and the
// credit that bounds it. It knows nothing of protocols, of who may join, or of how a connection writes: frames come in encoded and leave
// through an [Outlet].
//
//	backends   Send(batch) -> credit -> accepted ----+
//	                                                 +-> queue of each shard -> rooms -> one Outlet.Send a member and round
//	clients    Connect Join Leave Reply Gone --------+   (of the member's shard only)
//
// What a backend sends is frames for members, and changes to them: they enter rooms, leave them or are disconnected (see [Action]). Both
// take credit and a place in the one order, and are for the members that are in the rooms when their turn comes.
//
// A shard is one goroutine that owns its members and their rooms, so neither has a lock. What reaches it is handled in the order in which
// it was queued: a join's ack stands before the first event of the room, and every message accepted after the ack finds the membership.
// All shards are given the messages in the same order, which is the order for every member of the hub.
//
// A shard works in rounds: it handles what waits, notes for each member what that is to get, and at the end hands each of them
// everything in one run, so that frames which queued up while it worked leave in one write. Members that get the same frames share the
// run and its joined bytes; a receiver costs no allocation.
//
// Goroutines: [Hub.Run] starts one a shard and waits for them; nothing else starts any. Locks, in the order in which they are taken:
// Member.turn, Hub.mu, shard.mu. The last two are not held while an Outlet is called.
package hub
