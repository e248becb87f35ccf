package flowtable

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
