package emitter

import (
	"encoding/json"
	"testing"
)

func TestMethodNames(t *testing.T) {
	for _, m := range Methods() {
		if got, ok := ParseMethod(m.String()); !ok || got != m {
			t.Errorf("%v: parsed as %v, %v", m, got, ok)
		}
	}
	if _, ok := ParseMethod("callback"); ok {
		t.Error("callback is a method")
	}
	if got := Method(200).String(); got != "unknown" {
		t.Errorf("an unknown method is called %q", got)
	}
}

// TestValidateMethods: what is not an emit has what it needs and nothing else.
func TestValidateMethods(t *testing.T) {
	for name, tt := range map[string]struct {
		m     Message
		field string
	}{
		"enter":                {Message{Method: MethodEnterRoom, Rooms: []string{"~sid"}, Change: []string{"r", "orders::1"}}, ""},
		"enter, everybody":     {Message{Method: MethodEnterRoom, Change: []string{"r"}}, ""},
		"enter nothing":        {Message{Method: MethodEnterRoom, Rooms: []string{"a"}}, "change"},
		"enter a sid":          {Message{Method: MethodEnterRoom, Change: []string{"r", "~sid"}}, "change"},
		"enter an empty room":  {Message{Method: MethodEnterRoom, Change: []string{""}}, "change"},
		"leave":                {Message{Method: MethodLeaveRoom, Rooms: []string{"a"}, Change: []string{"r"}}, ""},
		"leave with an event":  {Message{Method: MethodLeaveRoom, Change: []string{"r"}, Event: "e"}, "event"},
		"close":                {Message{Method: MethodCloseRoom, Rooms: []string{"a"}}, ""},
		"close no room":        {Message{Method: MethodCloseRoom}, "room"},
		"close with a change":  {Message{Method: MethodCloseRoom, Rooms: []string{"a"}, Change: []string{"r"}}, "change"},
		"disconnect":           {Message{Method: MethodDisconnect, Rooms: []string{"~sid"}, Close: true}, ""},
		"disconnect everybody": {Message{Method: MethodDisconnect, Except: []string{"a"}}, ""},
		"disconnect arguments": {Message{Method: MethodDisconnect, Args: []json.RawMessage{[]byte("1")}}, "event"},
		"close and emit":       {Message{Event: "e", Close: true}, "close"},
		"change and emit":      {Message{Event: "e", Change: []string{"r"}}, "change"},
		"unknown":              {Message{Method: 100}, "method"},
	} {
		err := tt.m.Validate(Limits{})
		if tt.field == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if input, ok := err.(*InputError); !ok || input.Field != tt.field && input.Field != tt.field+"[1]" {
			t.Errorf("%s: %v, want a complaint about %s", name, err, tt.field)
		}
	}
}
