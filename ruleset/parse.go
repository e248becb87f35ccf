package ruleset

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/strictjson"
)

// A ParseError is the first mistake in the JSON form of a Spec, with its place in the text, both counted from 1; the column is
// in characters. Err is a *flowtable.FieldError if the text is JSON but not that of a Spec. Safe for concurrent reading.
type ParseError struct {
	Line, Column int
	Err          error
}

// Error is the place, a colon, and what is wrong.
func (e *ParseError) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
}

// Unwrap gives the cause.
func (e *ParseError) Unwrap() error { return e.Err }

// Parse reads the JSON form of a Spec: one object, and nothing behind it. It is strict: unknown fields, fields given twice and
// values of the wrong type are refused at every level. Its errors are *ParseError, or those of r. It does not validate: see
// Spec.Validate.
func Parse(r io.Reader) (*Spec, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read the ruleset: %w", err)
	}
	var spec Spec
	if err := strictjson.Decode(data, &spec); err != nil {
		return nil, parseError(data, err)
	}
	return &spec, nil
}

// parseError puts a mistake at its place in the text.
func parseError(data []byte, err error) error {
	var m *strictjson.Mistake
	if !errors.As(err, &m) {
		return err
	}
	if m.Offset == 0 && len(bytes.TrimSpace(data)) == 0 {
		err = errors.New(`the input is empty; write an object such as {"tables": []}`)
	} else if err = m.Err; m.Path != "" {
		err = &flowtable.FieldError{Path: m.Path, Err: m.Err}
	}
	before := data[:max(0, min(m.Offset, len(data)))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return &ParseError{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: utf8.RuneCount(before[start:]) + 1,
		Err:    err,
	}
}
