package ruleset

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// FuzzPutBack reads a kernel's dump in which one message is anything, keeps it, puts it back and switches its fast path off: no panic; a backup
// that went through its JSON puts back nothing where nothing changed, and all of it where the tables are gone; and what is sent to switch off holds
// neither a flowtable nor a rule that fills one.
func FuzzPutBack(f *testing.F) {
	dump := readDump(f, "testdata/dumps/6.12.txt")
	for i := range dump {
		if i%7 == 0 {
			f.Add(uint16(i), dump[i].Type, dump[i].Data)
		}
	}
	want, err := smallSpec().Resolve(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, at, typ uint16, data []byte) {
		messages := slices.Clone(dump)
		messages[int(at)%len(messages)] = Message{Type: typ, Generation: messages[0].Generation, Data: data}
		have, err := load(nlmsg.LittleEndian, "", each(messages))
		if err != nil {
			return
		}
		switchesOff(t, have)
		plan, err := Diff(have, want)
		if err != nil {
			return
		}
		backup, err := plan.Backup(have)
		if err != nil {
			return
		}
		backup = throughJSON(t, backup)
		if backup == nil {
			return
		}
		same, err := backup.Restore(have, Restoration{})
		if err != nil {
			t.Fatal(err)
		}
		if !same.Empty() {
			t.Fatalf("nothing changed, and %v is put back", same.Operations())
		}
		for _, now := range []*Loaded{nil, have} {
			all, err := backup.Restore(now, Restoration{All: true})
			if err != nil {
				continue
			}
			if _, err := all.Batch(nil); err != nil {
				t.Log(err) // what a kernel would not have told
			}
		}
	})
}

func each(messages []Message) func(func(Message, error) bool) {
	return func(yield func(Message, error) bool) {
		for _, m := range messages {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// throughJSON is what another process has of a backup; nil if it refuses it.
func throughJSON(t *testing.T, b *Backup) *Backup {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var again Backup
	if err := json.Unmarshal(text, &again); err != nil {
		return nil
	}
	return &again
}

func switchesOff(t *testing.T, have *Loaded) {
	t.Helper()
	plan, err := SwitchOff(have, "", "2026-01-02T03:04:05Z")
	if err != nil {
		return
	}
	batch, err := plan.Batch(nil)
	if err != nil {
		return
	}
	for rest := batch.Bytes(); len(rest) > 0; {
		m, more, err := nlmsg.NextMessage(nlmsg.Native(), rest)
		if err != nil {
			t.Fatal(err)
		}
		rest = more
		switch m.Type & 0xff {
		case nlmsg.NFTMsgNewFlowtable:
			t.Fatal("a flowtable is made to switch off")
		case nlmsg.NFTMsgNewRule:
			if slices.Contains(expressionsOf(m.Data), "flow_offload") {
				t.Fatal("a rule that fills a flowtable is made to switch off")
			}
		}
	}
}

// expressionsOf are the names of a rule message's expressions, as far as they can be read.
func expressionsOf(data []byte) (names []string) {
	_ = nlmsg.EachAttr(nlmsg.Native(), data[min(4, len(data)):], func(a nlmsg.Attr) error {
		if a.Type != nlmsg.NFTARuleExpressions {
			return nil
		}
		return nlmsg.EachAttr(nlmsg.Native(), a.Data, func(e nlmsg.Attr) error {
			name, _, err := nlmsg.Expression(nlmsg.Native(), e.Data)
			names = append(names, name)
			return err
		})
	})
	return names
}
