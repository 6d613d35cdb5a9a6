package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// reserved names are those of other things: two pages, and the room that tells of new files.
var reserved = []string{"_list", "_secret", "_rescan"}

// folder is the path of a folder, and what is served of it: the regular files that stand in it. Not its subfolders, not what a symbolic
// link points to, no names that begin with a dot or are not UTF-8 (which JSON and a URL could not tell). os.Root keeps every way inside,
// even one that is made between the look at a file and its opening; it is opened for each call, as Linux does not tell that a folder is
// gone while somebody has it open.
type folder string

// served reports whether a file of that name could be one of those that are served.
func served(name string) bool {
	return filepath.Base(name) == name && !strings.HasPrefix(name, ".") && utf8.ValidString(name) && !slices.Contains(reserved, name)
}

// list returns the names of the files in order; an empty folder has an empty list, not nil.
func (f folder) list() ([]string, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, e := range entries {
		if e.Type().IsRegular() && served(e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// open opens a file for reading; the caller closes it. The error is fs.ErrNotExist for whatever is not served.
func (f folder) open(name string) (*os.File, error) {
	if !served(name) {
		return nil, fs.ErrNotExist
	}
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a named pipe would block
		return nil, fs.ErrNotExist
	}
	return root.Open(name)
}
