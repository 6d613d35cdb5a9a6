//go:build !linux

package conn

// poller is for Linux only. Elsewhere each connection is read by a goroutine of its own.
type poller struct{ group *Group }

func (*poller) watch(int, *reader) bool { return false }

func (*poller) forget(int) {}

func (*poller) stop() {}
