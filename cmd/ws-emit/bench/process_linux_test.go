package bench

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// startSleep starts a process that does nothing, and returns it with a func that kills it.
func startSleep(t *testing.T) (cmd *exec.Cmd, kill func()) {
	t.Helper()
	cmd = exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, func() { _ = cmd.Process.Kill() }
}

// TestPatienceCostsNothing: what is used after the last message has come is for no delivery, and the time after it is not divided by.
func TestPatienceCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &load{cfg: Config{Patience: time.Minute}, began: time.Now(), pool: newPool()}
		l.possible.Store(10)
		r := &run{load: l, report: &Report{Server: new(Server)}}
		time.AfterFunc(4*time.Second-time.Millisecond, func() {
			w := l.pool.take()
			w.counts.delivered, w.counts.last = 5, 2*time.Second
			l.pool.put(w)
		})
		to := r.drain(t.Context())
		if l.now() != time.Minute || to.at != 4*time.Second {
			t.Fatalf("measured at %v of %v, want when the last message had come", to.at, l.now())
		}
		r.used(moment{}, moment{at: to.at, own: time.Second, server: Usage{CPU: 2 * time.Second}})
		if s, own := r.report.Server, r.report.Bench; s.CPU != 0.5 || s.CPUPerDelivery != 400_000 || own.CPU != 0.25 || r.report.Delivery.Seconds != 2 {
			t.Errorf("server %+v, bench %+v, deliveries took %v s", s, own, r.report.Delivery.Seconds)
		}
	})
}

// TestRunServerKilled: a process that is gone has used nothing that anybody knows, not nothing at all.
func TestRunServerKilled(t *testing.T) {
	cmd, kill := startSleep(t)
	url := startFake(t, &fake{joined: "1", faulty: func(_ *fake, n int, m string) []string {
		if n == 5 {
			kill()
		}
		return []string{m}
	}})
	r := mustRun(t, Config{URL: url, Clients: 2, Count: 10, Patience: patience, PID: cmd.Process.Pid})
	if err := r.Failure(); err == nil || err.Error() != "the process of the server has ended" {
		t.Errorf("failure %v", err)
	}
	if text := textOf(t, r); !strings.Contains(text, "server CPU    - us a delivery, ") || !strings.Contains(text, ", - % of a processor\n") {
		t.Errorf("processor time of a process that was killed in\n%s", text)
	}
}

// TestLimitsTellOfChildren: whoever measures a process that has others work for it is told.
func TestLimitsTellOfChildren(t *testing.T) {
	parent := exec.Command("sh", "-c", "sleep 600 & echo; wait")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	l, err := CheckLimits(Config{URL: "http://127.0.0.1:1", Clients: 1, PID: parent.Process.Pid})
	if want := " has started (1) are not measured"; err != nil || !strings.Contains(strings.Join(l.Notes, "\n"), want) {
		t.Errorf("notes %q, error %v", l.Notes, err)
	}
	_ = exec.Command("sh", "-c", "kill $(cat /proc/$0/task/*/children)", strconv.Itoa(parent.Process.Pid)).Run()
	_ = parent.Wait()
}
