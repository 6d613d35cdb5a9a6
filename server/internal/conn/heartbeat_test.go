package conn

import (
	"bufio"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"

	"github.com/ws-emit/ws-emit/server/frame"
)

// beating makes a connection whose heartbeat runs, and that takes "3" for a PONG.
func beating(t *testing.T, cfg Config) *member {
	t.Helper()
	var m *member
	m = pipe(t, start(t, cfg), func(msg Message) CloseReason {
		if string(msg.Data) == "3" {
			m.Pong()
		}
		return ""
	})
	m.Start()
	return m
}

// wantAfter checks how long something took, which the tick of the wheel may make longer.
func wantAfter(t *testing.T, began time.Time, want time.Duration) {
	t.Helper()
	if took := time.Since(began); took < want || took > want+time.Second {
		t.Errorf("after %v, want %v", took, want)
	}
}

func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := beating(t, testConfig())
		for range 10 {
			began := time.Now()
			m.want(ws.OpText, "2")
			wantAfter(t, began, 25*time.Second)
			<-time.After(19 * time.Second)
			m.say("3")
		}
		m.wantAlive()
	})
}

func TestPingTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := beating(t, testConfig())
		m.want(ws.OpText, "2")
		began := time.Now()
		m.wantReason(ReasonPingTimeout)
		wantAfter(t, began, 20*time.Second)
	})
}

// A PONG that nobody asked for changes nothing: neither does it end anything nor does it count for the next PING.
func TestPongEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := beating(t, testConfig())
		began := time.Now()
		<-time.After(20 * time.Second)
		m.say("3")
		m.say("3")
		m.want(ws.OpText, "2")
		wantAfter(t, began, 25*time.Second)
		m.wantReason(ReasonPingTimeout)
		m.Pong() // too late
		m.wantReason(ReasonPingTimeout)
	})
}

// Invariant 3: the time for the PONG starts when the PING has been written, not when it was queued.
func TestPongTimerStartsWhenPingIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.WriteTimeout = time.Hour
		m := beating(t, cfg)
		m.hear("4stuck")
		<-time.After(10 * time.Minute)
		m.wantAlive()
		m.want(ws.OpText, "4stuck")
		m.want(ws.OpText, "2")
		began := time.Now()
		m.wantReason(ReasonPingTimeout)
		wantAfter(t, began, 20*time.Second)
	})
}

// A client may answer a PING before whoever wrote it has taken note of that, here because the rest of the same write is stuck.
func TestPongBeforePingIsKnownToBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.WriteTimeout = time.Hour
		m := beating(t, cfg)
		m.r = bufio.NewReaderSize(m.peer, 16)
		m.hear("4stuck")
		<-time.After(30 * time.Second)
		m.hear("4more")
		m.hear("4still more")
		m.want(ws.OpText, "4stuck")
		m.want(ws.OpText, "2")
		m.say("3")
		<-time.After(time.Minute)
		m.want(ws.OpText, "4more")
		m.want(ws.OpText, "4still more")
		began := time.Now()
		m.want(ws.OpText, "2")
		wantAfter(t, began, 25*time.Second)
	})
}

// While a connection is not read its PONG cannot arrive, and the time for it stands still.
func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := beating(t, testConfig())
		m.want(ws.OpText, "2")
		<-time.After(15 * time.Second)
		m.Pause()
		<-time.After(10 * time.Minute)
		m.wantAlive()
		m.Resume()
		began := time.Now()
		m.wantReason(ReasonPingTimeout)
		wantAfter(t, began, 5*time.Second)
	})
}

func TestPingWhilePaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := beating(t, testConfig())
		m.Pause()
		m.want(ws.OpText, "2")
		<-time.After(10 * time.Minute)
		m.wantAlive()
		m.Resume()
		began := time.Now()
		m.wantReason(ReasonPingTimeout)
		wantAfter(t, began, 20*time.Second)
	})
}

func TestEndIn(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*member)
		want time.Duration // 0: it does not end
	}{
		"once":       {func(m *member) { m.EndIn(45*time.Second, ReasonConnectTimeout) }, 45 * time.Second},
		"taken back": {func(m *member) { m.EndIn(45*time.Second, ReasonConnectTimeout); m.EndIn(0, "") }, 0},
		"put off":    {func(m *member) { m.EndIn(time.Second, ReasonServer); m.EndIn(time.Minute, ReasonConnectTimeout) }, time.Minute},
		"sooner":     {func(m *member) { m.EndIn(time.Minute, ReasonServer); m.EndIn(time.Second, ReasonConnectTimeout) }, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := pipe(t, start(t, testConfig()), nil)
				began := time.Now()
				c.set(m)
				if c.want == 0 {
					<-time.After(time.Hour)
					m.wantAlive()
					return
				}
				m.wantReason(ReasonConnectTimeout)
				wantAfter(t, began, c.want)
			})
		})
	}
}

// polled makes a polling connection.
func polled(t testing.TB, g *Group) *member {
	t.Helper()
	m := &member{t: t, ended: make(chan CloseReason, 1)}
	m.Conn = g.NewPolling(m)
	t.Cleanup(func() {
		m.End(ReasonServer)
		m.reason()
		if n := m.ends.Load(); n != 1 {
			t.Errorf("the owner was told %d times of the end", n)
		}
	})
	return m
}

// take takes what waits, and says what it was.
func (m *member) take() (payload string) {
	for _, f := range m.Take(0) {
		payload = string(f.AppendPolling([]byte(payload)))
	}
	return payload
}

func (m *member) wantTaken(want string) {
	m.t.Helper()
	if got := m.take(); got != want {
		m.t.Fatalf("taken: %q, want %q", got, want)
	}
}

func TestHeartbeatPolling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := polled(t, start(t, testConfig()))
		m.Start()
		for range 5 {
			began := time.Now()
			<-m.Wake()
			wantAfter(t, began, 25*time.Second)
			m.wantTaken("2")
			<-time.After(5 * time.Second) // it takes a while to be written
			m.Answered(nil)
			<-time.After(19 * time.Second)
			m.Pong()
		}
		<-m.Wake()
		m.wantTaken("2")
		m.Answered(nil)
		began := time.Now()
		m.wantReason(ReasonPingTimeout)
		wantAfter(t, began, 20*time.Second)
	})
}

// The PONG of a fast client comes before the GET that brought the PING is known to be answered.
func TestPongBeforeAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := polled(t, start(t, testConfig()))
		m.Start()
		<-m.Wake()
		m.wantTaken("2")
		m.Pong()
		m.Answered(nil)
		began := time.Now()
		<-m.Wake()
		wantAfter(t, began, 25*time.Second)
		m.wantTaken("2")
		m.Answered(nil)
	})
}

// A client that does not come for what waits has gone.
func TestPollingNeverFetched(t *testing.T) {
	for name, c := range map[string]struct {
		send  func(*member)
		want  CloseReason
		after time.Duration
	}{
		"message": {func(m *member) { m.hear("4a") }, ReasonSlowConsumer, 10 * time.Second},
		"ping":    {func(*member) {}, ReasonPingTimeout, 35 * time.Second},
		"close": {func(m *member) {
			m.hear("4a")
			m.Close(ReasonShutdown, frame.Text("1"), nil)
		}, ReasonShutdown, 10 * time.Second},
		"answer fails": {func(m *member) {
			m.hear("4a")
			m.Take(0)
			m.Answered(errors.New("gone"))
		}, ReasonTransportError, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := testConfig()
				cfg.WriteTimeout = 10 * time.Second
				m := polled(t, start(t, cfg))
				m.Start()
				began := time.Now()
				c.send(m)
				m.wantReason(c.want)
				wantAfter(t, began, c.after)
			})
		})
	}
}

// Expire applies what is due even where the wheel has not come round: whoever asks gets no answer from the dead.
func TestExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGroup(testConfig()) // it does not run
		m := polled(t, g)
		m.EndIn(time.Minute, ReasonConnectTimeout)
		<-time.After(2 * time.Minute)
		m.wantAlive()
		m.Expire()
		m.wantReason(ReasonConnectTimeout)
		g.goroutines.Wait()
	})
}
