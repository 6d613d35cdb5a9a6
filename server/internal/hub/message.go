package hub

import "github.com/ws-emit/ws-emit/server/frame"

// Action is what a message does to the members that it is for.
type Action uint8

const (
	ActionSend       Action = iota // they get the frame
	ActionEnter                    // they enter the rooms of Change, as by Join but without a word to them
	ActionLeave                    // they leave the rooms of Change
	ActionDisconnect               // they get the frame as their last one, and end
	ActionEnd                      // as ActionDisconnect, and then their outlets end
)

// Message is something that happens to the members of some rooms, as they are when its turn comes.
type Message struct {
	// Namespace is the namespace of the members, as given to NewMember.
	Namespace string
	// Rooms are the rooms whose members it is for, each member once however many of them it is in. A member's sid is a room too. None
	// means every member of the namespace.
	Rooms []string
	// Except are rooms or sids whose members it is not for.
	Except []string
	// Action is what happens. The zero value is ActionSend.
	Action Action
	// Change are the rooms of ActionEnter and ActionLeave, at most MaxChange in all messages of a batch. A member's namespace and its sid
	// are none: it stays in them until it ends.
	Change []string
	// Frame is what the members get. It must not be nil, except for ActionEnter and ActionLeave, where it must be.
	Frame *frame.Frame
}

const (
	// nameOverhead is what the name of a room costs a message beside its bytes: a string header.
	nameOverhead = 16
	// changeOverhead is what a room of Change costs beside its name. To move a member takes several times as long as to give it a frame,
	// and a name is soon written: what waits may not keep the shards busy for longer than messages would.
	changeOverhead = 1 << 10
)

// cost is the credit that a message takes.
func (m *Message) cost() int64 {
	c := m.size() + frame.Overhead + len(m.Change)*changeOverhead
	for _, names := range [...][]string{m.Rooms, m.Except, m.Change} {
		for _, name := range names {
			c += len(name) + nameOverhead
		}
	}
	return int64(c)
}

// size is the number of bytes that a member gets.
func (m *Message) size() int {
	if m.Frame == nil {
		return 0
	}
	return m.Frame.Size()
}
