package server_test

import (
	"testing"

	"github.com/ws-emit/ws-emit/server"
	"github.com/ws-emit/ws-emit/server/sioclient"
)

func TestJoinAndEmit(t *testing.T) {
	for name, transports := range transports {
		t.Run(name, func(t *testing.T) {
			n := start(t, server.Config{RoomSecrets: map[string]string{"dir": "S1"}})
			c := n.client(t, sioclient.Config{Transports: transports})
			join(t, c, "time", "")
			join(t, c, "dir::a", "S1")

			n.emit(t, `{"event":"update","room":"time","data":{"time":111111}}`)
			next(t, c, "update", `[{"time":111111}]`)
			n.emit(t, `{"event":"update","room":["time","dir::a"],"data":[1,2]}`)
			next(t, c, "update", `[[1,2]]`)
			n.emit(t, `{"event":"all","args":["\u00e4", null]}`)
			next(t, c, "all", `["\u00e4",null]`)

			for _, refused := range []struct{ room, secret, why string }{
				{"dir::b", "S2", "denied"}, {"dir::b", "", "denied"}, {"none::b", "S1", "denied"}, {"::b", "", "invalid"}, {"~x", "", "invalid"},
			} {
				reply, err := c.Join(soon(t), refused.room, refused.secret)
				if err != nil || reply.OK || reply.Error != refused.why {
					t.Errorf("join %q with %q: %+v, %v; want %s", refused.room, refused.secret, reply, err, refused.why)
				}
			}
			if reply, err := c.Leave(soon(t), "time"); err != nil || !reply.OK {
				t.Fatalf("leave: %+v, %v", reply, err)
			}
			n.emit(t, `[{"event":"gone","room":"time"},{"event":"sid","room":"`+c.SID()+`"}]`)
			next(t, c, "sid", `[]`)
		})
	}
}
