package mark

import (
	"crypto/rand"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const someTime = "2026-01-02T03:04:05Z"

// samples are what each kind says.
func samples() map[*Kind][]string {
	return map[*Kind][]string{
		Off:         {someTime},
		On:          {someTime},
		Unconfirmed: {rand.Text(), "2026-01-02T03:04:05+01:00"},
		Setting:     {Forwarding, "1", "0"},
	}
}

func TestMarksAreReadAsTheyWereWritten(t *testing.T) {
	assert.Len(t, samples(), len(kinds))
	for kind, values := range samples() {
		for _, owner := range []string{"fastpath", "", "a, off since 2026", "a, changed b", "größer"} {
			text, err := kind.Text(owner, values...)
			require.NoError(t, err)
			want := Mark{Kind: kind, Table: kind.Table(owner, values...), Owner: owner, Values: values}
			have, err := kind.Read(want.Table, text, Original)
			require.NoError(t, err, "%q", text)
			assert.Equal(t, want, have)
			assert.Same(t, kind, OfTable(want.Table))
			have, err = kind.Read(want.Table, text, "")
			require.NoError(t, err)
			assert.True(t, have.Restored)
			have, err = kind.Read(kind.earlier(owner, values), text, "")
			require.NoError(t, err, "builds before had shorter names")
			assert.False(t, have.Restored)
		}
	}
	assert.Nil(t, OfTable("fw"))
}

// Two owners that shared a name by the hash of builds before have names of their own.
func TestOwnersHaveNamesOfTheirOwn(t *testing.T) {
	for kind, values := range samples() {
		require.Equal(t, kind.earlier("costarring", values), kind.earlier("liquid", values))
		assert.NotEqual(t, kind.Table("costarring", values...), kind.Table("liquid", values...))
	}
}

func TestWhatIsNoMark(t *testing.T) {
	read := func(kind *Kind, owner string, values []string, text string) error {
		_, err := kind.Read(kind.Table(owner, values...), text, Original)
		return err
	}
	id := rand.Text()
	for text, values := range map[string][]string{
		"me, changed kernel.core_pattern to |/bin/sh, before 0":   {"kernel.core_pattern"},
		"me, changed net.ipv4/../../kernel/panic to 1, before 0":  {"net.ipv4/../../kernel/panic"},
		"me, changed net.ipv4.conf.lo.forwarding to 1, before 0":  {"net.ipv4.conf.lo.forwarding"},
		"me, changed net.ipv4.ip_forward to 1, before 1\n":        {Forwarding},
		"me, changed net.ipv4.ip_forward to 01, before 0":         {Forwarding},
		"me, changed net.ipv4.ip_forward to 1, before 4294967296": {Forwarding},
		"me, changed net.ipv4.ip_forward to 1":                    {Forwarding},
		"other, changed net.ipv4.ip_forward to 1, before 0":       {Forwarding},
	} {
		assert.Error(t, read(Setting, "me", values, text), "%q", text)
	}
	for _, when := range []string{
		"", "now", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02 03:04:05Z", "2026-02-30T03:04:05Z", "2026-13-02T03:04:05Z", "2026-00-02T03:04:05Z",
		"2026-01-02T24:04:05Z", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05z", "2026-01-02T03:04:05.5Z", "2026-01-02T03:04:05+1:00",
		"2026-01-02T03:04:05+24:00", someTime + "\x1b[2J", "２０26-01-02T03:04:05Z",
	} {
		assert.Error(t, read(Off, "me", nil, "me, off since "+when), "%q", when)
		assert.Error(t, read(Unconfirmed, "me", nil, "me, unconfirmed "+id+", taken back at "+when), "%q", when)
	}
	for _, other := range []string{"", "1", strings.ToLower(id), id + "A", id[1:] + "\x1b"} {
		assert.Error(t, read(Unconfirmed, "me", nil, "me, unconfirmed "+other+", taken back at "+someTime), "%q", other)
	}
	for _, owner := range []string{"\x1b[2J", "a\"", "\u009b2J", "\xff", strings.Repeat("o", 100)} {
		assert.Error(t, read(Off, owner, nil, owner+", off since "+someTime), "%q", owner)
		_, err := Off.Text(owner, someTime)
		assert.Error(t, err, "%q", owner)
	}
	_, err := Off.Text("me")
	assert.Error(t, err)
	assert.NoError(t, CheckTime("2024-02-29T23:59:59-23:59"))
	assert.Error(t, CheckTime("2100-02-29T23:59:59Z"))
}

func TestSettings(t *testing.T) {
	for _, key := range []string{Accounting, Loose, Events, Timestamp, TCPTimeout, UDPTimeout, Forwarding, ForwardingV6} {
		assert.NoError(t, CheckSetting(key, "1"))
		assert.NoError(t, CheckHeld(key, "1"))
		assert.Error(t, CheckSetting(key, "-1"))
		assert.Error(t, CheckHeld(key, ""))
	}
	assert.Error(t, CheckSetting(Forwarding, "2"))
	assert.NoError(t, CheckHeld(Forwarding, "2"), "others can set it so")
	assert.NoError(t, CheckHeld(TCPTimeout, "0"))
	assert.Error(t, CheckSetting(TCPTimeout, "0"))
	for _, key := range []string{"", "kernel.panic", "../" + Forwarding, Forwarding + "/..", "net.ipv4/ip_forward", "net.ipv4.conf.lo.forwarding"} {
		assert.Error(t, CheckSetting(key, "1"), "%q", key)
		assert.Error(t, CheckHeld(key, "1"), "%q", key)
	}
	was, ok := ReadAccountingNote(AccountingNote("0"))
	assert.True(t, ok)
	assert.Equal(t, "0", was)
	for _, note := range []string{"", "0", AccountingNote(""), AccountingNote("2"), AccountingNote("0\n"), "kernel.panic=0"} {
		_, ok := ReadAccountingNote(note)
		assert.False(t, ok, "%q", note)
	}
}

// FuzzMark reads any table as a mark: what is taken is what Text would write, holds nothing but what is checked, and its name is its owner's.
func FuzzMark(f *testing.F) {
	for kind, values := range samples() {
		text, err := kind.Text("me", values...)
		require.NoError(f, err)
		f.Add(kind.Table("me", values...), text, Original)
		f.Add(kind.earlier("me", values), text, "")
	}
	f.Add("fastpath_off_", ", off since ", "")
	f.Add("fastpath_setting_x", "me, changed kernel.panic to 1, before 0", "original")
	f.Fuzz(func(t *testing.T, table, text, note string) {
		for _, kind := range kinds {
			// The fuzzer finds no hash: it is given the name that the text asks for.
			for _, name := range []string{table, kind.Table(text), kind.Table(before(text, kind.Words[0]), after(text, kind.Words[0], kind.Words))} {
				m, err := kind.Read(name, text, note)
				if err != nil {
					continue
				}
				if strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, `"`) || len(OwnerPrefix+text) > longest {
					t.Fatalf("%q was taken", text)
				}
				again, err := kind.Text(m.Owner, m.Values...)
				if err != nil || again != text || name != kind.Table(m.Owner, m.Values...) && name != kind.earlier(m.Owner, m.Values) {
					t.Fatalf("%q of %q was taken for %+v, which is %q, %v", text, name, m, again, err)
				}
				if kind == Setting && (CheckSetting(m.Values[0], m.Values[1]) != nil || CheckHeld(m.Values[0], m.Values[2]) != nil) {
					t.Fatalf("the setting of %+v was taken", m)
				}
			}
		}
		if before, ok := ReadAccountingNote(note); ok && before != "0" && before != "1" {
			t.Fatalf("the note %q was taken", note)
		}
	})
}

// before and after cut a text at the last of some words, as far as the next of them.
func before(text, words string) string {
	if at := strings.LastIndex(text, words); at >= 0 {
		return text[:at]
	}
	return text
}

func after(text, words string, all []string) string {
	at := strings.LastIndex(text, words)
	if at < 0 {
		return ""
	}
	rest := text[at+len(words):]
	if len(all) > 1 {
		rest, _, _ = strings.Cut(rest, all[1])
	}
	return rest
}
