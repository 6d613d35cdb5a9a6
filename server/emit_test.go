package server

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ws-emit/ws-emit/emitter"
)

// half is a sink that takes half of a batch.
type half struct{}

func (half) Emit(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	n := len(batch) / 2
	clear(batch) // they are the sink's
	return emitter.Receipt{Accepted: n}, emitter.ErrBusy
}

// Messages are counted by source and result; those that are no emits by method too.
func TestMessagesAreCountedByMethod(t *testing.T) {
	registry := prometheus.NewRegistry()
	s, err := New(Config{Redis: NoRedis, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	batch := []emitter.Message{
		{Event: "e"}, {Method: emitter.MethodDisconnect}, {Event: "e"}, {Method: emitter.MethodEnterRoom},
		{Method: emitter.MethodDisconnect}, {Event: "e"}, {Method: emitter.MethodDisconnect}, {Method: emitter.MethodCloseRoom},
	}
	if _, err := (counting{half{}, s, "test"}).Emit(t.Context(), batch); err == nil {
		t.Error("no error")
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["source"] == "test" {
				got[fmt.Sprint(f.GetName(), " ", labels["method"], " ", labels["result"])] = m.GetCounter().GetValue()
			}
		}
	}
	want := map[string]float64{
		"wsemit_emits_total  ok":                2,
		"wsemit_emits_total  busy":              1,
		"wsemit_controls_total disconnect ok":   1,
		"wsemit_controls_total disconnect busy": 2,
		"wsemit_controls_total enter_room ok":   1,
		"wsemit_controls_total close_room busy": 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// drain is a sink that takes everything.
type drain struct{}

func (drain) Emit(_ context.Context, batch []emitter.Message) (emitter.Receipt, error) {
	return emitter.Receipt{Accepted: len(batch)}, nil
}

// To count emits allocates nothing.
func TestInvariant10_NoAllocationForCounting(t *testing.T) {
	s, err := New(Config{Redis: NoRedis, Registerer: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	var sink emitter.Sink = counting{drain{}, s, "test"}
	batch := make([]emitter.Message, 100)
	if n := testing.AllocsPerRun(100, func() { _, _ = sink.Emit(t.Context(), batch) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
