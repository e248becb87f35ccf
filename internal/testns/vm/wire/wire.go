// Package wire is what the micro VM and its host say to each other: a job file
// that travels in the initramfs, and frames that come back over one virtio port.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
)

// PortName is the name of the virtio-serial port that carries the frames.
const PortName = "fastpath"

// JobFile is the path of the JSON encoded Work inside the guest.
const JobFile = "/work.json"

// OutDir is the directory inside the guest whose files are sent to the host at
// the end. Programs find it in $FASTPATH_OUT.
const OutDir = "/out"

// Work is all that one boot has to do. It is inert data, safe to read from
// several goroutines as long as nobody writes it.
type Work struct {
	Modules []string // kernel modules to load, in order, as guest paths; "path param=value" passes parameters
	Jobs    []Job    // run one after the other
}

// Job is one program to run in the guest. It is inert data like Work.
type Job struct {
	Name    string   // for messages
	Dir     string   // working directory in the guest
	Argv    []string // Argv[0] is an absolute guest path
	Env     []string // added to the guest's own small environment
	Seconds int      // the program is killed after this time
	Merge   bool     // send standard error as if it were standard output
}

// Kind says what a frame carries.
type Kind byte

// The kinds of frames.
const (
	Hello  Kind = 'h' // JSON encoded Greeting: the modules are loaded, jobs follow
	Start  Kind = 's' // job begins
	Stdout Kind = 'o' // bytes of the job's standard output
	Stderr Kind = 'e' // bytes of the job's standard error
	Exit   Kind = 'x' // JSON encoded ExitStatus of the job
	Tar    Kind = 't' // bytes of a tar archive of OutDir
	Done   Kind = 'd' // all jobs ended, all files were sent

	Trouble Kind = '!' // text: the guest could not do its work; nothing follows
)

// Greeting is the payload of a Hello frame.
type Greeting struct {
	Release string  // uname -r
	Version string  // uname -v
	Uptime  float64 // seconds since the kernel started
}

// ExitStatus is the payload of an Exit frame.
type ExitStatus struct {
	Code    int     // exit status, 128+n for signal n, 124 after a timeout
	Seconds float64 // run time
	Err     string  // why the program could not be run, else empty
}

// Frame is one message from the guest. Its payload belongs to the receiver.
type Frame struct {
	Kind    Kind
	Job     int // index in Work.Jobs, 0 where it means nothing
	Payload []byte
}

const (
	headerLen  = 9
	maxPayload = 1 << 20
)

// Append appends the frame's bytes to b.
func Append(b []byte, f Frame) []byte {
	b = append(b, byte(f.Kind))
	b = binary.BigEndian.AppendUint32(b, uint32(f.Job))
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.Payload)))
	return append(b, f.Payload...)
}

// AppendJSON appends a frame whose payload is v as JSON.
func AppendJSON(b []byte, kind Kind, job int, v any) ([]byte, error) {
	p, err := json.Marshal(v)
	if err != nil {
		return b, err
	}
	return Append(b, Frame{Kind: kind, Job: job, Payload: p}), nil
}

// Read reads one frame. It returns io.EOF only between two frames.
func Read(r io.Reader) (Frame, error) {
	var h [headerLen]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return Frame{}, err
	}
	n := binary.BigEndian.Uint32(h[5:])
	if n > maxPayload {
		return Frame{}, fmt.Errorf("frame %q of %d bytes: longer than %d", h[0], n, maxPayload)
	}
	f := Frame{Kind: Kind(h[0]), Job: int(binary.BigEndian.Uint32(h[1:])), Payload: make([]byte, n)}
	if _, err := io.ReadFull(r, f.Payload); err != nil {
		return Frame{}, fmt.Errorf("frame %q cut off: %w", h[0], err)
	}
	return f, nil
}
