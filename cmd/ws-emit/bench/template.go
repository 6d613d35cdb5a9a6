package bench

import (
	"encoding/json"
	"strings"
)

// template is a text with places that are filled for each message.
type template []part

// part is some text and what follows it.
type part struct {
	text string
	mark string // "" at the end
}

// values fill a template, by mark.
type values map[string]string

// newTemplate divides a text at the marks that are known. Anything else in braces stays as it is: it is JSON.
func newTemplate(text string, marks ...string) template {
	var t template
	for {
		at, found := len(text), ""
		for _, m := range marks {
			if i := strings.Index(text, m); i >= 0 && i < at {
				at, found = i, m
			}
		}
		t = append(t, part{text[:at], found})
		if found == "" {
			return t
		}
		text = text[at+len(found):]
	}
}

// bind fills some of the marks for good.
func (t template) bind(v values) template {
	var bound template
	text := ""
	for _, p := range t {
		text += p.text
		if value, known := v[p.mark]; known {
			text += value
			continue
		}
		bound = append(bound, part{text, p.mark})
		text = ""
	}
	if text != "" {
		bound = append(bound, part{text, ""})
	}
	return bound
}

// append appends the text, with data for each mark that is left.
func (t template) append(dst, data []byte) []byte {
	for _, p := range t {
		dst = append(dst, p.text...)
		if p.mark != "" {
			dst = append(dst, data...)
		}
	}
	return dst
}

// inString is what stands between the quotes of a JSON string.
func inString(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // every string can be encoded
	}
	return string(quoted[1 : len(quoted)-1])
}
