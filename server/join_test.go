package server

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzJoinArgs reads whatever valid JSON a client sends: it does not panic, and a room or secret is the string that was sent.
func FuzzJoinArgs(f *testing.F) {
	for _, seed := range []string{
		`"a"`, `{"room":"a","secret":"s"}`, `{"room":"\ud83d\ude00","secret":"\\ud83d"}`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83d\n"`, `"\ud83d\\ude00"`,
		`"\uD83D\uDE00"`, `"\ufffd"`, "\"\ufffd\"", `{"room":1}`, `[]`, `null`, `{}`, `""`, `{"room":"a","room":"b"}`, `"\\"`, `"\u005cud800"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		if !json.Valid([]byte(arg)) || !utf8.ValidString(arg) { // socketio has looked
			return
		}
		arg = strings.TrimLeft(arg, " \t\r\n") // and does not hand on space before a value
		room, secret, err := joinArgs([]json.RawMessage{json.RawMessage(arg)})
		if err != nil {
			if room != "" || secret != "" {
				t.Errorf("%q: an error, and %q %q", arg, room, secret)
			}
			return
		}
		for _, s := range []string{room, secret} {
			// What is not U+FFFD before does not become it.
			if strings.Contains(s, "\ufffd") && !strings.Contains(arg, "\ufffd") && !strings.Contains(strings.ToLower(arg), `\ufffd`) {
				t.Errorf("%q: half of a surrogate pair was taken", arg)
			}
		}
		again, err := json.Marshal(room)
		if err != nil {
			t.Fatal(err)
		}
		if same, _, err := joinArgs([]json.RawMessage{again}); err != nil || same != room {
			t.Errorf("%q: %q, but %q, %v when it is sent again", arg, room, same, err)
		}
	})
}
