package pickle

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// show returns a value as text, much as repr() does, with the keys of dicts in order.
func show(v Value) string {
	var parts []string
	switch v.Kind() {
	case None:
		return "None"
	case Bool:
		return strconv.FormatBool(v.Bool())
	case Int:
		return string(v.AppendInt(nil))
	case Float:
		return showFloat(v.Float())
	case Text:
		return fmt.Sprintf("%q", v.Bytes())
	case Bytes:
		return fmt.Sprintf("b%q", v.Bytes())
	case List, Tuple:
		for e := range v.Elements() {
			parts = append(parts, show(e))
		}
		if v.Kind() == List {
			return "[" + strings.Join(parts, ", ") + "]"
		}
		return "(" + strings.Join(parts, ", ") + ")"
	}
	for key, e := range v.Members() {
		parts = append(parts, show(key)+": "+show(e))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}"
}

func showFloat(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e6 {
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprint(f)
}

// showDecoded is show for the notation of the vectors.
func showDecoded(t *testing.T, decoded any) string {
	var parts []string
	switch d := decoded.(type) {
	case nil:
		return "None"
	case bool:
		return strconv.FormatBool(d)
	case json.Number:
		if !strings.ContainsAny(d.String(), ".eE") {
			return d.String()
		}
		f, err := d.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return showFloat(f)
	case string:
		return fmt.Sprintf("%q", d)
	case []any:
		for _, e := range d {
			parts = append(parts, showDecoded(t, e))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		if s, special := showSpecial(t, d); special {
			return s
		}
		for key, e := range d {
			parts = append(parts, fmt.Sprintf("%q: ", key)+showDecoded(t, e))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	t.Fatalf("%T", decoded)
	return ""
}

// showSpecial is showDecoded for what JSON does not have.
func showSpecial(t *testing.T, d map[string]any) (s string, special bool) {
	if len(d) != 1 {
		return "", false
	}
	if tuple, ok := d["$tuple"]; ok {
		list := showDecoded(t, tuple)
		return "(" + list[1:len(list)-1] + ")", true
	}
	if s, ok := d["$int"].(string); ok {
		return s, true
	}
	if s, ok := d["$bin"].(string); ok {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("b%q", b), true
	}
	if s, ok := d["$float"].(string); ok {
		return map[string]string{"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[s], true
	}
	if pairs, ok := d["$map"].([]any); ok {
		var parts []string
		for _, pair := range pairs {
			pair := pair.([]any)
			parts = append(parts, showDecoded(t, pair[0])+": "+showDecoded(t, pair[1]))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}", true
	}
	return "", false
}

// vector is a pickle that Python wrote, or that was made to do harm.
type vector struct {
	ID                     int
	Publisher, Description string
	Payload                []byte
	Decoded                json.RawMessage
	Refused                string
}

var refusals = map[string]error{"not data": ErrNotData, "malformed": ErrMalformed, "too large": ErrTooLarge}

func readVectors(tb testing.TB) []vector {
	tb.Helper()
	raw, err := os.ReadFile("../../testdata/python-pickle.json")
	if err != nil {
		tb.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(raw, &vectors); err != nil {
		tb.Fatal(err)
	}
	if len(vectors) == 0 {
		tb.Fatal("no vectors")
	}
	return vectors
}

func TestVectors(t *testing.T) {
	for _, v := range readVectors(t) {
		p, err := Decode(v.Payload, maxValues)
		if v.Refused != "" {
			if want := refusals[v.Refused]; want == nil || !errors.Is(err, want) {
				t.Errorf("%d (%s: %s): %v, want %v", v.ID, v.Publisher, v.Description, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%d (%s: %s): %v", v.ID, v.Publisher, v.Description, err)
			continue
		}
		var decoded any
		d := json.NewDecoder(bytes.NewReader(v.Decoded))
		d.UseNumber()
		if err := d.Decode(&decoded); err != nil {
			t.Fatal(err)
		}
		if got, want := show(p.Root()), showDecoded(t, decoded); got != want {
			t.Errorf("%d (%s: %s): %s, want %s", v.ID, v.Publisher, v.Description, got, want)
		}
	}
}
