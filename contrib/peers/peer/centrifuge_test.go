package peer

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
)

// script is a server that answers each command with some texts.
type script struct {
	answers map[string][]string
	texts   []string
	asked   []string
}

func (s *script) Write(text []byte) error {
	s.asked = append(s.asked, string(text))
	s.texts = append(s.texts, s.answers[string(text)]...)
	return nil
}

func (s *script) Read() ([]byte, error) {
	if len(s.texts) == 0 {
		return nil, io.EOF
	}
	text := s.texts[0]
	s.texts = s.texts[1:]
	return []byte(text), nil
}

const (
	askConnect   = `{"id":1,"connect":{}}`
	askSubscribe = `{"id":2,"subscribe":{"channel":"a\"b"}}`
	askAnother   = `{"id":3,"subscribe":{"channel":"c"}}`
)

func TestCentrifugeJoin(t *testing.T) {
	s := &script{answers: map[string][]string{
		askConnect:   {`{"id":1,"connect":{"client":"x","ping":25,"pong":true}}`},
		askSubscribe: {"{}\n" + `{"push":{"channel":"a\"b","pub":{"data":1}}}`, `{"push":{"channel":"z","pub":{"data":2}}}` + "\n" + `{"id":2,"subscribe":{}}`},
		askAnother:   {`{"id":3,"subscribe":{}}`},
	}}
	if err := (centrifugeJSON{}).Join(s, 0, []string{`a"b`, "c"}); err != nil {
		t.Fatal(err)
	}
	if want := []string{askConnect, askSubscribe, askAnother}; !slices.Equal(s.asked, want) {
		t.Errorf("asked %q, want %q", s.asked, want)
	}
	if len(s.texts) != 0 {
		t.Errorf("%q is left", s.texts)
	}
}

func TestCentrifugeJoinFails(t *testing.T) {
	for _, c := range []struct{ answer, want string }{
		{`{"id":1,"error":{"code":103,"message":"permission denied"}}`, "permission denied (103)"},
		{`{"id":1`, "reply: "},
		{`{}`, "EOF"},
	} {
		err := centrifugeJSON{}.Join(&script{answers: map[string][]string{askConnect: {c.answer}}}, 0, []string{"a"})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.answer, err, c.want)
		}
	}
	err := centrifugeJSON{}.Join(&script{}, 0, nil)
	if !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

func TestCentrifugeReceive(t *testing.T) {
	const push = `{"push":{"channel":"a","pub":{"data":{}}}}`
	for _, c := range []struct {
		text, answer string
		messages     bool
	}{
		{"{}", "{}", false},
		{"{}\n", "{}", false},
		{"{}\n{}", "{}", false},
		{push, "", true},
		{push + "\n" + push + "\n", "", true},
		{"{}\n" + push, "{}", true},
		{push + "\n{}", "{}", true},
		{"", "", false},
	} {
		answer, messages, err := centrifugeJSON{}.Receive([]byte(c.text))
		if string(answer) != c.answer || messages != c.messages || err != nil {
			t.Errorf("%q: got %q, %v, %v", c.text, answer, messages, err)
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _, _ = centrifugeJSON{}.Receive([]byte(push)) }); n > 0 {
		t.Errorf("%v allocations for a message", n)
	}
}

func FuzzCentrifugeReceive(f *testing.F) {
	f.Add("{}\n" + `{"push":{}}`)
	f.Fuzz(func(t *testing.T, text string) {
		answer, messages, err := centrifugeJSON{}.Receive([]byte(text))
		if err != nil || (answer != nil || messages) != (strings.Trim(text, "\n") != "") {
			t.Errorf("%q: got %q, %v, %v", text, answer, messages, err)
		}
	})
}
