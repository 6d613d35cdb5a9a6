// Package peer installs, starts and stops the servers that are compared.
//
// Each file of a peer says what it is, how it is installed and started, and which of its settings were chosen and why: every peer is set up
// as its own documentation advises for production, or as it comes. The servers themselves are in contrib/peers/servers; they all do the
// same: a client joins a room by an event that is acknowledged, and POST /emit sends to all clients of a room.
//
// All files of a peer are in one folder that is named after it, below the folder that Install and Start are given; what the server writes to
// standard output and standard error is beside that, in NAME.log.
//
// The go command finds the sources, so that everything has to run in the module contrib/peers. Start starts one goroutine, that waits for
// the process; stop ends both.
package peer
