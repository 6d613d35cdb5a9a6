package roomspace

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

var names = []struct {
	room  string
	space string
	valid bool
}{
	{"time", "", true},
	{"xxx", "", true},
	{"dir::a", "dir", true},
	{"dir::a::b", "dir", true},
	{"dir::", "dir", true},
	{"nokey::a", "nokey", true},
	{"n::a", "n", true},
	{"dir:a", "", true},
	{"a:::b", "a", true},
	{":a", "", true},
	{"a~b", "", true},
	{"комната::ä", "комната", true},
	{"a b\x00", "", true},
	{strings.Repeat("r", MaxRoom), "", true},
	{strings.Repeat("s", MaxSpace) + "::", strings.Repeat("s", MaxSpace), true},
	{"", "", false},
	{"::a", "", false},
	{"::", "", false},
	{":::", "", false},
	{"~", "", false},
	{"~AbC0123456789abcdef", "", false},
	{"~u:alice", "", false},
	{"~a::b", "", false},
	{strings.Repeat("r", MaxRoom+1), "", false},
	{strings.Repeat("ä", 128), "", false},
	{"a\xff", "", false},
	{"a\xed\xa0\x80", "", false},
}

func TestParse(t *testing.T) {
	for _, c := range names {
		name, err := Parse(c.room)
		switch {
		case c.valid && err != nil:
			t.Errorf("Parse(%q): %v", c.room, err)
		case c.valid && name != (Name{Room: c.room, Space: c.space}):
			t.Errorf("Parse(%q) = %+v", c.room, name)
		case !c.valid && !errors.Is(err, ErrInvalid):
			t.Errorf("Parse(%q) = %+v, %v; want ErrInvalid", c.room, name, err)
		case !c.valid && len(c.room) > 4 && strings.Contains(err.Error(), c.room):
			t.Errorf("Parse(%q): the error repeats the name: %v", c.room, err)
		}
	}
}

func TestValidSpace(t *testing.T) {
	for space, valid := range map[string]bool{
		"dir": true, "a:b": true, ":a": true, "a/b": true, "..": true, "a b": true, "ä": true, strings.Repeat("s", MaxSpace): true,
		"": false, "a::b": false, "::": false, "a:": false, ":": false, "~a": false, "a\xff": false, strings.Repeat("s", MaxSpace+1): false,
	} {
		if err := ValidSpace(space); (err == nil) != valid || (err != nil && !errors.Is(err, ErrInvalid)) {
			t.Errorf("ValidSpace(%q) = %v, want valid %v", space, err, valid)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range names {
		f.Add(c.room)
	}
	f.Fuzz(func(t *testing.T, room string) {
		name, err := Parse(room)
		if err != nil {
			if !errors.Is(err, ErrInvalid) || name != (Name{}) {
				t.Fatalf("Parse(%q) = %+v, %v", room, name, err)
			}
			return
		}
		if name.Room != room || len(room) == 0 || len(room) > 255 || !utf8.ValidString(room) || room[0] == '~' {
			t.Fatalf("Parse(%q) = %+v", room, name)
		}
		if public := !strings.Contains(room, "::"); public != (name.Space == "") {
			t.Fatalf("Parse(%q) = %+v", room, name)
		}
		if name.Space == "" {
			return
		}
		if !strings.HasPrefix(room, name.Space+"::") {
			t.Fatalf("Parse(%q) = %+v", room, name)
		}
		if err := ValidSpace(name.Space); err != nil {
			t.Fatalf("Parse(%q) gives a space that cannot have a secret: %v", room, err)
		}
	})
}
