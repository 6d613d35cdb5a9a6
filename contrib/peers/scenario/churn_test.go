package scenario

import (
	"strings"
	"testing"

	"github.com/ws-emit/ws-emit/contrib/peers/peer"
)

func TestMetricsAreByNameAndLabels(t *testing.T) {
	const text = `# HELP wsemit_sessions Engine.IO sessions.
# TYPE wsemit_sessions gauge
wsemit_sessions 3
wsemit_sessions_ended_total{reason="slow consumer"} 2e+01
`
	all, err := readMetrics(strings.NewReader(text))
	if err != nil || len(all) != 2 || all["wsemit_sessions"] != 3 || all[`wsemit_sessions_ended_total{reason="slow consumer"}`] != 20 {
		t.Errorf("got %v, %v", all, err)
	}
	if _, err := readMetrics(strings.NewReader("wsemit_sessions three\n")); err == nil {
		t.Error("a value that is no number is taken")
	}
}

func TestMemoryGivenBackIsAShareOfWhatWasTaken(t *testing.T) {
	for _, c := range []struct{ empty, full, now, want float64 }{
		{20, 120, 30, 90}, {20, 120, 120, 0}, {20, 120, 130, 0}, {20, 120, 10, 100}, {20, 20, 20, 100},
	} {
		if got := back(c.empty, c.full, c.now); got != c.want {
			t.Errorf("%v of %v to %v: %v %%, want %v", c.now, c.empty, c.full, got, c.want)
		}
	}
}

// TestClientsComeAndGo sends clients to the real server, which has to have met as many as get that far, and to have forgotten all.
func TestClientsComeAndGo(t *testing.T) {
	const visits, each = 20 * int(exits), 20
	ours, dir := peer.All()[0], t.TempDir()
	if _, err := ours.Install(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	server, stop, err := peer.Start(t.Context(), ours, dir, []string{"--metrics"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	if err := comeAndGo(t.Context(), server.URL, visits); err != nil {
		t.Fatal(err)
	}
	rest, err := atRest(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	if rest.sessions != 0 || rest.goroutines == 0 || rest.files == 0 || rest.heap == 0 || rest.rss == 0 {
		t.Errorf("at rest it uses %+v", rest)
	}
	all, err := metricsOf(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := all["wsemit_sessions_opened_total"]; got != float64(visits-each) { // all but those who do not end their request
		t.Errorf("%v sessions, want %d", got, visits-each)
	}
	if got := all[`wsemit_connects_total{result="ok"}`]; got != float64(visits-2*each) {
		t.Errorf("%v connected, want %d", got, visits-2*each)
	}
	if got := all[`wsemit_joins_total{result="public"}`]; got < float64(visits-3*each) { // some who do not wait for the answer may have gone before
		t.Errorf("%v joins, want %d at least", got, visits-3*each)
	}
}
