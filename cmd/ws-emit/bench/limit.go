package bench

import (
	"fmt"
	"net"
	"net/url"
	"runtime"
	"time"
)

const (
	// clientsPerAddress is how many clients connect from one address of loopback.
	clientsPerAddress = 4000
	// usualPorts is how many ports one address has where that is not known.
	usualPorts = 16000
	// otherFiles is what a process has open beside its connections, generously.
	otherFiles = 64
)

// filesFor is how many files a run has open.
func (c *Config) filesFor() int {
	n := c.Clients + c.Emitters + otherFiles
	if c.Transport == Polling {
		n += c.Clients // a connection for each waiting GET, and one for what is posted meanwhile
	}
	return n
}

// loopback reports whether the server is at an address of IPv4 that only this machine can reach. Linux alone has all of 127.0.0.0/8.
func (c *Config) loopback() bool {
	u, err := url.Parse(c.URL)
	if err != nil || runtime.GOOS != "linux" {
		return false
	}
	if u.Hostname() == "localhost" { // which may be that of IPv6 alone
		conn, err := net.DialTimeout("tcp4", u.Host, time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	ip := net.ParseIP(u.Hostname()).To4()
	return ip != nil && ip.IsLoopback()
}

// sourceAddress is from where a client connects, or nil for any address. On loopback every address has ports of its own, and the fewer of them
// are taken the sooner the system finds a free one.
func (l *load) sourceAddress(client int) net.IP {
	if l.addresses < 2 {
		return nil
	}
	n := client*l.addresses/l.cfg.Clients + 2
	return net.IPv4(127, 0, byte(n>>8), byte(n))
}

// addresses is how many addresses clients connect from.
func (c *Config) addresses() int {
	if c.Clients > clientsPerAddress && c.loopback() {
		return (c.Clients + clientsPerAddress - 1) / clientsPerAddress
	}
	return 1
}

// Limits are what bounds the number of clients.
type Limits struct {
	OpenFiles       int      `json:"open_files"`        // that this process may have; 0 is not known
	OpenFilesNeeded int      `json:"open_files_needed"` // by this run
	OpenFilesServer int      `json:"open_files_server"` // that the server may have; 0 is not known
	Ports           int      `json:"ports"`             // that one address has for connections to a server
	SourceAddresses int      `json:"source_addresses"`  // that clients connect from
	Notes           []string `json:"notes,omitempty"`   // what will not be enough, and what to do
}

// String says it in one line, without the notes.
func (l Limits) String() string {
	text := number(l.OpenFilesNeeded) + " open files needed"
	if l.OpenFiles > 0 {
		text += ", " + number(l.OpenFiles) + " allowed"
	}
	text += "; " + number(l.Ports) + " ports"
	if l.SourceAddresses > 1 {
		text += " on each of " + number(l.SourceAddresses) + " addresses of this machine"
	}
	return text
}

// limits finds out what bounds a run, and raises it where that is allowed.
func (c *Config) limits() Limits {
	l := Limits{OpenFilesNeeded: c.filesFor(), Ports: localPorts(), SourceAddresses: c.addresses()}
	l.OpenFiles = raiseOpenFiles(l.OpenFilesNeeded)
	note := func(format string, args ...any) { l.Notes = append(l.Notes, fmt.Sprintf(format, args...)) }
	if l.OpenFiles > 0 && l.OpenFiles < l.OpenFilesNeeded {
		note("%s open files are needed, and this process may have %s: run \"ulimit -n %d\" before, as root where that is not allowed, or ask for fewer clients",
			number(l.OpenFilesNeeded), number(l.OpenFiles), l.OpenFilesNeeded)
	}
	if c.PID != 0 {
		if n := childrenOf(c.PID); n > 0 {
			note("the processes that process %d has started (%s) are not measured", c.PID, number(n))
		}
		l.OpenFilesServer = openFilesOf(c.PID)
		if need := c.Clients + otherFiles; l.OpenFilesServer > 0 && l.OpenFilesServer < need {
			note("the server may have %s open files, and needs %s: run \"ulimit -n %d\" before it starts, or set LimitNOFILE of its unit",
				number(l.OpenFilesServer), number(need), need)
		}
	}
	if each := l.Ports * 3 / 4; l.OpenFilesNeeded > each && l.SourceAddresses == 1 { // others on the machine need some, too
		note("one address has ports for about %s connections to a server: widen net.ipv4.ip_local_port_range, or run the bench on several machines", number(each))
	}
	return l
}
