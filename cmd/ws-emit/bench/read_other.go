//go:build !unix

package bench

func (s *socket) read() error { return s.readBlocking() }
