package bench

import (
	"fmt"
	"strings"
	"time"
)

// Progress is how things stand.
type Progress struct {
	Phase     Phase
	Fraction  float64 // of the phase, 0 to 1; below 0 where it is not known
	Elapsed   time.Duration
	Connected int
	Failed    int
	Clients   int
	Accepted  int64
	Expected  int64
	Sample    Sample
}

const barWidth = 12

// String is one line that is short enough for a terminal of 80 columns.
func (p Progress) String() string {
	line := fmt.Sprintf("%-7s ", p.Phase)
	if p.Fraction >= 0 {
		full := min(int(p.Fraction*barWidth), barWidth)
		line += "[" + strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full) + "] "
	}
	line += fmt.Sprintf("%.1f s  ", p.Elapsed.Seconds())
	switch {
	case p.Phase == Connecting && p.Failed > 0:
		return line + fmt.Sprintf("%s of %s clients, %s failed", number(p.Connected), number(p.Clients), number(p.Failed))
	case p.Phase == Connecting:
		return line + fmt.Sprintf("%s of %s clients", number(p.Connected), number(p.Clients))
	case p.Expected == 0:
		return line + number(p.Sample.Connected) + " clients"
	}
	return line + fmt.Sprintf("%s of %s delivered, %s/s, p99 %s", share(min(p.Sample.Delivered, p.Expected), p.Expected), short(float64(p.Expected)),
		short(p.Sample.PerSecond), micros(p.Sample.P99))
}
