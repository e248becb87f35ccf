package runlock

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// FuzzRead reads any table as a lock: it names a process that can be, and an owner only where the kernel says so.
func FuzzRead(f *testing.F) {
	o := nlmsg.Native()
	table := func(write func(*nlmsg.Builder)) []byte {
		b := nlmsg.NewBuilder(o, nil)
		b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgNewTable), 0, 0, nlmsg.FamilyInet, 0)
		b.String(nlmsg.NFTATableName, Table("fastpath"))
		write(b)
		b.End()
		return b.Bytes()[16:]
	}
	for _, comment := range []string{Comment("fastpath", 4321, "2026-11-28T12:00:00Z"), "", ", process 99999999999999999999", ", process -1"} {
		f.Add(table(func(b *nlmsg.Builder) {
			b.Uint32BE(nlmsg.NFTATableFlags, FlagOwner)
			b.Uint32BE(nlmsg.NFTATableOwner, 0xe47c2bd6)
			b.Data(nlmsg.NFTATableUserdata, append([]byte{nlmsg.UdataTableComment, byte(len(comment) + 1)}, append([]byte(comment), 0)...))
		}))
	}
	f.Add(table(func(b *nlmsg.Builder) { b.Data(nlmsg.NFTATableUserdata, []byte{0, 200, 'x'}) }))
	f.Add(Take("fastpath", "comment", false, 7).Bytes[16:])
	f.Fuzz(func(t *testing.T, data []byte) {
		holdShown(t, data)
		c, err := Read(nlmsg.Message{Data: data})
		if err != nil && !errors.Is(err, nlmsg.ErrMalformed) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		if c.Process < 0 || c.Process > 1<<22 || c.Port != 0 && !c.Owned {
			t.Fatalf("a claim is %+v", c)
		}
		if c.Process != 0 && !bytes.Contains(data, []byte(byProcess)) {
			t.Fatalf("process %d is named nowhere", c.Process)
		}
		if comment := commentOf(data); len(comment) > 255 || processOf(comment) < 0 {
			t.Fatalf("a comment is %q", comment)
		}
	})
}

// holdShown fails for a lock that nobody of us has made, and for an owner that it is not of.
func holdShown(t *testing.T, data []byte) {
	t.Helper()
	s, ok := Show(data)
	if !ok {
		if s != (Shown{}) {
			t.Fatalf("no lock is %+v", s)
		}
		return
	}
	if len(s.Table) != len(Table("")) || strings.ContainsFunc(s.Table, unicode.IsControl) || s.Owner != "" && !s.IsOf(s.Owner) || s.Process < 0 || s.Process > 1<<22 {
		t.Fatalf("a lock is %+v", s)
	}
}
