//go:build unix

package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ws-emit/ws-emit/server/sioclient"
)

// patience bounds every wait for the program; the machine may be busy.
const patience = 30 * time.Second

// TestScript runs the program as a shell would. The scripts have these commands beside those of testscript:
//
//	ready                     waits until a ws-emit that was started with & has told systemd that it listens, and sets $ADDR
//	notified STATE            waits until it has told systemd that
//	http METHOD PATH STATUS   fails unless $ADDR answers so; further arguments are headers, NAME=VALUE
//	hold SECRET               begins a POST /emit and leaves it open, so that the server cannot stop
//	terminate                 sends SIGTERM to the ws-emit that was started with &
//	occupy                    listens on an address and sets $TAKEN to it
//	refuse                    sets $REFUSED to an address that nobody listens on, nor will
//	redis                     starts a redis-server and sets $REDIS_URL and $REDIS_SOCKET
//	healthy                   waits until $ADDR/readyz answers 200
//	client NAME ROOM...       connects a client to $ADDR and joins rooms, each with a secret after "=" if it takes one; ! client is refused
//	heard NAME EVENT...       waits for events of a client, in that order; each is a JSON list of the name and the arguments
func TestScript(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil && os.Getenv("CI") != "" {
		t.Fatal("redis-server is not installed") // elsewhere, scripts that need it are skipped
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"ready":     ready,
			"notified":  notified,
			"http":      request,
			"hold":      hold,
			"terminate": terminate,
			"occupy":    occupy,
			"refuse":    refuse,
			"redis":     serveRedis,
			"healthy":   healthy,
			"client":    connect,
			"heard":     heard,
		},
	})
}

// managerKey finds the socket that the service manager of a script listens on.
type managerKey struct{}

// setup stands in for systemd: it listens for what services say of themselves.
func setup(e *testscript.Env) error {
	dir, err := os.MkdirTemp("", "ws-emit") // paths of sockets must be short
	if err != nil {
		return err
	}
	e.Defer(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	e.Defer(func() { manager.Close() })
	e.Values[managerKey{}] = manager
	e.Values[clientsKey{}] = map[string]*sioclient.Client{}
	e.Setenv("NOTIFY_SOCKET", path)
	return nil
}

// await returns the first notification that has a line.
func await(ts *testscript.TestScript, line string) []string {
	manager := ts.Value(managerKey{}).(*net.UnixConn)
	ts.Check(manager.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 4096)
	for {
		n, err := manager.Read(buf)
		if err != nil {
			ts.Fatalf("waiting for %s: %v", line, err)
		}
		lines := strings.Split(string(buf[:n]), "\n")
		for _, l := range lines {
			if l == line {
				return lines
			}
		}
	}
}

func ready(ts *testscript.TestScript, _ bool, _ []string) {
	for _, line := range await(ts, "READY=1") {
		if addr, ok := strings.CutPrefix(line, "STATUS=listening on "); ok {
			ts.Setenv("ADDR", addr)
			return
		}
	}
	ts.Fatalf("READY without an address")
}

func notified(ts *testscript.TestScript, _ bool, args []string) { await(ts, args[0]) }

func request(ts *testscript.TestScript, _ bool, args []string) {
	req, err := http.NewRequest(args[0], "http://"+ts.Getenv("ADDR")+args[1], nil)
	ts.Check(err)
	for _, header := range args[3:] {
		name, value, _ := strings.Cut(header, "=")
		req.Header.Set(name, value)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Do(req)
	ts.Check(err)
	ts.Check(resp.Body.Close())
	if got := strconv.Itoa(resp.StatusCode); got != args[2] {
		ts.Fatalf("%s %s answers %s, want %s", args[0], args[1], got, args[2])
	}
}

func hold(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := net.Dial("tcp", ts.Getenv("ADDR"))
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	ts.Check(conn.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(conn, "POST /emit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n", args[0])
	ts.Check(err)
	status, err := bufio.NewReader(conn).ReadString('\n')
	ts.Check(err)
	if !strings.Contains(status, " 100 ") {
		ts.Fatalf("the body is not asked for, but answered %s", status)
	}
}

func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}

func occupy(ts *testscript.TestScript, _ bool, _ []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { ln.Close() })
	ts.Setenv("TAKEN", ln.Addr().String())
}

// refuse keeps a port for a socket that does not listen.
func refuse(ts *testscript.TestScript, _ bool, _ []string) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	ts.Check(err)
	ts.Defer(func() { _ = syscall.Close(fd) })
	syscall.CloseOnExec(fd)
	ts.Check(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	bound, err := syscall.Getsockname(fd)
	ts.Check(err)
	ts.Setenv("REFUSED", fmt.Sprintf("127.0.0.1:%d", bound.(*syscall.SockaddrInet4).Port))
}
