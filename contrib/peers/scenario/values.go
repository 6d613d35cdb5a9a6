package scenario

import "github.com/ws-emit/ws-emit/cmd/ws-emit/bench"

// values are those of a Result. What could not be measured is left out, so that nobody takes a 0 for it.
type values map[string]float64

// share is a part in percent; of nothing there is none.
func (v values) share(m Metric, part, of int64) {
	if of > 0 {
		v[m.Name] = share(part, of)
	}
}

// p99 is that of latencies, if there are any.
func (v values) p99(m Metric, q bench.Quantiles) {
	if q.Count > 0 {
		v[m.Name] = ms(q.P99)
	}
}

// cpuPerDelivery is what a delivery has cost, if there was one.
func (v values) cpuPerDelivery(m Metric, r *bench.Report) {
	if r.Delivery.Delivered > 0 && r.Server != nil {
		v[m.Name] = r.Server.CPUPerDelivery
	}
}

// ratio is that of two values that are known and of which none is 0.
func (v values) ratio(m Metric, of, to float64) {
	if of > 0 && to > 0 {
		v[m.Name] = of / to
	}
}
