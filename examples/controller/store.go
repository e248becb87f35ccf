//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A folder stands in for the API server: an object is a file NAME.json, and its status the file status/NAME.json. Safe for
// concurrent use.
type folder struct{ path string }

const (
	suffix       = ".json"
	statusFolder = "status"
)

// openFolder makes room for statuses.
func openFolder(path string) (folder, error) {
	if err := os.MkdirAll(filepath.Join(path, statusFolder), 0o755); err != nil {
		return folder{}, fmt.Errorf("make the folder of statuses: %w", err)
	}
	return folder{path}, nil
}

// names are those of all objects, and of objects that are gone while their status is still there.
func (f folder) names() ([]string, error) {
	var all []string
	for _, dir := range []string{f.path, filepath.Join(f.path, statusFolder)} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("list objects: %w", err)
		}
		for _, e := range entries {
			if name, ok := nameOf(e.Name()); ok && !e.IsDir() {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// nameOf is the object that a file holds; files that begin with a dot are being written.
func nameOf(file string) (string, bool) {
	name, ok := strings.CutSuffix(file, suffix)
	return name, ok && name != "" && !strings.HasPrefix(name, ".")
}

// An invalidError is a mistake in an object: trying again does not help, another version of it does.
type invalidError struct{ error }

func (e invalidError) Unwrap() error { return e.error }

// get reads an object. The error matches fs.ErrNotExist where it is gone, and is an invalidError where it cannot be understood.
func (f folder) get(name string) (*Object, error) {
	text, err := os.ReadFile(filepath.Join(f.path, name+suffix))
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	var o Object
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		return nil, invalidError{fmt.Errorf("object %s: %w", name, err)}
	}
	switch _, err := decoder.Token(); {
	case err != io.EOF:
		return nil, invalidError{fmt.Errorf("object %s: there is more behind it", name)}
	case o.APIVersion != apiVersion || o.Kind != kind:
		return nil, invalidError{fmt.Errorf("object %s: it is %s %s, not %s %s", name, o.APIVersion, o.Kind, apiVersion, kind)}
	case o.Metadata.Name != name:
		return nil, invalidError{fmt.Errorf("object %s: metadata.name is %q; it has to be that of the file", name, o.Metadata.Name)}
	}
	return &o, nil
}

// status reads what became of an object; the zero Observed where nothing did yet.
func (f folder) status(name string) (Observed, error) {
	var o Observed
	text, err := os.ReadFile(f.statusFile(name))
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil {
		return o, fmt.Errorf("read status: %w", err)
	}
	return o, nil
}

// setStatus writes it, unless it says nothing new, so that a reader sees the earlier or the later one.
func (f folder) setStatus(name string, o Observed) error {
	text, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	text = append(text, '\n')
	if was, err := os.ReadFile(f.statusFile(name)); err == nil && bytes.Equal(was, text) {
		return nil
	}
	unfinished := filepath.Join(f.path, statusFolder, "."+name)
	if err = os.WriteFile(unfinished, text, 0o644); err == nil {
		err = os.Rename(unfinished, f.statusFile(name))
	}
	if err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	return nil
}

// forget removes the status of an object that is gone.
func (f folder) forget(name string) error {
	if err := os.Remove(f.statusFile(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove status: %w", err)
	}
	return nil
}

func (f folder) statusFile(name string) string {
	return filepath.Join(f.path, statusFolder, name+suffix)
}
