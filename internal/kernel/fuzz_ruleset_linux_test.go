package kernel

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
	"github.com/go-fastpath/fastpath/ruleset"
)

// FuzzGeneration reads NEWGEN as an announcement and as an answer.
func FuzzGeneration(f *testing.F) {
	for _, m := range about(f, "generation", "ruleset") {
		f.Add(m.Type, m.Data)
	}
	f.Fuzz(func(t *testing.T, typ uint16, data []byte) {
		bounded(t, len(data), func() {
			e, news, err := readGeneration(nlmsg.Message{Type: typ, Data: data})
			if malformed(t, err) == news && news {
				t.Fatal("an error is no news")
			}
			if news {
				isSaid(t, e.What)
			}
			if news && (e.Kind != EventRuleset || e.Device != "" || typ != nlmsg.NFTablesType(nlmsg.NFTMsgNewGen)) {
				t.Fatalf("message %#x is %+v", typ, e)
			}
		})
		for _, o := range bothOrders() {
			bounded(t, len(data), func() {
				_, err := generationOf(o, data)
				malformed(t, err)
			})
		}
	})
}

// FuzzDump looks through what was listed for marks, names of sets, and rules that are missing.
func FuzzDump(f *testing.F) {
	all := about(f, "ruleset")
	f.Add(datagramOf(nlmsg.Native(), all...))
	for i := range all { // each but one: something is missing then
		f.Add(datagramOf(nlmsg.Native(), append(append([]nlmsg.Message(nil), all[:i]...), all[i+1:]...)...))
	}
	f.Fuzz(func(t *testing.T, datagram []byte) {
		messages := messagesIn(nlmsg.Native(), datagram)
		bounded(t, len(datagram), func() {
			d := &dump{}
			for _, m := range messages {
				malformed(t, d.keep(m, m.Data))
			}
			var err error
			if d.marked, err = d.markedTables(); malformed(t, err) {
				return
			}
			if len(d.marked) > len(messages) {
				t.Fatalf("%d messages tell of %d tables", len(messages), len(d.marked))
			}
			if d.torn() && len(d.marked) == 0 {
				t.Fatal("rules are missing where nobody looks")
			}
			for _, m := range d.messages {
				_, _, attrs, err := nlmsg.Netfilter(m.Data)
				if malformed(t, err) {
					t.Fatal("it was kept")
				}
				_, _, err = setNames(nlmsg.Native(), attrs)
				malformed(t, err)
			}
		})
	})
}

// What was captured is whole, and no longer if a rule is taken out.
func TestCapturedDump(t *testing.T) {
	if nlmsg.Native() != nlmsg.LittleEndian {
		t.Skip("not on this kernel: what was captured is of little-endian ones")
	}
	for _, without := range []bool{false, true} {
		d := &dump{}
		for _, m := range about(t, "ruleset") {
			if without && m.Type == nlmsg.NFTablesType(nlmsg.NFTMsgNewRule) {
				without = false
				continue
			}
			if err := d.keep(m, m.Data); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if d.marked, err = d.markedTables(); err != nil || len(d.marked) != 2 || !d.marked[tableName{nlmsg.FamilyInet, "fw"}] {
			t.Fatal(d.marked, err)
		}
		if d.torn() != (len(d.messages) < len(about(t, "ruleset"))) {
			t.Fatalf("torn is %v of %d messages", d.torn(), len(d.messages))
		}
	}
}

// FuzzVerdict reads what the kernel says of a batch, and of a probe.
func FuzzVerdict(f *testing.F) {
	for _, errno := range []unix.Errno{0, unix.ENOENT, unix.EPERM, unix.EOPNOTSUPP, unix.EINVAL} {
		f.Add(int32(errno), uint32(probeEmpty), int32(0), uint32(0), false)
		f.Add(int32(errno), uint32(0), int32(errno), uint32(probePrefix), true)
	}
	f.Fuzz(func(t *testing.T, errno int32, seq uint32, other int32, otherSeq uint32, lost bool) {
		acks := []nlmsg.Ack{{Seq: seq, Errno: errno}, {Seq: otherSeq, Errno: other}}
		var missing error
		if lost {
			missing = nlsock.ErrOverrun
		}
		bounded(t, 100, func() {
			err := verdict(acks, missing)
			var refused *ruleset.CommitError
			if fine := errno == 0 && other == 0 && !lost; fine != (err == nil) || !fine && (!errors.As(err, &refused) || err.Error() == "") {
				t.Fatalf("%v is the verdict on %+v", err, acks)
			}
			a := answers{seq: unix.Errno(errno), otherSeq: unix.Errno(other)}
			m := judge(flowtable.KernelOf("6.12"), a)
			for _, finding := range []Finding{m.Flowtables, m.ByName, m.Wildcards} {
				if finding.Evidence == "" {
					t.Fatalf("%+v is found without evidence", m)
				}
			}
			if answer := a.driver(seq, "eth0"); (answer.Result == flowtable.Accepted) != (a[seq] == 0) || answer.Evidence == "" {
				t.Fatalf("a driver says %+v", answer)
			}
		})
	})
}
