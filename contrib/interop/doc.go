// Package interop tests ws-emit from outside: it starts the built program, a
// real Redis, and drives the clients, publishers and the browser that users
// have. It imports nothing of the server, so what passes here is what a user
// gets, and it has a go.mod of its own, so none of its needs reach the server.
//
// The stock clients are not written in Go. Each is wrapped in a small script
// (node/client.mjs, python/client.py) that takes orders as JSON lines on its
// standard input and tells what it sees as JSON lines on its standard output; a
// scenario is written once, in Go, and run for each client and transport. The
// lines:
//
//	order   {"id":1,"do":"connect","client":"a",...}    id counts up
//	answer  {"id":1,"result":...} or {"id":1,"error":"text"}
//	note    {"client":"a","namespace":"/","note":"event","event":"update","args":[...]}
//	        note is connect (with sid), disconnect (reason), connect_error
//	        (message), event (event, args) or transport (name)
//
// Bytes stand in a line as {"$bin":"<base64>"}. A driver ends when its standard
// input does.
//
// Publishers are driven in the same way, each language by one script (publish.*
// in node-publishers, python, php, ruby and perl; that of Python runs with
// several versions of its libraries). Their orders, "with" one of the script's
// publishers:
//
//	{"id":1,"with":"redis-emitter-5","do":"emit","event":"update","args":[...],
//	 "rooms":[...],"skip":[...],"namespace":"/"}         no rooms: everybody
//	{"id":2,"with":...,"do":"join","sid":...,"room":...} also leave
//	{"id":3,"with":...,"do":"close","room":...}          takes everybody out of it
//	{"id":4,"with":...,"do":"disconnect","sid":...}
//
// Times stand in an order as {"$date":milliseconds}.
//
// The conformance tests drive contrib/conformance in the same way, over plain
// HTTP and WebSocket, from the text of the Engine.IO 4 and Socket.IO 5
// protocol documents.
//
// Nothing is waited for by time: that something does not arrive is shown by a
// marker, sent after it, arriving first.
package interop
