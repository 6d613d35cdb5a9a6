// Package metrics counts what the server does, for Prometheus. A nil *Set counts nothing, so nobody has to ask whether there is one.
//
// Labels come from small fixed sets (transport, reason, source, method, result): never a room, a session, an event or a user.
package metrics
