//go:build unix

package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestSpyProcess: with the variables of the server, a line is there as soon as its payload is; an interrupt and a reader who goes are no
// failures.
func TestSpyProcess(t *testing.T) {
	redis := newRedisProcess(t)
	for name, end := range map[string]func(cmd *exec.Cmd, r *os.File){
		"interrupt":    func(cmd *exec.Cmd, _ *os.File) { _ = cmd.Process.Signal(os.Interrupt) },
		"nobody reads": func(_ *exec.Cmd, r *os.File) { _ = r.Close(); redis.publish(t, "live", `{"event":"second"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			r, w := pipe(t)
			cmd, notes := command(t, w, []string{"REDIS=" + redis.url, "WS_EMIT_REDIS_CHANNELS=live=json"}, "spy")
			notes.want(t, "^ws-emit: listening to live=json on ")
			redis.publish(t, "live", `{"event":"first"}`)
			if line, err := bufio.NewReader(r).ReadString('\n'); err != nil || !strings.HasSuffix(line, " live json 17B  emit first to everybody in /\n") {
				t.Fatalf("%q, %v", line, err)
			}
			end(cmd, r)
			if err := cmd.Wait(); err != nil {
				t.Errorf("ended with %v", err)
			}
			if len(notes) > 0 {
				t.Errorf("said %q", <-notes)
			}
		})
	}
}
