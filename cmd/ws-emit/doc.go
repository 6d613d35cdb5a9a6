// Command ws-emit is the server between backends and browsers: `ws-emit [flags]` serves, `ws-emit --help` explains the flags and lists the
// commands beside serving, and `ws-emit COMMAND --help` explains one of them.
//
// All settings stand in one table (settings.go). From it come the flags, the variables, the keys of the configuration file, the help text,
// what shells complete (completion.go) and the manual page (man.go); load.go reads them from all three places, flags before environment
// before file, into a server.Config. serve.go runs the server until a signal ends it.
//
// Each command beside serving is a file or a few of the same name, and is added in root.go. Those that need a setting, such as the emit
// secret or the URL of Redis, have its flag and read it in the same way (addFlag).
//
// The exit status is 0 after a signal or when a command has done its work, 2 when what was asked for cannot be (a wrong flag, limits that
// do not fit each other) and 1 when something failed (the port is taken, the server refuses). Both say why in one line on standard error.
package main
