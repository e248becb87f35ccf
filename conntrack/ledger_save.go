package conntrack

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"reflect"
)

// A saved ledger is a line of text, the numbers of accounts and flows, the accounts, the flows, and the CRC-32C (Castagnoli) of all
// that; numbers are big-endian, but for those in a packedKey:
//
//	"fastpath ledger 1\n", accounts uint32, flows uint32
//	account: flows, lost, uncounted, sent packets and bytes, received packets and bytes, all uint64; flags (1 sent is known, 2 received is);
//	         length of the key uint32, the key as encoding/json writes it
//	flow:    sent packets and bytes, received packets and bytes, all uint64; account uint32, counted from 1, 0 is none; stamp uint32;
//	         packedKey [46]byte; flags, see savedFlags
const (
	ledgerMagic      = "fastpath ledger "
	ledgerVersion    = "1"
	ledgerHeader     = ledgerMagic + ledgerVersion + "\n"
	savedAccountSize = 7*8 + 1 + 4
	savedFlowSize    = 4*8 + 2*4 + len(packedKey{}) + 1
	savedKeyMost     = 1 << 16 // bytes of an account's key
)

// savedFlags are those that outlive a stream. They are the file's format.
const savedFlags = ledgerOver | ledgerWasOver | ledgerSent | ledgerReceived

const (
	savedSent     = 1 << 0
	savedReceived = 1 << 1
)

// Save writes the ledger: accounts, and what was booked of each connection, 87 bytes each. K must be read by encoding/json as it was written; an
// error names the key that is not. The form is binary, with a version and a checksum, because Add waits meanwhile: a million connections
// take about a tenth of a second and the writer's time, and no memory. The kernel queues notifications until then; see Config.ReadBuffer.
//
// A crash in the middle leaves half a file, which Restore refuses: write to a new file beside the old one (os.CreateTemp), sync, and rename.
//
// What is booked after the last Save is not lost with the program, except for connections that end before the next stream begins.
func (l *Ledger[K]) Save(w io.Writer) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	if err := l.save(out); err != nil {
		return err
	}
	if err := out.Flush(); err != nil {
		return saveError(err)
	}
	if _, err := w.Write(sum.Sum(nil)); err != nil {
		return saveError(err)
	}
	return nil
}

func saveError(err error) error { return fmt.Errorf("conntrack: save the ledger: %w", err) }

// save writes all but the checksum.
func (l *Ledger[K]) save(out *bufio.Writer) error {
	head := binary.BigEndian.AppendUint32([]byte(ledgerHeader), uint32(len(l.accounts.byKey)))
	if _, err := out.Write(binary.BigEndian.AppendUint32(head, uint32(l.flows.count))); err != nil {
		return saveError(err)
	}
	renumbered, err := l.accounts.save(out)
	if err != nil {
		return saveError(err)
	}
	var b [savedFlowSize]byte
	for _, f := range l.flows.from(0) {
		f.save(&b, renumbered[f.account])
		if _, err := out.Write(b[:]); err != nil {
			return saveError(err)
		}
	}
	return nil
}

// save returns the number in the file of each account.
func (a *accounts[K]) save(out *bufio.Writer) ([]uint32, error) {
	renumbered := make([]uint32, len(a.slots)+1)
	var b []byte
	last := uint32(0)
	for i := range a.slots {
		s := &a.slots[i]
		if a.byKey[s.key] != uint32(i+1) {
			continue // closed
		}
		last++
		renumbered[i+1] = last
		key, err := encodeKey(s.key)
		if err != nil {
			return nil, err
		}
		b = append(s.appendSaved(b[:0], len(key)), key...)
		if _, err := out.Write(b); err != nil {
			return nil, err
		}
	}
	return renumbered, nil
}

func (a *Account) appendSaved(b []byte, key int) []byte {
	for _, n := range [...]uint64{a.Flows, a.Lost, a.Uncounted, a.Sent.Packets, a.Sent.Bytes, a.Received.Packets, a.Received.Bytes} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	var flags byte
	if a.Sent.OK {
		flags |= savedSent
	}
	if a.Received.OK {
		flags |= savedReceived
	}
	return binary.BigEndian.AppendUint32(append(b, flags), uint32(key))
}

func (f *ledgerFlow) save(b *[savedFlowSize]byte, account uint32) {
	for i, n := range [...]uint64{f.sent.packets, f.sent.bytes, f.received.packets, f.received.bytes} {
		binary.BigEndian.PutUint64(b[8*i:], n)
	}
	binary.BigEndian.PutUint32(b[32:], account)
	binary.BigEndian.PutUint32(b[36:], f.stamp)
	copy(b[40:], f.key[:])
	b[savedFlowSize-1] = byte(f.flags & savedFlags)
}

// encodeKey is k as JSON, from which decodeKey makes the same.
func encodeKey[K comparable](k K) ([]byte, error) {
	text, err := json.Marshal(k)
	if err != nil {
		return nil, fmt.Errorf("key %v: %w", k, err)
	}
	if again, err := decodeKey[K](text); err != nil || again != k || len(text) > savedKeyMost {
		return nil, fmt.Errorf("key %v (%T) is %.100s in JSON, which does not read back as the same key, or is longer than %d bytes: choose another type",
			k, k, text, savedKeyMost)
	}
	return text, nil
}

// decodeKey takes only what encodeKey writes: encoding/json alone passes over much.
func decodeKey[K comparable](text []byte) (k K, err error) {
	if err := json.Unmarshal(text, &k); err != nil {
		return k, err
	}
	if again, err := json.Marshal(k); err != nil || string(again) != string(text) || !reflect.ValueOf(&k).Elem().Comparable() {
		return k, fmt.Errorf("%.100s is no %T as it was saved", text, k)
	}
	return k, nil
}
