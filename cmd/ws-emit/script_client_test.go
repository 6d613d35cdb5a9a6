//go:build unix

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ws-emit/ws-emit/server/sioclient"
)

// clientsKey finds the clients of a script by their names.
type clientsKey struct{}

func connect(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := sioclient.Dial(ctx, sioclient.Config{URL: "http://" + ts.Getenv("ADDR"), Transports: []sioclient.Transport{sioclient.TransportWebSocket}})
	ts.Check(err)
	ts.Defer(c.Close)
	for _, arg := range args[1:] {
		room, secret, _ := strings.Cut(arg, "=")
		reply, err := c.Join(ctx, room, secret)
		ts.Check(err)
		if reply.OK == neg {
			ts.Fatalf("%s joins %s: %t %s", args[0], room, reply.OK, reply.Error)
		}
	}
	ts.Value(clientsKey{}).(map[string]*sioclient.Client)[args[0]] = c
}

func heard(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c := ts.Value(clientsKey{}).(map[string]*sioclient.Client)[args[0]]
	for _, expected := range args[1:] {
		var want, got []any
		ts.Check(json.Unmarshal([]byte(expected), &want))
		event, err := c.Next(ctx)
		if err != nil {
			ts.Fatalf("waiting for %s: %v", expected, err)
		}
		ts.Check(json.Unmarshal(event.Args.JSON(), &got))
		if got = append([]any{event.Name}, got...); !reflect.DeepEqual(got, want) {
			ts.Fatalf("%s got %q, want %s", args[0], got, expected)
		}
	}
}

func serveRedis(ts *testscript.TestScript, _ bool, _ []string) {
	dir, err := os.MkdirTemp("", "ws-emit") // paths of sockets must be short
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "redis")
	stop, err := startRedis(socket)
	ts.Check(err)
	ts.Defer(stop)
	ts.Setenv("REDIS_SOCKET", socket)
	ts.Setenv("REDIS_URL", "unix://"+socket)
}

func healthy(ts *testscript.TestScript, _ bool, _ []string) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	deadline := time.Now().Add(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for ; time.Now().Before(deadline); <-again.C {
		resp, err := client.Get("http://" + ts.Getenv("ADDR") + "/readyz")
		ts.Check(err)
		ts.Check(resp.Body.Close())
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("the server is not ready")
}
