// Package strictjson decodes JSON documents and takes nothing that it does not know: unknown fields, fields given twice, and
// values of the wrong type are mistakes, each with its place and its path.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// A Mistake is the first one in a document.
type Mistake struct {
	Offset int    // of its byte in the text
	Path   string // "tables[0].name"; "" if it is about the whole document
	Err    error
}

// Error is the path and what is wrong.
func (m *Mistake) Error() string {
	if m.Path == "" {
		return m.Err.Error()
	}
	return m.Path + ": " + m.Err.Error()
}

// Unwrap gives the cause.
func (m *Mistake) Unwrap() error { return m.Err }

func mistake(offset int, path string, err error) error {
	return &Mistake{Offset: offset, Path: path, Err: err}
}

// Decode reads one document, in UTF-8 and with nothing behind it, into what the pointer points at. No type in it may have methods
// for JSON. Its error is a *Mistake.
func Decode(data []byte, into any) error {
	if err := checkSyntax(data); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	r := reader{data: data, tokens: d}
	if err := r.check("", reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return mistake(0, "", err)
	}
	return nil
}

// checkSyntax refuses what is not one JSON document in UTF-8.
func checkSyntax(data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return mistake(0, "", errors.New("the input is empty"))
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return mistake(i, "", errors.New("this byte is not UTF-8; save the file as UTF-8"))
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
		return mistake(int(syntax.Offset)-1, "", fmt.Errorf("this is not JSON: %w", err))
	}
	return mistake(0, "", err)
}
