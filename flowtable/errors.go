package flowtable

import (
	"errors"
	"fmt"
)

// A FieldError is one mistake in a Spec or a Target, with the path to it in the JSON form: tables[0].flowtables[1].devices[2].
// Safe for concurrent reading.
type FieldError struct {
	Path string
	Err  error
}

// Error is the path, a colon, and what is wrong with the next step.
func (e *FieldError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *FieldError) Unwrap() error { return e.Err }

// maxTold is how many mistakes of one list are reported: one that a program wrote can be wrong in every line.
const maxTold = 100

// Shorten keeps the first hundred of the mistakes from index from on, which are *FieldErrors of one list. If there
// are more, one further *FieldError, at the first that is left out, says how many there are.
func Shorten(mistakes []error, from int) []error {
	left := from + maxTold
	if len(mistakes) <= left {
		return mistakes
	}
	var first *FieldError
	errors.As(mistakes[left], &first)
	count := fmt.Errorf("the list has %d mistakes, of which the first %d are told; correct those first", len(mistakes)-from, maxTold)
	clear(mistakes[left:])
	return append(mistakes[:left], &FieldError{Path: first.Path, Err: count})
}
