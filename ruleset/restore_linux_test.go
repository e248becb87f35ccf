package ruleset

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// send commits a plan, and tells which operation the kernel refuses.
func send(t *testing.T, ns *testns.Namespace, p *Plan) {
	t.Helper()
	b, err := p.Batch(nil)
	require.NoError(t, err)
	err = commit(t, ns, b)
	var refused *CommitError
	if errors.As(err, &refused) {
		for _, r := range refused.Refusals {
			op, _ := b.Operation(r.Message)
			t.Errorf("%s: %v %s", op, r, b.Attribute(r.Message, r.Offset))
		}
	}
	require.NoError(t, err)
}

// thereAndBack applies old, marks and applies change, and restores through the JSON form. It returns the plan back.
func thereAndBack(t *testing.T, ns *testns.Namespace, old, change *Spec) *Plan {
	t.Helper()
	move(t, ns, old)
	before, text := loadFrom(t, ns), listing(t, ns)

	p, _ := batchBetween(t, before, change)
	backup, err := p.Backup(before)
	require.NoError(t, err)
	mark := Unconfirmed{Owner: DefaultOwner, ID: rand.Text(), Until: "2026-01-02T03:04:05+01:00"}
	send(t, ns, p.MarkUnconfirmed(mark))
	is, waits := loadFrom(t, ns).Unconfirmed("")
	require.True(t, waits)
	require.Equal(t, mark, is)

	data, err := json.Marshal(backup)
	require.NoError(t, err)
	read := &Backup{}
	require.NoError(t, json.Unmarshal(data, read))
	back, err := read.Restore(loadFrom(t, ns), Restoration{Mark: &mark})
	require.NoError(t, err)
	send(t, ns, back)

	assert.Equal(t, text, listing(t, ns), "what nft lists")
	left, _ := batchBetween(t, loadFrom(t, ns), old)
	assert.Empty(t, left.String(), "our own read-back")
	_, err = read.Restore(loadFrom(t, ns), Restoration{Mark: &mark})
	require.ErrorIs(t, err, ErrNotUnconfirmed)
	return back
}

// TestRestore goes from every form of rule and set to something else, and back.
func TestRestore(t *testing.T) {
	for _, family := range []Family{Inet, IP, IP6} {
		for name, change := range map[string]func(*Spec){
			"all gone":        func(s *Spec) { s.Tables = nil },
			"another table":   func(s *Spec) { s.Tables = append(s.Tables, Table{Name: "more"}) },
			"chains gone":     func(s *Spec) { s.Tables[0].Chains = s.Tables[0].Chains[:1] },
			"rules gone":      func(s *Spec) { s.Tables[0].Chains[1].Rules = s.Tables[0].Chains[1].Rules[:3] },
			"another policy":  func(s *Spec) { s.Tables[0].Chains[1].Policy = VerdictAccept },
			"nothing changes": func(*Spec) {},
		} {
			t.Run(fmt.Sprintf("%s, %s", family, name), func(t *testing.T) {
				changed := oracleSpec(family)
				change(changed)
				back := thereAndBack(t, testns.NewT(t, "restore"), oracleSpec(family), changed)
				if name == "nothing changes" {
					assert.Len(t, back.Operations(), 1, "the mark goes:\n%s", back)
				}
			})
		}
	}
}

// TestRestoreOfOthersEdits keeps what someone else put into our table: maps, timeouts, counters and what they have counted.
func TestRestoreOfOthersEdits(t *testing.T) {
	ns, ctx := testns.NewT(t, "edits"), testContext(t)
	move(t, ns, chainOf(toPort(1)))
	require.NoError(t, ns.NFT(ctx, `
		add chain inet t web
		add set inet t when { type ipv4_addr; flags interval, timeout; timeout 1h; elements = { 10.0.0.0/8, 192.0.2.7 timeout 2h expires 1h30m, 198.51.100.0-198.51.100.9, 203.0.113.0/24 }; }
		add map inet t where { type inet_service : verdict; elements = { 80 : jump web, 443 : drop }; }
		add set inet t pairs { type ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/8 . 1-1024, 192.0.2.1 . 80 }; }
		add rule inet t c tcp dport vmap @where
		add rule inet t c tcp dport { 1-5, 7, 9-65535 } counter packets 7 bytes 700 accept comment "seven"
		add rule inet t c ip saddr . tcp dport { 10.0.0.1 . 80, 10.0.0.2 . 81 } limit rate 5/second drop
		add rule inet t c udp dport vmap { 53 : accept, 67-68 : goto web }
		add rule inet t web quota over 5 mbytes used 1 mbytes drop
	`))
	before, text := loadFrom(t, ns), listing(t, ns)
	p, _ := batchBetween(t, before, &Spec{})
	backup, err := p.Backup(before)
	require.NoError(t, err)
	for name, change := range map[string]string{
		"deleted":  "delete table inet t",
		"flushed":  "flush table inet t",
		"changed":  "flush map inet t where; delete rule inet t c handle %d",
		"replaced": "delete table inet t; add table inet t; add chain inet t c",
		"dormant":  "add table inet t { flags dormant; }",
	} {
		t.Run(name, func(t *testing.T) {
			if name == "changed" {
				change = fmt.Sprintf(change, handles(loadFrom(t, ns), "c")[0])
			}
			require.NoError(t, ns.NFT(ctx, change))
			require.NotEqual(t, text, listing(t, ns))
			back, err := backup.Restore(loadFrom(t, ns), Restoration{})
			require.NoError(t, err)
			send(t, ns, back)
			assert.Equal(t, withoutExpiry(text), withoutExpiry(listing(t, ns)))
		})
	}
}

// TestBackupRefuses what it cannot put back.
func TestBackupRefuses(t *testing.T) {
	ns, ctx := testns.NewT(t, "refuse"), testContext(t)
	require.NoError(t, ns.NFT(ctx, "add table inet t"))
	want := resolved(t, chainOf(toPort(1)))
	p, err := DiffAdopt(loadFrom(t, ns), want)
	require.NoError(t, err)
	_, err = p.Backup(loadFrom(t, ns))
	require.ErrorContains(t, err, "no owner's mark")

	send(t, ns, p)
	require.NoError(t, ns.NFT(ctx, "add counter inet t hits"))
	p, _ = batchBetween(t, loadFrom(t, ns), chainOf(toPort(2)))
	_, err = p.Backup(loadFrom(t, ns))
	require.ErrorContains(t, err, "1 stateful objects")
}

// TestFingerprint tells others' changes of tables, chains and rules from what counts and comes and goes by itself.
func TestFingerprint(t *testing.T) {
	ns, ctx := testns.NewT(t, "fingerprint"), testContext(t)
	s := chainOf(toPort(1).Note("one"), toPort(2))
	s.Tables[0].Sets = []Set{{Name: "s", Type: IPv4Addr}}
	move(t, ns, s)
	p, _ := batchBetween(t, loadFrom(t, ns), &Spec{})
	backup, err := p.Backup(loadFrom(t, ns))
	require.NoError(t, err)
	before := backup.Fingerprint(loadFrom(t, ns))
	for _, same := range []string{"add element inet t s { 192.0.2.1 }", "add table inet other", "add chain inet t c"} {
		require.NoError(t, ns.NFT(ctx, same))
		require.Equal(t, before, backup.Fingerprint(loadFrom(t, ns)), same)
	}
	all, err := backup.Restore(loadFrom(t, ns), Restoration{All: true, Fingerprint: before})
	require.NoError(t, err)
	send(t, ns, all)
	_, err = backup.Restore(loadFrom(t, ns), Restoration{Fingerprint: before})
	require.ErrorIs(t, err, ErrTablesChanged, "what is made anew is not the same")
	before = backup.Fingerprint(loadFrom(t, ns))
	first := handles(loadFrom(t, ns), "c")[0]
	for _, other := range []string{
		fmt.Sprintf(`replace rule inet t c handle %d tcp dport 1 drop comment "one"`, first),
		"add chain inet t c { policy drop; }", "add rule inet t c accept", "delete set inet t s", "add chain inet t d",
		"add table inet t { flags dormant; }", "delete table inet t",
	} {
		require.NoError(t, ns.NFT(ctx, other))
		now := backup.Fingerprint(loadFrom(t, ns))
		require.NotEqual(t, before, now, other)
		before = now
	}
}

// TestOneUnconfirmed refuses a second change, and a confirmation after another.
func TestOneUnconfirmed(t *testing.T) {
	ns := testns.NewT(t, "one")
	first, second := Unconfirmed{DefaultOwner, rand.Text(), "2026-01-02T03:04:05Z"}, Unconfirmed{DefaultOwner, rand.Text(), "2026-01-02T03:04:06Z"}
	p, _ := batchBetween(t, loadFrom(t, ns), chainOf(toPort(1)))
	send(t, ns, p.MarkUnconfirmed(first))
	p, _ = batchBetween(t, loadFrom(t, ns), chainOf(toPort(2)))
	_, err := p.MarkUnconfirmed(second).Rebase(loadFrom(t, ns))
	require.ErrorContains(t, err, "taken back at 2026-01-02T03:04:05Z")
	again, err := p.MarkUnconfirmed(first).Rebase(loadFrom(t, ns))
	require.NoError(t, err)
	assert.False(t, slices.ContainsFunc(again.Operations(), func(op Operation) bool { return op.Kind == KindTable }))
	b, err := p.MarkUnconfirmed(second).Batch(nil)
	require.NoError(t, err)
	require.Error(t, commit(t, ns, b), "the kernel takes one mark of an owner")

	_, err = second.Confirm(loadFrom(t, ns))
	require.ErrorIs(t, err, ErrNotUnconfirmed)
	p, err = first.Confirm(loadFrom(t, ns))
	require.NoError(t, err)
	send(t, ns, p)
	_, err = first.Confirm(loadFrom(t, ns))
	require.ErrorIs(t, err, ErrNotUnconfirmed)
}

// TestRestoreFlowtables: those that did not change stay, with their handles; others come back with the devices that are left.
func TestRestoreFlowtables(t *testing.T) {
	testns.RequireFlowtables(t)
	ns := withDevices(t, "lan0", "wan0", "dmz0")
	fast := func(rule Rule, devices ...string) *Spec {
		f := flowtable.Spec{Name: "fast", Priority: "-7"}
		for _, d := range devices {
			f.Devices = append(f.Devices, flowtable.Selector{Name: d})
		}
		s := chainOf(rule, R(FlowAdd("fast")))
		s.Tables[0].Flowtables = []flowtable.Spec{f}
		return s
	}
	back := thereAndBack(t, ns, fast(toPort(1), "lan0", "wan0"), fast(toPort(2), "lan0", "wan0"))
	assert.False(t, back.Disruptive(), "the flowtable stays:\n%s", back)
	handle := loadFrom(t, ns).Flowtables()[0].Handle
	back = thereAndBack(t, ns, fast(toPort(1), "lan0", "wan0"), fast(toPort(2), "wan0", "dmz0"))
	assert.True(t, back.Disruptive())
	assert.NotEqual(t, handle, loadFrom(t, ns).Flowtables()[0].Handle)
	back = thereAndBack(t, ns, fast(toPort(1), "lan0", "wan0"), &Spec{})
	assert.Contains(t, back.String(), "add flowtable inet t fast ")

	before := loadFrom(t, ns)
	p, _ := batchBetween(t, before, &Spec{})
	backup, err := p.Backup(before)
	require.NoError(t, err)
	send(t, ns, p)
	require.NoError(t, ns.IP(testContext(t), "link del lan0"))
	back, err = backup.Restore(loadFrom(t, ns), Restoration{Exists: func(device string) bool { return device != "lan0" }})
	require.NoError(t, err)
	send(t, ns, back)
	assert.Equal(t, []flowtable.Selector{{Name: "wan0"}}, loadFrom(t, ns).Flowtables()[0].Devices)
}

// withoutExpiry leaves out what a clock changes.
func withoutExpiry(text string) string {
	return regexp.MustCompile(` expires [0-9a-z]+`).ReplaceAllString(text, "")
}
