package conntrack

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// RestoreLedger reads what Ledger.Save wrote, to its very end, and goes on from there with the first stream that is booked; the key function
// is NewLedger's. It needs no memory but the ledger's. An error says what is wrong with the file, and where; one that
// ends too early matches io.ErrUnexpectedEOF.
func RestoreLedger[K comparable](r io.Reader, key func(Entry) (K, bool)) (*Ledger[K], error) {
	l := NewLedger(key)
	in := ledgerReader{in: bufio.NewReaderSize(r, 1<<16), sum: crc32.New(crc32.MakeTable(crc32.Castagnoli))}
	if err := l.restore(&in); err != nil {
		return nil, fmt.Errorf("conntrack: restore the ledger: %w", err)
	}
	return l, nil
}

func (l *Ledger[K]) restore(in *ledgerReader) error {
	if err := in.header(); err != nil {
		return err
	}
	var b [8]byte
	if err := in.read(b[:], "its numbers"); err != nil {
		return err
	}
	accounts, flows := binary.BigEndian.Uint32(b[:]), binary.BigEndian.Uint32(b[4:])
	for i := range accounts {
		if err := l.accounts.restore(in); err != nil {
			return fmt.Errorf("account %d of %d: %w", i+1, accounts, err)
		}
	}
	for i := range flows {
		if err := l.restoreFlow(in); err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, flows, err)
		}
	}
	l.flows.countOver()
	return in.end()
}

func (a *accounts[K]) restore(in *ledgerReader) error {
	var b [savedAccountSize]byte
	if err := in.read(b[:], "an account"); err != nil {
		return err
	}
	account, size, err := parseAccount(&b)
	if err != nil {
		return err
	}
	text := make([]byte, size)
	if err := in.read(text, "a key"); err != nil {
		return err
	}
	key, err := decodeKey[K](text)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if _, twice := a.byKey[key]; twice {
		return fmt.Errorf("the key %s is there twice", text)
	}
	*a.at(a.number(key)) = account
	return nil
}

// parseAccount returns the length of the key too.
func parseAccount(b *[savedAccountSize]byte) (Account, uint32, error) {
	var n [7]uint64
	for i := range n {
		n[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	flags, size := b[56], binary.BigEndian.Uint32(b[57:])
	a := Account{
		Flows: n[0], Lost: n[1], Uncounted: n[2],
		Sent:     Counters{n[3], n[4], flags&savedSent != 0},
		Received: Counters{n[5], n[6], flags&savedReceived != 0},
	}
	switch {
	case flags&^(savedSent|savedReceived) != 0:
		return a, 0, fmt.Errorf("unknown flags %#x", flags)
	case !a.Sent.OK && n[3]|n[4] != 0, !a.Received.OK && n[5]|n[6] != 0:
		return a, 0, errors.New("it has counts and says that it has none")
	case size > savedKeyMost:
		return a, 0, fmt.Errorf("a key of %d bytes; %d is the most", size, savedKeyMost)
	}
	return a, size, nil
}

func (l *Ledger[K]) restoreFlow(in *ledgerReader) error {
	if err := in.read(in.flow[:], "a connection"); err != nil {
		return err
	}
	saved, err := parseFlow(&in.flow)
	if err != nil {
		return err
	}
	if saved.account > uint32(len(l.accounts.slots)) {
		return fmt.Errorf("account %d of %d", saved.account, len(l.accounts.slots))
	}
	if l.flows.get(&saved.key) != nil {
		return errors.New("it is there twice")
	}
	f := l.flows.add(&saved.key)
	saved.node = f.node
	*f = saved
	if f.account != 0 {
		l.accounts.at(f.account).Live++
	}
	return nil
}

func parseFlow(b *[savedFlowSize]byte) (ledgerFlow, error) {
	flags := ledgerFlags(b[savedFlowSize-1])
	f := ledgerFlow{
		sent:     tally{binary.BigEndian.Uint64(b[0:]), binary.BigEndian.Uint64(b[8:])},
		received: tally{binary.BigEndian.Uint64(b[16:]), binary.BigEndian.Uint64(b[24:])},
		account:  binary.BigEndian.Uint32(b[32:]),
		stamp:    binary.BigEndian.Uint32(b[36:]),
		node:     node{key: packedKey(b[40 : savedFlowSize-1])},
		flags:    flags,
	}
	switch {
	case flags&^savedFlags != 0:
		return f, fmt.Errorf("unknown flags %#x", flags)
	case !f.has(ledgerSent) && f.sent != tally{}, !f.has(ledgerReceived) && f.received != tally{}:
		return f, errors.New("it has counts and says that it has none")
	case f.has(ledgerOver) && (f.account != 0 || f.has(ledgerWasOver)):
		return f, errors.New("it is over and says that it is live")
	}
	return f, nil
}

// A ledgerReader reads a saved ledger and sums it up.
type ledgerReader struct {
	in   *bufio.Reader
	sum  hash.Hash32
	flow [savedFlowSize]byte // here, for on the stack it would move to the heap once for each
}

func (r *ledgerReader) read(b []byte, what string) error {
	_, err := io.ReadFull(r.in, b)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", what, err)
	}
	r.sum.Write(b)
	return nil
}

func (r *ledgerReader) header() error {
	head := make([]byte, len(ledgerHeader))
	if err := r.read(head, "its first line"); err != nil {
		return err
	}
	switch magic := string(head[:len(ledgerMagic)]); {
	case magic != ledgerMagic:
		return fmt.Errorf("it begins with %q: this is no ledger", head)
	case string(head) != ledgerHeader:
		return fmt.Errorf("it begins with %q: another version than %s, which is all that this program reads", head, ledgerVersion)
	}
	return nil
}

// end reads the checksum, behind which nothing may follow.
func (r *ledgerReader) end() error {
	want := r.sum.Sum32()
	var b [4]byte
	if err := r.read(b[:], "the checksum"); err != nil {
		return err
	}
	if found := binary.BigEndian.Uint32(b[:]); found != want {
		return fmt.Errorf("its checksum is %08x and not %08x: it was damaged", want, found)
	}
	switch _, err := r.in.ReadByte(); {
	case err == nil:
		return errors.New("something follows its end")
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("read its end: %w", err)
	}
	return nil
}
