package conn

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

const tick = 10 * time.Millisecond

// alarm is a connection whose only deadline is its end: expire ends it, so one that ended has fired.
type alarm struct {
	*Conn
	at time.Duration
}

func newAlarm(g *Group) *alarm {
	a := &alarm{}
	a.Conn = g.NewPolling(a)
	return a
}

func (*alarm) Received(Message) CloseReason { return "" }

func (*alarm) Ended(CloseReason) {}

func (a *alarm) fired() bool { return a.Reason() != "" }

func (a *alarm) set(at time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at, a.endBy, a.endReason = at, at, ReasonServer
	a.rescheduleLocked()
}

// Timers that are set, moved and taken back at random fire once they are due, none early and none lost, however the time goes on.
func TestWheelAgainstModel(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		g := NewGroup(testConfig())
		g.wheel.tick = tick
		now := time.Duration(0)
		var alarms []*alarm
		for range 2000 {
			switch rnd.IntN(5) {
			case 0, 1:
				a := newAlarm(g)
				a.set(now + 1 + time.Duration(rnd.Int64N(int64(3*wheelSlots*tick))))
				alarms = append(alarms, a)
			case 2: // sooner or later than before
				if len(alarms) > 0 {
					alarms[rnd.IntN(len(alarms))].set(now + 1 + time.Duration(rnd.Int64N(int64(2*wheelSlots*tick))))
				}
			case 3:
				if n := len(alarms); n > 0 {
					i := rnd.IntN(n)
					g.wheel.remove(&alarms[i].timer)
					alarms[i] = alarms[n-1]
					alarms = alarms[:n-1]
				}
			default:
				step := rnd.Int64N(int64(3 * tick))
				if rnd.IntN(50) == 0 { // the process was stopped for a while
					step = rnd.Int64N(int64(3 * wheelSlots * tick))
				}
				now += time.Duration(step)
				alarms = checkAlarms(t, g, alarms, now)
			}
		}
		checkAlarms(t, g, alarms, now+4*wheelSlots*tick)
		for _, slot := range g.wheel.slots {
			if len(slot) > 0 {
				t.Fatalf("seed %d: timers are left", seed)
			}
		}
		g.goroutines.Wait()
	}
}

// checkAlarms lets time go on, and returns those that have not fired.
func checkAlarms(t *testing.T, g *Group, alarms []*alarm, now time.Duration) (left []*alarm) {
	t.Helper()
	g.wheel.advance(now)
	for _, a := range alarms {
		switch {
		case !a.fired() && a.at <= now-tick:
			t.Fatalf("at %v: a timer for %v has not fired", now, a.at)
		case a.fired() && a.at > now:
			t.Fatalf("at %v: a timer for %v has fired", now, a.at)
		case !a.fired():
			left = append(left, a)
		}
	}
	return left
}

// A slot that a crowd has left gives its memory back.
func TestWheelShrinks(t *testing.T) {
	g := NewGroup(testConfig())
	var alarms []*alarm
	for range 10_000 {
		a := newAlarm(g)
		a.set(time.Second)
		alarms = append(alarms, a)
	}
	for _, a := range alarms {
		a.End(ReasonServer)
	}
	for _, slot := range g.wheel.slots {
		if cap(slot) > 128 {
			t.Errorf("there is room for %d timers", cap(slot))
		}
	}
	g.goroutines.Wait()
}

// A connection that has ended is not kept by its timer.
func TestWheelForgetsTheEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := start(t, testConfig())
		m := pipe(t, g, nil)
		m.Start()
		m.End(ReasonServer)
		m.reason()
		g.wheel.mu.Lock()
		defer g.wheel.mu.Unlock()
		for _, slot := range g.wheel.slots {
			if len(slot) > 0 {
				t.Error("its timer is still there")
			}
		}
	})
}
