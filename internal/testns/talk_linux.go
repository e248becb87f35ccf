package testns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"syscall"
	"time"
)

// resendAfter is how long a request over UDP waits for its answer before it is sent again.
const resendAfter = time.Second

// maxTooBig is how often one request may turn out to be too big for the path: once for each smaller MTU on the way, and some.
const maxTooBig = 4

// A Talk is what came of round trips. It is a plain value.
type Talk struct {
	Messages int            // answered
	Resent   int            // UDP: requests sent again: no answer came within a second, or the path's MTU was smaller
	Peer     netip.AddrPort // where the last request came from, as the server saw it: behind SNAT the translated address
	TTL      int            // TTL or hop limit of the last request as the server received it; UDP only, 0 for TCP
}

// RoundTrip sends n messages of size bytes, each when the one before was answered, and checks every answer. The size counts the
// payload of TCP or UDP and is at least MinSize; smaller is raised. UDP messages over the MTU travel in fragments.
func (f *Flow) RoundTrip(ctx context.Context, n, size int) (Talk, error) {
	ctx, end, err := f.begin(ctx)
	if err != nil {
		return Talk{}, err
	}
	defer end()
	size = max(size, MinSize)
	var talk Talk
	for range n {
		f.seq++
		h, resent, err := f.echo(ctx, content(header{op: opEcho, size: uint64(size), seq: f.seq}, size))
		talk.Resent += resent
		if err != nil {
			return talk, f.fail(ctx, fmt.Sprintf("round trip %d of %d with %d bytes", talk.Messages+1, n, size), err)
		}
		talk.Messages++
		talk.Peer, talk.TTL = h.peer, int(h.ttl)
	}
	return talk, nil
}

// echo sends one message and waits for it to come back.
func (f *Flow) echo(ctx context.Context, msg []byte) (h header, resent int, err error) {
	if f.udp != nil {
		return f.askUDP(ctx, msg)
	}
	h, err = f.exchangeTCP(f.seq, uint64(len(msg)), msg)
	return h, 0, err
}

// exchangeTCP sends a message, given whole or only by its size, and reads its echo meanwhile: both may be larger than all buffers.
func (f *Flow) exchangeTCP(seq, size uint64, msg []byte) (header, error) {
	sent := make(chan error, 1)
	send := func() {
		if msg != nil {
			_, err := f.tcp.Write(msg)
			sent <- err
			return
		}
		_, err := f.tcp.Write(content(header{op: opEcho, size: size, seq: seq}, MinSize))
		if err == nil {
			_, err = writeContent(f.tcp, seq, size-MinSize)
		}
		sent <- err
	}
	if len(msg) > 0 && len(msg) <= chunk {
		send() // fits the buffers
	} else {
		go send()
	}
	h, err := f.answerTCP(seq)
	if err == nil {
		_, err = readContent(f.tcp, seq, size-MinSize)
	}
	if err != nil {
		// Wake the sender; the stream is lost anyway.
		_ = f.tcp.SetDeadline(time.Unix(1, 0))
		<-sent
		return h, err
	}
	return h, <-sent
}

// answerTCP reads the header of the answer to request seq.
func (f *Flow) answerTCP(seq uint64) (header, error) {
	buf := make([]byte, MinSize)
	if _, err := io.ReadFull(f.tcp, buf); err != nil {
		return header{}, err
	}
	h, err := parseHeader(buf)
	if err == nil && h.seq != seq {
		err = fmt.Errorf("%w: answer %d to request %d", errGarbled, h.seq, seq)
	}
	return h, err
}

// askUDP sends a request until its answer comes. When a router said that a packet is too big, the kernel has learnt the path's MTU
// and cuts the next one.
func (f *Flow) askUDP(ctx context.Context, msg []byte) (h header, resent int, err error) {
	want, err := parseHeader(msg)
	if err != nil {
		return header{}, 0, err
	}
	for tooBig := 0; ; resent++ {
		_, err := f.udp.Write(msg)
		size := 0
		if err == nil {
			h, size, err = f.receiveUDP(ctx, want.seq)
		}
		if errors.Is(err, syscall.EMSGSIZE) && tooBig < maxTooBig {
			tooBig++
			continue
		}
		if isTimeout(err) && !expired(ctx) {
			continue
		}
		if err == nil && size != len(msg) {
			err = fmt.Errorf("%w: %d bytes came back of %d", errGarbled, size, len(msg))
		}
		return h, resent, err
	}
}

// receiveUDP reads an answer to request seq and checks it; late ones to earlier requests are skipped. It waits as long as a request
// waits before it is sent again.
func (f *Flow) receiveUDP(ctx context.Context, seq uint64) (h header, size int, err error) {
	until := time.Now().Add(resendAfter)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	_ = f.udp.SetReadDeadline(until)
	for ctx.Err() == nil { // asked after the deadline was set: a cancellation overtakes it
		n, err := f.udp.Read(f.buf)
		if err != nil {
			return header{}, 0, err
		}
		h, err := parseHeader(f.buf[:n])
		if err != nil {
			return h, n, err
		}
		if h.seq != seq {
			continue
		}
		if good := goodBytes(f.buf[MinSize:n], seq, 0); MinSize+good != n {
			return h, n, fmt.Errorf("%w: byte %d of %d is wrong", errGarbled, MinSize+good, n)
		}
		return h, n, nil
	}
	return header{}, 0, ctx.Err()
}
