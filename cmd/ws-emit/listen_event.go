package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/ws-emit/ws-emit/server/sioclient"
)

// writeEvent writes an event as one line of JSON.
func writeEvent(w *strings.Builder, e sioclient.Event) {
	w.WriteString(`{"event":`)
	w.WriteString(encodeJSON(e.Name))
	w.WriteString(`,"args":`)
	w.WriteString(printable(inlineBinary(compactJSON(e.JSON()), e.Attachments)))
	w.WriteString("}\n")
}

// placeholder matches the place of an attachment in compact JSON (Socket.IO protocol, "Packet encoding"). Inside a string the quotes would
// have a backslash before them.
var placeholder = regexp.MustCompile(`\{"_placeholder":true,"num":(\d+)\}|\{"num":(\d+),"_placeholder":true\}`)

// inlineBinary puts attachments where they belong, as {"$binary":BASE64}.
func inlineBinary(args []byte, attachments [][]byte) []byte {
	if len(attachments) == 0 {
		return args // what looks like a placeholder is plain data
	}
	return placeholder.ReplaceAllFunc(args, func(found []byte) []byte {
		m := placeholder.FindSubmatch(found)
		n, err := strconv.Atoi(string(m[1]) + string(m[2]))
		if err != nil || n >= len(attachments) {
			return found
		}
		return fmt.Appendf(nil, `{"$binary":%q}`, base64.StdEncoding.EncodeToString(attachments[n]))
	})
}

// compactJSON returns valid JSON on one line.
func compactJSON(valid []byte) []byte {
	var b bytes.Buffer
	if err := json.Compact(&b, valid); err != nil {
		return []byte("null") // it was not valid
	}
	return b.Bytes()
}

// encodeJSON returns a value as JSON that is safe to print.
func encodeJSON(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // it holds nothing but text, numbers and valid JSON
	}
	return printable(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// printable escapes what could make a terminal do something or show text in another order: control characters and what else is not
// printed. In valid JSON such characters stand in strings only, so it means the same afterwards.
func printable(valid []byte) string {
	var b strings.Builder
	b.Grow(len(valid))
	for _, r := range string(valid) {
		switch {
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// shortNames is how many names a line shows where it does not show all.
const shortNames = 5

// listed lists names, at most limit of them.
func listed(names []string, limit int) string {
	rest := ""
	if len(names) > limit {
		rest = fmt.Sprintf(" and %d more", len(names)-limit)
		names = names[:limit]
	}
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = word(name)
	}
	return strings.Join(words, ", ") + rest
}

// word is a name, in quotes when it could be taken for something else.
func word(name string) string {
	quoted := strconv.Quote(name)
	if name == "" || quoted != `"`+name+`"` || strings.ContainsAny(name, " ,;()") {
		return quoted
	}
	return name
}
