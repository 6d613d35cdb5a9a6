package main

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ws-emit/ws-emit/emitter"
	"github.com/ws-emit/ws-emit/emitter/redisbus"
	"github.com/ws-emit/ws-emit/server"
)

// value is a place in the options that words can be written to. It has no state of its own. Errors say what is wrong and what would be
// right, without the name of the setting, and quote what was given unless it may be a secret.
type value interface {
	// set takes one word, or for a list (see isList) one or more.
	set(words []string) error
	// String returns what is there, as it would be written, for the defaults in the help text.
	String() string
}

// lists are values of several words, which blanks and commas separate.
type lists interface{ isList() }

type textValue struct{ to *string }

func (v textValue) set(words []string) error { *v.to = words[0]; return nil }
func (v textValue) String() string           { return *v.to }

type switchValue struct{ to *bool }

func (v switchValue) set(words []string) error {
	on, err := onOff(words[0])
	*v.to = on
	return err
}

func (v switchValue) String() string {
	if *v.to {
		return "on"
	}
	return "off"
}

func onOff(word string) (bool, error) {
	switch strings.ToLower(word) {
	case "on", "true", "yes", "1":
		return true, nil
	case "off", "false", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q: want on or off", word)
}

// toggleValue is on or off, and with auto also that.
type toggleValue struct {
	to   *server.Toggle
	auto bool
}

func (v toggleValue) set(words []string) error {
	if words[0] == "auto" && v.auto {
		*v.to = server.Auto
		return nil
	}
	on, err := onOff(words[0])
	if err != nil && v.auto {
		err = fmt.Errorf("%q: want on, off or auto", words[0])
	}
	*v.to = server.Off
	if on {
		*v.to = server.On
	}
	return err
}

func (v toggleValue) String() string {
	if *v.to == server.Auto {
		return "auto"
	}
	return string(*v.to)
}

// choiceValue is one of a few words.
type choiceValue struct {
	to   *string
	from []string
}

func (v choiceValue) set(words []string) error {
	for _, c := range v.from {
		if words[0] == c {
			*v.to = c
			return nil
		}
	}
	return fmt.Errorf("%q: want %s", words[0], strings.Join(v.from, " or "))
}

func (v choiceValue) String() string { return *v.to }

type durationValue struct{ to *time.Duration }

func (v durationValue) set(words []string) error {
	d, err := time.ParseDuration(words[0])
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a duration: want a number and a unit, such as 500ms, 25s or 1m30s", words[0])
	case d <= 0:
		return fmt.Errorf("%q: want more than 0", words[0])
	}
	*v.to = d
	return nil
}

func (v durationValue) String() string { return v.to.String() }

type countValue struct{ to *int }

func (v countValue) set(words []string) error {
	n, err := strconv.Atoi(words[0])
	if err != nil || n <= 0 {
		return fmt.Errorf("%q: want a whole number, more than 0", words[0])
	}
	*v.to = n
	return nil
}

func (v countValue) String() string { return strconv.Itoa(*v.to) }

type sizeValue struct{ to *int64 }

func (v sizeValue) set(words []string) error {
	n, err := parseSize(words[0])
	if err == nil {
		*v.to = n
	}
	return err
}

func (v sizeValue) String() string { return formatSize(*v.to) }

// sizeUnits are in the order in which formatSize tries them.
var sizeUnits = []struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3},
}

// parseSize reads a number of bytes: a whole number, and a unit or the beginning of one (k, M, Ki; case does not matter). A k is 1,000 and
// a Ki 1,024.
func parseSize(word string) (int64, error) {
	wrong := fmt.Errorf("%q is not a size: want a whole number of bytes, or with a unit, such as 512kB, 1MB (a million) or 1MiB (1,048,576)", word)
	digits := strings.TrimRight(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, wrong
	}
	if n <= 0 {
		return 0, fmt.Errorf("%q: want more than 0", word)
	}
	unit := strings.TrimSpace(word[len(digits):])
	if unit == "" || strings.EqualFold(unit, "B") {
		return n, nil
	}
	for _, u := range sizeUnits {
		if strings.EqualFold(unit, u.name) || strings.EqualFold(unit, strings.TrimSuffix(u.name, "B")) {
			if n > math.MaxInt64/u.bytes {
				return 0, fmt.Errorf("%q is too much", word)
			}
			return n * u.bytes, nil
		}
	}
	return 0, wrong
}

// formatSize is the opposite of parseSize, with the unit that makes the number shortest.
func formatSize(n int64) string {
	for _, u := range sizeUnits {
		if n >= u.bytes && n%u.bytes == 0 {
			return strconv.FormatInt(n/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

type listValue struct {
	to    *[]string
	known []string // words that it is likely to have, if there are such
}

func (listValue) isList() {}

func (v listValue) set(words []string) error { *v.to = words; return nil }
func (v listValue) String() string           { return strings.Join(*v.to, " ") }

// prefixesValue takes addresses, too: a prefix of all their bits.
type prefixesValue struct{ to *[]netip.Prefix }

func (prefixesValue) isList() {}

func (v prefixesValue) set(words []string) error {
	var all []netip.Prefix
	for _, w := range words {
		p, err := netip.ParsePrefix(w)
		if a, wrong := netip.ParseAddr(w); err != nil && wrong == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q: want an address or a network, such as 10.0.0.7 or 10.0.0.0/8", w)
		}
		all = append(all, p.Masked())
	}
	*v.to = all
	return nil
}

func (v prefixesValue) String() string {
	var words []string
	for _, p := range *v.to {
		words = append(words, p.String())
	}
	return strings.Join(words, " ")
}

type channelsValue struct{ to *[]redisbus.Channel }

func (channelsValue) isList() {}

func (v channelsValue) set(words []string) error {
	var all []redisbus.Channel
	for _, w := range words {
		c, err := redisbus.ParseChannel(w)
		if err != nil {
			return withoutPackage(err)
		}
		all = append(all, c)
	}
	*v.to = all
	return nil
}

func (v channelsValue) String() string {
	var words []string
	for _, c := range *v.to {
		words = append(words, c.String())
	}
	return strings.Join(words, " ")
}

type methodsValue struct{ to *[]emitter.Method }

func (methodsValue) isList() {}

func (v methodsValue) set(words []string) error {
	var all []emitter.Method
	for _, w := range words {
		m, ok := emitter.ParseMethod(w)
		if !ok {
			return fmt.Errorf("%q: want some of %s", w, methodNames(emitter.Methods()))
		}
		all = append(all, m)
	}
	*v.to = all
	return nil
}

func (v methodsValue) String() string { return methodNames(*v.to) }

func methodNames(methods []emitter.Method) string {
	var words []string
	for _, m := range methods {
		words = append(words, m.String())
	}
	return strings.Join(words, " ")
}

// redisValue is checked here, since only here it is known where it came from.
type redisValue struct{ to *string }

func (v redisValue) set(words []string) error {
	if words[0] != "" && words[0] != server.NoRedis {
		if _, err := redisbus.ParseURL(words[0]); err != nil {
			return withoutPackage(err)
		}
	}
	*v.to = words[0]
	return nil
}

// String hides the URL, which may have a password in it.
func (v redisValue) String() string { return "" }

// spacesValue takes SPACE=SECRET. Its errors quote nothing: what has no "=" may be a secret.
type spacesValue struct{ to *map[string]string }

func (spacesValue) isList() {}

func (v spacesValue) set(words []string) error {
	all := make(map[string]string)
	for _, w := range words {
		space, secret, ok := strings.Cut(w, "=")
		if !ok || space == "" || secret == "" {
			return errors.New("want SPACE=SECRET")
		}
		if _, twice := all[space]; twice {
			return fmt.Errorf("room-space %q has two secrets: want one", space)
		}
		all[space] = secret
	}
	*v.to = all
	return nil
}

func (v spacesValue) String() string { return "" }
