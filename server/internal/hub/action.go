package hub

import "github.com/ws-emit/ws-emit/server/frame"

// departure is a member that was dismissed in this round.
type departure struct {
	member *Member
	run    *frame.Run // what it gets last
	end    bool       // its outlet ends too
}

// act does what a message other than ActionSend asks for, and returns how many members it is for. They are collected first: a room's list
// cannot be changed while it is looked through.
func (s *shard) act(ns *namespace, msg *Message) int {
	picked := s.pick(ns, msg)
	switch msg.Action {
	case ActionEnter:
		s.enterAll(ns, picked, msg.Change)
	case ActionLeave:
		s.leaveAll(ns, picked, msg.Change)
	case ActionDisconnect, ActionEnd:
		for _, m := range picked {
			s.dismiss(m, msg)
		}
	}
	clear(picked)
	return len(picked)
}

// pick collects the members that a message is for. The slice is valid until the next call.
func (s *shard) pick(ns *namespace, msg *Message) []*Member {
	s.picked = s.picked[:0]
	if len(msg.Rooms) == 0 {
		s.pickAll(ns.all.places)
	}
	for _, name := range msg.Rooms {
		s.pickAll(s.find(ns, name))
	}
	return s.picked
}

func (s *shard) pickAll(places []place) {
	for i := range places {
		if m := places[i].member; m.stamp != s.stamp {
			m.stamp = s.stamp
			s.picked = append(s.picked, m)
		}
	}
}

// enterAll puts members into rooms. Where one is in too many already, it is left out.
func (s *shard) enterAll(ns *namespace, members []*Member, rooms []string) {
	seats, refused := countSeats(members), 0
	for _, name := range rooms {
		r, exists := ns.rooms.get(name)
		if s.stamp++; exists {
			s.stampThose(members, seats, r)
		}
		for _, m := range members {
			if m.stamp == s.stamp {
				continue // it is in the room
			}
			if len(m.seats) > s.hub.maxRooms {
				refused++
				continue
			}
			if r == nil {
				r = s.open(ns, name)
			}
			r.add(m)
			seats++
		}
	}
	if refused > 0 {
		s.hub.metrics.EntersRefused("limit", refused)
	}
}

// stampThose stamps those of members that are in a room, and maybe others. It looks through the shorter one of the room's list and all of
// theirs.
func (s *shard) stampThose(members []*Member, seats int, r *room) {
	if len(r.places) <= seats {
		for i := range r.places {
			r.places[i].member.stamp = s.stamp
		}
		return
	}
	for _, m := range members {
		if r.find(m) >= 0 {
			m.stamp = s.stamp
		}
	}
}

// leaveAll takes members out of rooms, where they are in them.
func (s *shard) leaveAll(ns *namespace, members []*Member, rooms []string) {
	s.stamp++ // those that the message is not for have the one before
	for _, m := range members {
		m.stamp = s.stamp
	}
	seats := countSeats(members)
	for _, name := range rooms {
		r, ok := ns.rooms.get(name)
		switch {
		case !ok:
		case len(r.places) <= seats:
			for i := len(r.places) - 1; i >= 0; i-- { // what is vacated is filled from the end
				if p := r.places[i]; p.member.stamp == s.stamp {
					s.vacate(p.member, int(p.seat))
				}
			}
		default:
			for _, m := range members {
				if i := r.find(m); i >= 0 {
					s.vacate(m, i)
				}
			}
		}
	}
}

// countSeats returns the number of rooms that members are in, each counted as often as it has one of them.
func countSeats(members []*Member) (seats int) {
	for _, m := range members {
		seats += len(m.seats)
	}
	return seats
}

// dismiss ends a member, which gets its last frames when the round ends. One that has left by itself, while its opGone is still on the
// way, is not told and its outlet goes on: its client may be about to connect again.
func (s *shard) dismiss(m *Member, msg *Message) {
	if !m.left.Swap(true) {
		s.leaving = append(s.leaving, departure{m, s.runs.Extend(m.run, msg.Frame), msg.Action == ActionEnd})
		m.run = nil
	}
	s.end(m)
}

// part hands those that were dismissed in this round their last frames. What others get in it has been handed over before, so that an outlet
// that ends has it.
func (s *shard) part() {
	for _, d := range s.leaving {
		d.member.out.Disconnect(d.run, d.member.sid)
	}
	for i, d := range s.leaving {
		if d.end {
			d.member.out.End()
		}
		s.leaving[i] = departure{}
	}
	s.leaving = s.leaving[:0]
}
