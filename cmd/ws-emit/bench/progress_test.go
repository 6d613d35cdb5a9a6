package bench

import (
	"testing"
	"time"
)

func TestProgressIsOneLine(t *testing.T) {
	for _, tt := range []struct {
		now  Progress
		want string
	}{
		{Progress{Phase: Connecting, Fraction: 0.52, Elapsed: 1250 * time.Millisecond, Connected: 5000, Clients: 10000, Failed: 200},
			"connect [======      ] 1.2 s  5,000 of 10,000 clients, 200 failed"},
		{Progress{Phase: Emitting, Fraction: 1, Elapsed: 10 * time.Second, Expected: 1_230_000, Sample: Sample{Delivered: 1_229_999, PerSecond: 123456, P99: 123456}},
			"emit    [============] 10.0 s  99.99 % of 1.23M delivered, 123k/s, p99 123 ms"},
		{Progress{Phase: Emitting, Sample: Sample{Connected: 10000}}, "emit    [            ] 0.0 s  10,000 clients"},
		{Progress{Phase: Draining, Fraction: -1, Elapsed: time.Second, Expected: 5, Sample: Sample{Delivered: 5}}, "drain   1.0 s  100 % of 5 delivered, 0/s, p99 0 us"},
	} {
		if got := tt.now.String(); got != tt.want || len(got) > 80 {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
