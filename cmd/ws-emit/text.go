package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// printable escapes, as JSON does, what could make a terminal do something or show text in another order: control characters and what else
// is not printed. In valid JSON such characters stand in strings only, so it means the same afterwards.
func printable(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for _, r := range text {
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

// encodeJSON returns a value as JSON that is safe to print.
func encodeJSON(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // it holds nothing but text, numbers and valid JSON
	}
	return printable(strings.TrimSuffix(b.String(), "\n"))
}

// oneLine returns what an error says, on one line that is safe to print. errors.Join makes more of them, and a server may say anything.
func oneLine(err error) string { return printable(strings.ReplaceAll(err.Error(), "\n", "; ")) }

// packageName matches the names of packages that begin the texts of their errors.
var packageName = regexp.MustCompile(`(?m)(^|: )(?:bench|emitter|redisbus|roomspace|server|sioclient): `)

// withoutPackage takes the names of packages off the text of an error.
func withoutPackage(err error) error {
	return errors.New(packageName.ReplaceAllString(err.Error(), "$1"))
}

// field is text as it is, or in quotes where it would break the lines and columns of a list.
func field(text string) string {
	if utf8.ValidString(text) && printable(text) == text {
		return text
	}
	return strconv.Quote(text)
}

// word is a name, in quotes where it could be taken for something else, too.
func word(name string) string {
	if name == "" || strings.ContainsAny(name, ` ,;()"\`) {
		return strconv.Quote(name)
	}
	return field(name)
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
