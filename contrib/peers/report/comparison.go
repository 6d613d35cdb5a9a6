package report

import (
	"slices"
	"time"

	"github.com/ws-emit/ws-emit/contrib/peers/scenario"
)

// Comparison is everything that was measured, and where.
type Comparison struct {
	Date    time.Time `json:"date"`
	Command string    `json:"command"`
	Machine Machine   `json:"machine"`
	// Rounds is how many were asked for, and Seed what the order of servers in each came from.
	Rounds int    `json:"rounds"`
	Seed   uint64 `json:"seed"`
	// Interrupted says that it was ended before its time.
	Interrupted bool       `json:"interrupted,omitempty"`
	Peers       []Peer     `json:"peers"`
	Scenarios   []Scenario `json:"scenarios"`
	Runs        []Run      `json:"runs"`
}

// Machine is where it was measured, as far as that is known.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Node   string `json:"node"`
	Python string `json:"python"`
}

// Peer is a server in a Comparison.
type Peer struct {
	Name    string `json:"name"`
	Title   string `json:"title"` // a short name for the table of a reader
	About   string `json:"about"`
	Version string `json:"version,omitempty"`
	// Missing says why it could not be installed, and is not among the runs; "" is that it was.
	Missing string `json:"missing,omitempty"`
}

// Scenario is a load in a Comparison.
type Scenario struct {
	Name    string            `json:"name"`
	About   string            `json:"about"`
	Rounds  int               `json:"rounds"` // of it
	Metrics []scenario.Metric `json:"metrics"`
}

// Run is one scenario on one server.
type Run struct {
	Round    int                `json:"round"` // from 1
	Scenario string             `json:"scenario"`
	Peer     string             `json:"peer"`
	Began    time.Time          `json:"began"`
	Seconds  float64            `json:"seconds"`
	Load     float64            `json:"load_average"` // of the minute before
	Values   map[string]float64 `json:"values"`       // by metric
	// Failure says what the server did wrong, and Error why there are no values.
	Failure string `json:"failure,omitempty"`
	// TooSlow says that the server could not keep the rate.
	TooSlow bool `json:"too_slow,omitempty"`
	// Note is what else there is to say, and no fault.
	Note  string `json:"note,omitempty"`
	Error string `json:"error,omitempty"`
}

// Wrong is what there is to say against a run, or "".
func (r *Run) Wrong() string {
	if r.Error != "" {
		return r.Error
	}
	return r.Failure
}

// peer is the one of a name, or nil.
func (c *Comparison) peer(name string) *Peer {
	for i := range c.Peers {
		if c.Peers[i].Name == name {
			return &c.Peers[i]
		}
	}
	return nil
}

// of are the runs of a scenario on a peer, by round.
func (c *Comparison) of(scenario, peer string) (runs []*Run) {
	for i := range c.Runs {
		if r := &c.Runs[i]; r.Scenario == scenario && r.Peer == peer {
			runs = append(runs, r)
		}
	}
	return runs
}

// ran reports whether there is a run of a scenario.
func (c *Comparison) ran(scenario string) bool {
	return slices.ContainsFunc(c.Runs, func(r Run) bool { return r.Scenario == scenario })
}

// values are those of a metric, one for each round that has one.
func (c *Comparison) values(scenario, metric, peer string) (values []float64) {
	for _, r := range c.of(scenario, peer) {
		if v, ok := r.Values[metric]; ok {
			values = append(values, v)
		}
	}
	return values
}

// ratios are those of a peer's values to another's, one for each round in which both are known, neither is 0 and
// nothing went wrong with either.
func (c *Comparison) ratios(scenario, metric, peer, to string) (ratios []float64) {
	for _, a := range c.of(scenario, peer) {
		for _, b := range c.of(scenario, to) {
			if a.Round == b.Round && a.Wrong() == "" && b.Wrong() == "" && a.Values[metric] != 0 && b.Values[metric] != 0 {
				ratios = append(ratios, a.Values[metric]/b.Values[metric])
			}
		}
	}
	return ratios
}

// median is the middle of values, or the mean of the two in the middle. ok is false when there are none.
func median(values []float64) (m float64, ok bool) {
	if len(values) == 0 {
		return 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2, true
}

// figure is what is shown of a metric: the median, and the worst of shares, where one bad round is not to be hidden.
func (c *Comparison) figure(scenario string, m scenario.Metric, peer string) (v float64, ok bool) {
	values := c.values(scenario, m.Name, peer)
	if m.Unit == "%" && len(values) > 0 {
		return slices.Min(values), true
	}
	return median(values)
}

// Faults are the runs in which ws-emit did something wrong, or could not be measured.
func (c *Comparison) Faults() (runs []Run) {
	for _, r := range c.Runs {
		if r.Peer == scenario.Ours && r.Wrong() != "" {
			runs = append(runs, r)
		}
	}
	return runs
}
