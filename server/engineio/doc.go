// Package engineio is the server side of the Engine.IO protocol, revision 4: sessions over HTTP long-polling and WebSocket, the upgrade from
// one to the other, and the heartbeat.
//
// A [Server] is an http.Handler. For each client it makes a [Session] and tells a [Handler] what happens: Open, then Message for each
// message, one at a time and in order, then Close once. What is to be written goes the other way, by [Session.Send], which never blocks:
// frames are encoded before, once for all sessions that get them.
//
//	HTTP -> Server.ServeHTTP -> Session -> Handler
//	Handler -> Session.Send -> conn.Conn -> WebSocket or the waiting GET
//
// Goroutines: those that read WebSockets and call the Handler, of which there is none for a client that says nothing (package conn); the requests of long-polling
// sessions; one for each session of which the Handler has something to wait for (see [Handler]). Run drives the timers. Shutdown ends the sessions, and returns when the Handler
// has been told of the end of each.
//
// The package does not know rooms, nor Socket.IO, and does not check the Origin of a request: that is for who serves it.
package engineio
