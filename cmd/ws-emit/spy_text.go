package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
)

// shortText is how many characters of data a line shows without --full.
const shortText = 160

// asText is the line of a payload.
func (s *spy) asText(d redisbus.Decoded) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s  ", time.Now().Format("15:04:05.000"), word(d.Channel), d.Dialect, byteCount(len(d.Payload)))
	switch {
	case d.Reason == redisbus.DropAck:
		b.WriteString(s.meaning(d.Messages) + " (" + s.hint(d) + ")")
	case d.Reason != "":
		fmt.Fprintf(&b, "dropped (%s): %s%s. Payload: %s", d.Reason, s.hint(d), exactly(d), s.quoted(d.Payload))
	default:
		b.WriteString(s.meaning(d.Messages))
	}
	return b.String()
}

// exactly is what the decoder says beside the reason, if anything.
func exactly(d redisbus.Decoded) string {
	if d.Err == nil {
		return ""
	}
	return " [" + oneLine(withoutPackage(d.Err)) + "]"
}

// byteCount is a size as people read it: exact while it is short.
func byteCount(n int) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%dB", n)
	case n < 10_000_000:
		return fmt.Sprintf("%dkB", n/1000)
	}
	return fmt.Sprintf("%dMB", n/1_000_000)
}

// meaning says what messages ask for.
func (s *spy) meaning(messages []emitter.Message) string {
	if len(messages) == 0 {
		return "nothing" // an empty list
	}
	if !s.full && len(messages) > 1 {
		return fmt.Sprintf("%s; and %d messages more", s.message(&messages[0]), len(messages)-1)
	}
	all := make([]string, len(messages))
	for i := range messages {
		all[i] = s.message(&messages[i])
	}
	return strings.Join(all, "; ")
}

func (s *spy) message(m *emitter.Message) string {
	who := "everybody"
	if len(m.Rooms) > 0 {
		who = s.names(m.Rooms)
	}
	in := " in " + word(m.Namespace)
	if len(m.Except) > 0 {
		in += " except " + s.names(m.Except)
	}
	switch m.Method {
	case emitter.MethodEnterRoom:
		return fmt.Sprintf("enter_room: %s%s enter %s", who, in, s.names(m.Change))
	case emitter.MethodLeaveRoom:
		return fmt.Sprintf("leave_room: %s%s leave %s", who, in, s.names(m.Change))
	case emitter.MethodDisconnect:
		if m.Close {
			in += ", with their connections"
		}
		return fmt.Sprintf("disconnect: %s%s", who, in)
	case emitter.MethodEmit:
		args := make([]string, len(m.Args))
		for i, arg := range m.Args {
			args[i] = printable(string(inlineBinary(arg, m.Attachments)))
		}
		data := ""
		if len(args) > 0 {
			data = ": " + s.short(strings.Join(args, ", "))
		}
		return fmt.Sprintf("emit %s to %s%s%s", word(m.Event), who, in, data)
	}
	return fmt.Sprintf("%s: %s%s", m.Method, who, in)
}

// names lists names of rooms.
func (s *spy) names(names []string) string {
	if s.full {
		return listed(names, len(names))
	}
	return listed(names, shortNames)
}

// short cuts a text that is safe to print.
func (s *spy) short(text string) string {
	if s.full || utf8.RuneCountInString(text) <= shortText {
		return text
	}
	return string([]rune(text)[:shortText]) + "..."
}

// quoted is a payload that may be anything, in the form of a Go string.
func (s *spy) quoted(payload string) string {
	rest := ""
	if !s.full && len(payload) > shortText {
		payload, rest = payload[:shortText], "..."
	}
	return strconv.Quote(payload) + rest
}

// spied is the line of a payload with --json.
type spied struct {
	Time     string              `json:"time"`
	Channel  string              `json:"channel"`
	Dialect  redisbus.Dialect    `json:"dialect"`
	Bytes    int                 `json:"bytes"`
	Messages []spiedMessage      `json:"messages"`
	Dropped  redisbus.DropReason `json:"dropped,omitempty"`
	Hint     string              `json:"hint,omitempty"`
	Error    string              `json:"error,omitempty"`
	Payload  string              `json:"payload,omitempty"`
	Base64   string              `json:"payload_base64,omitempty"`
}

type spiedMessage struct {
	Method    string            `json:"method"`
	Namespace string            `json:"namespace"`
	Rooms     []string          `json:"rooms,omitempty"`
	Except    []string          `json:"except,omitempty"`
	Change    []string          `json:"change,omitempty"`
	Close     bool              `json:"close,omitempty"`
	Event     string            `json:"event,omitempty"`
	Args      []json.RawMessage `json:"args,omitempty"`
}

// asJSON is the line of a payload with --json.
func (s *spy) asJSON(d redisbus.Decoded) string {
	line := spied{
		Time:     time.Now().Format(time.RFC3339Nano),
		Channel:  d.Channel,
		Dialect:  d.Dialect,
		Bytes:    len(d.Payload),
		Messages: make([]spiedMessage, len(d.Messages)),
		Dropped:  d.Reason,
	}
	if d.Reason != "" {
		line.Hint = s.hint(d)
	}
	if d.Err != nil {
		line.Error = withoutPackage(d.Err).Error()
	}
	if utf8.ValidString(d.Payload) {
		line.Payload = d.Payload
	} else {
		line.Base64 = base64.StdEncoding.EncodeToString([]byte(d.Payload))
	}
	for i, m := range d.Messages {
		line.Messages[i] = spiedMessage{m.Method.String(), m.Namespace, m.Rooms, m.Except, m.Change, m.Close, m.Event, make([]json.RawMessage, len(m.Args))}
		for j, arg := range m.Args {
			line.Messages[i].Args[j] = inlineBinary(arg, m.Attachments)
		}
	}
	return encodeJSON(line)
}
