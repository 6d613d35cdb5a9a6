package report

import (
	"io"
	"math"
	"strconv"
	"strings"
)

// Amount writes a value with its unit. A ratio has the unit "x".
func Amount(v float64, unit string) string {
	switch unit {
	case "":
		return number(v)
	case "x":
		return number(v) + "x"
	default:
		return number(v) + " " + unit
	}
}

// number writes a value with three digits, and commas. What is below 100, as some percent are, is never written as 100.
func number(v float64) string {
	if v > 99 && v < 100 {
		v = min(v, 99.9)
	}
	decimals := 0
	if v != 0 {
		decimals = max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	}
	text := strconv.FormatFloat(v, 'f', min(decimals, 3), 64)
	if whole, part, ok := strings.Cut(text, "."); ok {
		if part = strings.TrimRight(part, "0"); part == "" {
			return whole
		}
		return whole + "." + part
	}
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// writeTrimmed writes lines without the spaces at their ends.
func writeTrimmed(w io.Writer, text string) error {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n"))
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}
