package testns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// MinSize is the size of the header that every message begins with, in bytes: the smallest message.
const MinSize = 40

// What a message asks of the server.
const (
	opEcho   byte = 1 // send the message back
	opSink   byte = 2 // swallow it; over TCP, answer with the number of good bytes
	opSource byte = 3 // send as much, over UDP in datagrams
	opCount  byte = 4 // UDP: answer with the number of good bytes swallowed so far
)

var magic = [4]byte{'f', 'p', 'n', 's'}

// A header begins every message, in both directions. Its answer has the same size, with what the server saw filled in.
type header struct {
	op   byte
	ttl  byte           // answer: TTL or hop limit of the request as received; 0 is unknown
	peer netip.AddrPort // answer: where the request came from
	size uint64         // of the whole message in bytes, or what the operation says
	seq  uint64         // seeds the content
}

// put writes h to the first MinSize bytes of b.
func (h header) put(b []byte) {
	copy(b, magic[:])
	b[4], b[5] = h.op, h.ttl
	binary.BigEndian.PutUint16(b[6:], h.peer.Port())
	var addr [16]byte
	if h.peer.IsValid() {
		addr = h.peer.Addr().As16()
	}
	copy(b[8:], addr[:])
	binary.BigEndian.PutUint64(b[24:], h.size)
	binary.BigEndian.PutUint64(b[32:], h.seq)
}

var errGarbled = errors.New("testns: the message is garbled")

func parseHeader(b []byte) (header, error) {
	if len(b) < MinSize || [4]byte(b[:4]) != magic {
		return header{}, fmt.Errorf("%w: no header in %d bytes", errGarbled, len(b))
	}
	addr := netip.AddrFrom16([16]byte(b[8:24])).Unmap()
	return header{
		op: b[4], ttl: b[5],
		peer: netip.AddrPortFrom(addr, binary.BigEndian.Uint16(b[6:])),
		size: binary.BigEndian.Uint64(b[24:]),
		seq:  binary.BigEndian.Uint64(b[32:]),
	}, nil
}

// contentByte is byte i of the content that seq seeds.
func contentByte(seq, i uint64) byte { return byte(seq + i*7 + i>>8) }

// content is a message of the given size: its header, then what its seq seeds.
func content(h header, size int) []byte {
	b := make([]byte, size)
	h.put(b)
	fillContent(b[MinSize:], h.seq, 0)
	return b
}

func fillContent(b []byte, seq, offset uint64) {
	for i := range b {
		b[i] = contentByte(seq, offset+uint64(i))
	}
}

// goodBytes is how many bytes from the start are as seq seeds them.
func goodBytes(b []byte, seq, offset uint64) int {
	for i, c := range b {
		if c != contentByte(seq, offset+uint64(i)) {
			return i
		}
	}
	return len(b)
}

// chunk is how much of a stream is made or checked at once.
const chunk = 32 << 10

// writeContent writes size bytes of content and returns how many went out.
func writeContent(w io.Writer, seq, size uint64) (uint64, error) {
	buf := make([]byte, chunk)
	for done := uint64(0); done < size; {
		part := buf[:min(chunk, size-done)]
		fillContent(part, seq, done)
		n, err := w.Write(part)
		done += uint64(n)
		if err != nil {
			return done, err
		}
	}
	return size, nil
}

// readContent reads size bytes of content, checks them, and returns how many were good.
func readContent(r io.Reader, seq, size uint64) (uint64, error) {
	buf := make([]byte, chunk)
	for done := uint64(0); done < size; {
		n, err := r.Read(buf[:min(chunk, size-done)])
		good := goodBytes(buf[:n], seq, done)
		done += uint64(good)
		if good < n {
			return done, fmt.Errorf("%w: byte %d of %d is wrong", errGarbled, done, size)
		}
		if err != nil && done < size {
			return done, err
		}
	}
	return size, nil
}
