// Command time shows what ws-emit is for: a backend that tells the browsers that look at its page what time it is, every second.
//
//	browser --- GET / ---------------------> time      the page (page.html)
//	browser --- Socket.IO: join "time" ----> ws-emit
//	                                         ws-emit <-- POST /emit, or Redis --- time      every second
//	browser <-- Socket.IO: update ---------- ws-emit
//
// The backend never talks to a browser but to hand out the page, and ws-emit knows nothing of time. emit.go has both ways to emit; the
// rest is what any web server has.
package main
