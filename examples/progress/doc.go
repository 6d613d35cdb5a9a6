// Command progress serves a page with a progress bar, which build.sh moves: a build, in a shell script that knows nothing but curl.
//
//	browser --- GET / ----------------------> progress     the page (page.html)
//	browser --- Socket.IO: join "build" ----> ws-emit
//	                                          ws-emit <-- POST /emit --- build.sh     for each step, and each line that it prints
//	browser <-- Socket.IO: progress --------- ws-emit
//
// This program hands out the page and is not needed for anything else: the page and the script know each other through ws-emit only. Every
// event tells all that the page shows but the lines before, so a page that is opened in the middle of a build needs to wait only for the
// next one.
package main
