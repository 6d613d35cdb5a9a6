package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// delimiter would separate the keys of nested settings. There are none.
const delimiter = "."

// layer is what one place says: the file, the environment or the flags.
type layer struct {
	k *koanf.Koanf
	// origin says where a setting stands, for errors.
	origin func(name string) string
}

// load reads the settings, flags over environment over file over defaults, and checks them. It also returns the names of variables that
// look like settings and are none. An error says where the wrong value stands.
func load(flags *pflag.FlagSet, environ []string) (options, []string, error) {
	old, _ := fromEnvironment(environ, func(s *setting) string { return s.old })
	ours, unknown := fromEnvironment(environ, (*setting).env)
	given := layer{koanf.New(delimiter), func(name string) string { return "--" + name }}
	// Without a koanf to look into, posflag passes on what was typed and no defaults. Its own way to read a list loses an empty word.
	typed := posflag.ProviderWithFlag(flags, delimiter, nil, func(f *pflag.Flag) (string, any) {
		if list, ok := f.Value.(pflag.SliceValue); ok {
			return f.Name, list.GetSlice()
		}
		return "", nil // not a setting
	})
	if err := given.k.Load(typed, nil); err != nil {
		return options{}, nil, err
	}
	layers := []layer{old, ours, given}
	path, origin, err := configFile(ours, given)
	if err != nil {
		return options{}, nil, err
	}
	if path != "" {
		written, err := fromFile(path)
		if err != nil {
			return options{}, nil, fmt.Errorf("%s: %w", origin, err)
		}
		layers = slices.Insert(layers, 0, written)
	}
	o, err := merge(layers)
	return o, unknown, err
}

// configFile returns the path of the configuration file, "" when there is none, and where it was asked for.
func configFile(layers ...layer) (path, origin string, err error) {
	for _, l := range slices.Backward(layers) {
		if given := l.k.Get(nameConfig); given != nil {
			w, err := words(given, &setting{}, false)
			if err != nil {
				return "", "", fmt.Errorf("%s: %w", l.origin(nameConfig), err)
			}
			return w[0], l.origin(nameConfig), nil
		}
	}
	return "", "", nil
}

// fromEnvironment reads the variables that variable names. An empty one counts as not set. It also returns those with our prefix that are
// not among them.
func fromEnvironment(environ []string, variable func(*setting) string) (layer, []string) {
	names := make(map[string]string)
	for _, v := range commandVariables {
		names[v.name] = "" // nothing for a server
	}
	origin := make(map[string]string)
	for _, s := range settings() {
		if v := variable(s); v != "" {
			names[v], origin[s.name] = s.name, v
		}
	}
	var unknown []string
	provider := env.Provider(delimiter, env.Opt{
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(variable, text string) (string, any) {
			name, known := names[variable]
			if !known && strings.HasPrefix(variable, envPrefix) {
				unknown = append(unknown, variable)
			}
			if text == "" {
				return "", nil
			}
			return name, text
		},
	})
	l := layer{koanf.New(delimiter), func(name string) string { return origin[name] }}
	if err := l.k.Load(provider, nil); err != nil {
		panic(err) // the provider has no way to fail
	}
	return l, unknown
}

// lineOf finds where a file is wrong. The rest of what the parser says may quote a secret.
var lineOf = regexp.MustCompile(`line \d+`)

// fromFile reads a configuration file. A key without a value counts as not set.
func fromFile(path string) (layer, error) {
	l := layer{koanf.New(delimiter), func(name string) string { return path + ": " + name }}
	if err := l.k.Load(file.Provider(path), yaml.Parser()); err != nil {
		if errors.As(err, new(*fs.PathError)) {
			return l, err
		}
		at := "somewhere"
		if line := lineOf.FindString(err.Error()); line != "" {
			at = "in " + line
		}
		return l, fmt.Errorf("%s: wrong %s: want YAML with a line NAME: VALUE for each setting, and none twice", path, at)
	}
	known := make(map[string]bool)
	for _, s := range settings() {
		known[s.name] = s.name != nameConfig
	}
	content := l.k.Raw()
	for _, name := range slices.Sorted(maps.Keys(content)) {
		if !known[name] {
			return l, fmt.Errorf("%s: unknown setting %q: want the name of a flag, see ws-emit --help", path, name)
		}
		if content[name] == nil {
			l.k.Delete(name)
		}
	}
	return l, nil
}

// merge applies layers, each over the one before.
func merge(layers []layer) (options, error) {
	o := options{logFormat: defaults().logFormat}
	merged := koanf.New(delimiter)
	origin := make(map[string]layer)
	for _, l := range layers {
		// The secret and the file with it are two ways to say one thing.
		switch inline, inFile := l.k.Exists(nameSecret), l.k.Exists(nameSecretFile); {
		case inline && inFile:
			return o, fmt.Errorf("%s and %s are both given: want one", l.origin(nameSecret), l.origin(nameSecretFile))
		case inline:
			merged.Delete(nameSecretFile)
		case inFile:
			merged.Delete(nameSecret)
		}
		for name := range l.k.Raw() {
			origin[name] = l
		}
		if err := merged.Merge(l.k); err != nil {
			return o, err
		}
	}
	for _, s := range settings() {
		given := merged.Get(s.name)
		if given == nil {
			continue
		}
		v := s.value(&o)
		_, list := v.(lists)
		w, err := words(given, s, list)
		switch {
		case err != nil:
		case !list && !s.secret && w[0] == "":
			// Most likely a variable of a script that is not set: the default could be less careful, as it is with --address.
			err = errors.New("is empty: want a value")
		default:
			err = v.set(w)
		}
		if err != nil {
			return o, fmt.Errorf("%s: %w", origin[s.name].origin(s.name), err)
		}
	}
	return finish(o, origin)
}

// finish checks what cannot be checked in each setting alone.
func finish(o options, origin map[string]layer) (options, error) {
	if o.secretFile != "" {
		secret, err := readSecret(o.secretFile)
		if err != nil {
			return o, fmt.Errorf("%s: %w", origin[nameSecretFile].origin(nameSecretFile), err)
		}
		o.server.EmitSecret = secret
	}
	cfg, err := o.server.WithDefaults()
	if err != nil {
		return o, asFlags(err)
	}
	o.server = cfg
	return o, nil
}

// readSecret returns what a file holds, without one newline at its end.
func readSecret(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if secret == "" {
		return "", fmt.Errorf("%s is empty: want the secret in it", path)
	}
	return secret, nil
}

// words returns what was given for a setting as a list of words, one if it is not for a list.
//
//	flags        what was typed, of a single value the last; a list's are separated further, except where they may be secrets
//	environment  blanks separate the words of a list, and commas except where they may be secrets
//	file         a list's items as they are, a map as KEY=VALUE, text as in the environment
func words(given any, s *setting, list bool) ([]string, error) {
	switch g := given.(type) {
	case []string:
		if !list {
			return g[len(g)-1:], nil
		}
		if s.secret {
			return g, nil
		}
		return split(strings.Join(g, " "), s)
	case string:
		if !list {
			return []string{g}, nil
		}
		return split(g, s)
	case []any:
		switch {
		case !list:
			return nil, errors.New("want one value, not a list")
		case len(g) == 0:
			return nil, errors.New("is an empty list: want at least one word")
		}
		var all []string
		for _, item := range g {
			w, err := scalar(item, s)
			if err != nil {
				return nil, err
			}
			all = append(all, w)
		}
		return all, nil
	case map[string]any:
		if !list || !s.secret {
			return nil, errors.New("want one value, not names and values")
		}
		return pairs(g, s)
	}
	w, err := scalar(given, s)
	return []string{w}, err
}

// split separates the words of a list.
func split(text string, s *setting) ([]string, error) {
	all := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == ',' && !s.secret })
	if len(all) == 0 {
		return nil, errors.New("is empty: want at least one word")
	}
	return all, nil
}

// pairs returns the entries of a map as KEY=VALUE.
func pairs(m map[string]any, s *setting) ([]string, error) {
	var all []string
	for key, v := range m {
		secret, err := scalar(v, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		if strings.Contains(key, "=") {
			return nil, fmt.Errorf("%q: a name with = cannot be given here", key)
		}
		all = append(all, key+"="+secret)
	}
	return all, nil
}

// scalar returns a single value of a file as text.
func scalar(v any, s *setting) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case bool, int, int64, uint64, float64:
		// YAML reads 0123 as 83 and 1_0 as 10: nobody would find out why a secret is wrong.
		if s.secret {
			return "", errors.New("is not text: put it in quotes")
		}
		return fmt.Sprint(v), nil
	}
	return "", errors.New("want one value")
}

// fieldName matches names of fields of server.Config that have two words or more.
var fieldName = regexp.MustCompile(`\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b`)

// asFlags rewords an error of server.Config, which names its fields, for people who know flags.
func asFlags(err error) error {
	flags := map[string]string{"EmitSecret": "--" + nameSecret} // fields that are not called like their flags
	for _, s := range settings() {
		field := ""
		for word := range strings.SplitSeq(s.name, "-") {
			field += strings.ToUpper(word[:1]) + word[1:]
		}
		flags[field] = "--" + s.name
	}
	return errors.New(fieldName.ReplaceAllStringFunc(withoutPackage(err).Error(), func(field string) string {
		if flag, ok := flags[field]; ok {
			return flag
		}
		return field
	}))
}
