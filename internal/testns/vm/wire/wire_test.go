package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFramesRoundTrip(t *testing.T) {
	b := Append(nil, Frame{Kind: Stdout, Job: 3, Payload: []byte("a line\n")})
	b = Append(b, Frame{Kind: Start, Job: 70000})
	b, err := AppendJSON(b, Exit, 3, ExitStatus{Code: 2, Seconds: 1.5})
	require.NoError(t, err)

	r := bytes.NewReader(b)
	f, err := Read(r)
	require.NoError(t, err)
	require.Equal(t, Frame{Kind: Stdout, Job: 3, Payload: []byte("a line\n")}, f)
	f, err = Read(r)
	require.NoError(t, err)
	require.Equal(t, Frame{Kind: Start, Job: 70000, Payload: []byte{}}, f)
	f, err = Read(r)
	require.NoError(t, err)
	var s ExitStatus
	require.NoError(t, json.Unmarshal(f.Payload, &s))
	require.Equal(t, ExitStatus{Code: 2, Seconds: 1.5}, s)
	_, err = Read(r)
	require.Equal(t, io.EOF, err)
}

func TestReadTellsACutFrameFromTheEnd(t *testing.T) {
	b := Append(nil, Frame{Kind: Stdout, Payload: []byte("half")})
	_, err := Read(bytes.NewReader(b[:len(b)-2]))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = Read(bytes.NewReader(b[:4]))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestReadRefusesAbsurdLengths(t *testing.T) {
	_, err := Read(bytes.NewReader([]byte{'o', 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}))
	require.ErrorContains(t, err, "longer than")
}
