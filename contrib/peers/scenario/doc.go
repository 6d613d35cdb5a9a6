// Package scenario is the loads under which servers are compared, and what is asked of ws-emit under them.
//
// A scenario puts one server that was just started under load, with package bench, and takes a few figures out of its reports. It starts no
// server and keeps nothing: the runner in package main does, and package report compares. Targets are data.
//
// What is equal for all servers is the load; what differs is how many messages are enough, and whom a scenario makes sense for. KB is 1,000
// bytes, as in ws-emit bench.
package scenario
