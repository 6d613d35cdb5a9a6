// Command dir2web shows a folder in the browser: its files appear, change and vanish on the page as they do in the folder.
//
//	browser --- GET /, /_list, /FILE ----------> dir2web     the page (page.html), the names, a file
//	browser --- GET /_secret ------------------> dir2web --- PUT /roomspaces/dir ---> ws-emit
//	browser --- Socket.IO: join dir::_rescan --> ws-emit     with that secret; and dir::FILE for the file that is open
//	                                             dir2web --- POST /emit ------------> ws-emit     when fsnotify tells of a change
//	browser <-- Socket.IO: rescan, update ------ ws-emit
//
// The rooms belong to the room-space dir, so a page joins them only with the secret that dir2web has given it. It is set by PUT
// /roomspaces/dir and not in Redis by hand: that works whether ws-emit has a Redis or not.
//
// When dir2web ends, it emits a last rescan: the pages then look at the list, and say that nobody answers.
//
// folder.go is what is served of the folder, watch.go notes what changes in it, emit.go tells ws-emit, pages.go are the answers to the
// browser.
package main
