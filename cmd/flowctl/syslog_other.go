//go:build !unix

package main

import (
	"errors"
	"io"
)

func systemLog() (io.WriteCloser, error) { return nil, errors.ErrUnsupported }
