package scenario

import (
	"testing"

	"github.com/ws-emit/ws-emit/cmd/ws-emit/bench"
)

// What was not measured has no value: a 0, or 100 % of nothing, could make a target hold.
func TestNothingMeasuredHasNoValue(t *testing.T) {
	v := make(values)
	v.share(Delivered, 0, 0)
	v.p99(P99, bench.Quantiles{})
	v.cpuPerDelivery(CPUPerDelivery, &bench.Report{Server: &bench.Server{}})
	v.ratio(Recovery, 0, 1)
	v.ratio(Recovery, 1, 0)
	if len(v) > 0 {
		t.Errorf("got %v", v)
	}
	v.share(Delivered, 1, 4)
	v.p99(P99, bench.Quantiles{Count: 1, P99: 2000})
	v.ratio(Recovery, 3, 2)
	if v[Delivered.Name] != 25 || v[P99.Name] != 2 || v[Recovery.Name] != 1.5 {
		t.Errorf("got %v", v)
	}
}

func TestSlowPairsCountByTheirMiddle(t *testing.T) {
	if got := middle([]float64{3, 1, 1.1}); got != 1.1 {
		t.Errorf("got %v", got)
	}
}
