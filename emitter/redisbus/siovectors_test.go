package redisbus

import (
	"slices"
	"testing"
)

// nodeVector is what a library for Node's Redis adapter published, and what it means.
type nodeVector struct {
	ID                              int
	Publisher, Description, Channel string
	Payload                         []byte
	Drop                            DropReason
	Want                            *nodeWant
}

func TestNodeVectors(t *testing.T) {
	for _, v := range readVectors[nodeVector](t, "node.json") {
		got, reason := nodeDecode(v.Channel, slices.Clone(v.Payload))
		switch {
		case reason != v.Drop:
			t.Errorf("%d (%s: %s): reason %q, want %q", v.ID, v.Publisher, v.Description, reason, v.Drop)
		case v.Want == nil && len(got) > 0:
			t.Errorf("%d (%s: %s): message %+v, want none", v.ID, v.Publisher, v.Description, got)
		case v.Want != nil && (len(got) != 1 || !nodeWantOf(got[0]).equal(*v.Want)):
			t.Errorf("%d (%s: %s): %+v, want %+v", v.ID, v.Publisher, v.Description, got, *v.Want)
		}
	}
}

// TestNodeForeignVectors: what belongs on other channels is dropped on those of Node, whole.
func TestNodeForeignVectors(t *testing.T) {
	ours := make(map[int]bool)
	for _, v := range readVectors[nodeVector](t, "node.json") {
		ours[v.ID] = v.Want != nil || v.Drop == DropDuplicate
	}
	foreign := readVectors[foreignVector](t, "other-formats.json")
	for _, v := range readVectors[pythonVector](t, "python-socketio.json") {
		foreign = append(foreign, foreignVector{v.ID, v.Publisher, []byte(v.Payload)})
	}
	for _, v := range foreign {
		for _, channel := range []string{"socket.io#/#", "socket.io#/#room1#", "socket.io-request#/#"} {
			got, reason := nodeDecode(channel, slices.Clone(v.Payload))
			if !ours[v.ID] && (len(got) > 0 || reason == "" || reason == DropInternal || reason == DropAck) {
				t.Errorf("%d (%s) on %s: reason %q, messages %+v", v.ID, v.Publisher, channel, reason, got)
			}
		}
	}
}
