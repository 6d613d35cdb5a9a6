// Command ws-emit is the server between backends and browsers: `ws-emit [flags]` serves, `ws-emit --help` explains the flags and
// `ws-emit version` says what is running.
//
// All settings stand in one table (settings.go). From it come the flags, the variables, the keys of the configuration file and the help
// text; load.go reads them from all three places, flags before environment before file, into a server.Config. serve.go runs the server
// until a signal ends it.
//
// The exit status is 0 after a signal, 2 when what was asked for cannot be (a wrong flag, limits that do not fit each other) and 1 when
// the server failed (the port is taken). Both say why in one line on standard error.
package main
