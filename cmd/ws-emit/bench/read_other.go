//go:build !linux

package bench

// readers read no socket here: each reads for itself.
type readers struct{}

// descriptor is nothing here.
type descriptor struct{}

func (descriptor) Write([]byte) (int, error) { panic("bench: there are no descriptors") }

func newReaders(*load) (*readers, error) { return new(readers), nil }
func (*readers) watch(*client) bool      { return false }
func (*readers) close()                  {}
