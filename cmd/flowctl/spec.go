package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A usageError is a mistake of the caller: wrong arguments or an invalid spec. It leads to exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func isUsage(err error) bool {
	var usage usageError
	return errors.As(err, &usage)
}

// readSpec reads and validates a SPEC from a file, or from standard input when it is called "-".
func readSpec(std *streams, name string) (*ruleset.Spec, error) {
	file, label, err := open(std, name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	spec, err := ruleset.Parse(file)
	if syntax := (*ruleset.ParseError)(nil); err != nil && !errors.As(err, &syntax) {
		return nil, inFile(label, err) // it could not be read
	}
	if err == nil {
		err = spec.Validate()
	}
	if err != nil {
		return nil, usageError{inFile(label, err)}
	}
	return spec, nil
}

// readTarget reads the JSON form of a flowtable.Target; "" is the machine of which nothing is known.
func readTarget(name string) (*flowtable.Target, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the target: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	target := &flowtable.Target{}
	err = decoder.Decode(target)
	if err == nil {
		if _, more := decoder.Token(); more != io.EOF {
			err = errors.New("there is more behind the object")
		}
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("target %s: %w; write one with: flowctl probe --json", name, err)}
	}
	if err := target.Validate(); err != nil {
		return nil, usageError{inFile("target "+name, err)}
	}
	return target, nil
}

// open gives a SPEC's bytes and the name that messages use for it.
func open(streams *streams, name string) (io.ReadCloser, string, error) {
	if name == "-" {
		return io.NopCloser(streams.in), "standard input", nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, name, fmt.Errorf("read the spec: %w", err)
	}
	return file, name, nil
}

// inFile puts a file's name before each of the joined errors.
func inFile(name string, err error) error {
	var all []error
	for _, e := range split(err) {
		all = append(all, fmt.Errorf("%s: %w", name, e))
	}
	return errors.Join(all...)
}

// split takes errors.Join apart, and nothing else that wraps several errors: their texts alone would lose what is around them.
func split(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if ok && errors.Join(joined.Unwrap()...).Error() == err.Error() {
		return joined.Unwrap()
	}
	return []error{err}
}

// mistakes is one line for each of the joined errors.
func mistakes(err error) []string {
	var usage usageError
	if errors.As(err, &usage) {
		err = usage.error
	}
	var lines []string
	for _, e := range split(err) {
		lines = append(lines, e.Error())
	}
	return lines
}
