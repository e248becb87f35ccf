package ruleset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"unicode/utf8"

	"github.com/go-fastpath/fastpath/flowtable"
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
	if err := checkSyntax(data); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	s := strictReader{data: data, tokens: d}
	if err := s.check("", reflect.TypeFor[Spec]()); err != nil {
		return nil, err
	}
	var spec Spec
	if err := json.Unmarshal(data, &spec); err != nil {
		return nil, parseError(data, 0, err)
	}
	return &spec, nil
}

// checkSyntax refuses what is not one JSON document in UTF-8.
func checkSyntax(data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return parseError(data, 0, errors.New(`the input is empty; write an object such as {"tables": []}`))
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return parseError(data, i, errors.New("this byte is not UTF-8; save the file as UTF-8"))
		}
		i += size
	}
	var document json.RawMessage
	err := json.Unmarshal(data, &document)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return parseError(data, int(syntax.Offset)-1, fmt.Errorf("this is not JSON: %w", err))
	}
	return parseError(data, 0, err)
}

// parseError puts an error at a byte of the text.
func parseError(data []byte, offset int, err error) error {
	before := data[:max(0, min(offset, len(data)))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return &ParseError{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: utf8.RuneCount(before[start:]) + 1,
		Err:    err,
	}
}

// fieldError is a ParseError about a field, or about the whole document if path is "".
func fieldError(data []byte, offset int, path string, err error) error {
	if path != "" {
		err = &flowtable.FieldError{Path: path, Err: err}
	}
	return parseError(data, offset, err)
}
