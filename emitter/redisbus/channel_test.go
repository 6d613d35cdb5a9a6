package redisbus

import (
	"slices"
	"testing"
)

func TestNodeChannels(t *testing.T) {
	r, err := New(Config{
		Options:    newOptions(t),
		Channels:   []Channel{{"socket.io", DialectNode}, {"a*b", DialectNode}, {"socketio", DialectPython}},
		Namespaces: []string{"/", "/x", "/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, c := range r.patterns {
		names = append(names, name)
		if c.name != name || c.dialect != DialectNode {
			t.Errorf("%s: %+v", name, c)
		}
	}
	slices.Sort(names)
	want := []string{
		`a\*b#/#*`, `a\*b#/x#*`, `a\*b-request#/#`, `a\*b-request#/x#`, `socket.io#/#*`, `socket.io#/x#*`, `socket.io-request#/#`, `socket.io-request#/x#`,
	}
	if !slices.Equal(names, want) {
		t.Errorf("patterns %q, want %q", names, want)
	}
	if len(r.channels) != 1 || r.channels["socketio"] == nil {
		t.Errorf("channels %v", r.channels)
	}
}

func TestNodeChannelsByDefault(t *testing.T) {
	r, err := New(Config{Options: newOptions(t)})
	if err != nil {
		t.Fatal(err)
	}
	if r.patterns["socket.io#/#*"] == nil || r.patterns["socket.io-request#/#"] == nil || len(r.patterns) != 2 || len(r.channels) != 3 {
		t.Errorf("patterns %v, channels %v", r.patterns, r.channels)
	}
}

// TestOverlappingChannels: what Redis would deliver twice on a connection is refused.
func TestOverlappingChannels(t *testing.T) {
	for name, test := range map[string]struct {
		namespaces []string
		channels   []Channel
		refused    bool
	}{
		"broadcast":            {nil, []Channel{{"socket.io", DialectNode}, {"socket.io#/#", DialectPython}}, true},
		"room":                 {nil, []Channel{{"socket.io#/#r#", DialectJSON}, {"socket.io", DialectNode}}, true},
		"requests":             {nil, []Channel{{"socket.io", DialectNode}, {"socket.io-request#/#", DialectJSON}}, true},
		"requests as a key":    {nil, []Channel{{"socket.io", DialectNode}, {"socket.io-request", DialectNode}}, true},
		"keys":                 {[]string{"/x"}, []Channel{{"a", DialectNode}, {"a#/x#b", DialectNode}}, true},
		"same key":             {nil, []Channel{{"a", DialectNode}, {"a", DialectNode}}, true},
		"same name":            {nil, []Channel{{"a", DialectNode}, {"a", DialectPython}}, true},
		"responses":            {nil, []Channel{{"socket.io", DialectNode}, {"socket.io-response#/#", DialectJSON}}, false},
		"other namespace":      {nil, []Channel{{"socket.io", DialectNode}, {"socket.io#/x#", DialectJSON}}, false},
		"key with a glob":      {nil, []Channel{{"a*", DialectNode}, {"ab#/#", DialectJSON}, {`a\*#/#*`, DialectJSON}}, false},
		"namespaces of a key":  {[]string{"/", "/#x", "/x", "/x#y"}, []Channel{{"socket.io", DialectNode}}, false},
		"namespace no slash":   {[]string{"x"}, []Channel{{"socket.io", DialectNode}}, true},
		"namespace empty":      {[]string{""}, []Channel{{"socket.io", DialectNode}}, true},
		"namespace impossible": {[]string{"/a?b"}, []Channel{{"socket.io", DialectNode}}, true},
	} {
		_, err := New(Config{Options: newOptions(t), Channels: test.channels, Namespaces: test.namespaces})
		if (err != nil) != test.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}
