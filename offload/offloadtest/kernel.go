package offloadtest

import (
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"sync"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

var _ offload.Kernel = (*Kernel)(nil)

// A TB is what New needs of a testing.TB.
type TB interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// A Kernel is a kernel in memory: an offload.Kernel, and by Conntrack a conntrack.Source. Safe for concurrent use.
type Kernel struct {
	mu         sync.Mutex
	manner     flowtable.Kernel
	model      model
	wildcards  bool
	links      []*link
	linkNumber int
	linkIndex  int // the highest that was given
	refusing   map[string]bool
	unhooked   map[string]bool // devices that flowtables list without a hook

	state        *state
	tableHandles uint64
	strict       bool            // every table is validated after each rule
	strictTables map[uint64]bool // by handle

	sysctls map[string]string
	faults  []fault

	defaultRoutes []string // names of devices
	ways          ways
	subscribers   map[*subscriber]bool
	losing        bool   // the next event
	sockets       uint32 // the last that was opened
	locks         map[*heldLock]bool
	freed         chan struct{} // closed when a table went with its socket
	table         connections

	history  []map[changeKey]depth // of commits, the last one last
	reading  int                   // how many messages of rules and elements others let be read between two commits, 0 is any number
	hurrying int                   // before how many commits to come others commit
}

// New makes a Kernel with an empty ruleset, of the release and with the links of target; nil is Linux72 without links. A
// target that is not valid ends the test, and at its end faults that were never met are an error. A nil tb, as in an
// example, checks neither.
func New(tb TB, target *flowtable.Target) *Kernel {
	if target == nil || target.Kernel == (flowtable.Kernel{}) {
		t := Linux72()
		if target != nil {
			t.Links = target.Links
		}
		target = t
	}
	k := &Kernel{
		manner:       target.Kernel,
		model:        modelOf(target.Kernel),
		wildcards:    target.Kernel.Wildcards,
		refusing:     map[string]bool{},
		unhooked:     map[string]bool{},
		state:        &state{generation: 1},
		strictTables: map[uint64]bool{},
		table:        connections{timesEvents: modelOf(target.Kernel) > linux612, losesTags: target.Kernel.HasQuirk("tag-can-be-lost")},
		sysctls: map[string]string{
			accounting: "1", events: "1", timestamps: "0", tcpLoose: "1", "net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1",
		},
	}
	for _, l := range target.Links {
		k.addLink(l)
	}
	if tb != nil {
		tb.Helper()
		if err := target.Validate(); err != nil {
			tb.Fatalf("offloadtest: the target is not valid: %v", err)
		}
		tb.Cleanup(func() { k.tellFaults(tb) })
	}
	return k
}

// Target is the machine as it is now.
func (k *Kernel) Target(ctx context.Context) (*flowtable.Target, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := &flowtable.Target{Kernel: k.manner}
	for _, l := range k.links {
		t.Links = append(t.Links, l.Link)
		if slices.ContainsFunc(k.routes(), func(r Route) bool { return r.To.Bits() == 0 && r.Device == l.Name }) {
			t.DefaultRoutes = append(t.DefaultRoutes, l.Index)
		}
	}
	slices.Sort(t.DefaultRoutes)
	return t, nil
}

// Dump yields what the kernel holds, of one generation: NEWGEN, tables, chains, sets, elements, rules, flowtables.
func (k *Kernel) Dump(ctx context.Context) iter.Seq2[ruleset.Message, error] {
	return func(yield func(ruleset.Message, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(ruleset.Message{}, err)
			return
		}
		messages, err := k.readAll()
		yieldAll(messages, err, yield)
	}
}

func yieldAll(messages []ruleset.Message, err error, yield func(ruleset.Message, error) bool) {
	if err != nil {
		yield(ruleset.Message{}, err)
		return
	}
	for _, m := range messages {
		if !yield(m, nil) {
			return
		}
	}
}

// Commit takes all of a batch or nothing, and gives back what the batch makes of sets, elements and rules where its messages ask
// for it. What is refused is a *ruleset.CommitError, message by message.
func (k *Kernel) Commit(ctx context.Context, b *ruleset.Batch) ([]ruleset.Message, error) {
	return k.send(ctx, b.Bytes(), atCommit)
}

// Check validates a batch and takes it back, with the holes that the kernel has: a misplaced flow add in a table that is new
// goes unnoticed on Linux 6.4 and later, and a rule that tests ct packets or bytes switches accounting on for good.
func (k *Kernel) Check(ctx context.Context, b *ruleset.Batch) error {
	_, err := k.send(ctx, b.DryRun(), atCheck)
	return err
}

func (k *Kernel) send(ctx context.Context, batch []byte, at moment) ([]ruleset.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	f := k.takeFault(at)
	switch {
	case f.lost && !f.applied:
		return nil, &ruleset.CommitError{Unknown: true}
	case f.err != nil:
		return nil, f.err
	}
	k.beHurried()
	acks, echoes := k.transactOnce(batch)
	if f.lost {
		return nil, &ruleset.CommitError{Unknown: true}
	}
	if err := verdict(acks); err != nil {
		return nil, err
	}
	list := make([]ruleset.Message, len(echoes))
	for i, m := range echoes {
		list[i] = ruleset.Message{Type: m.Type, Flags: m.Flags, Data: m.Data}
	}
	return list, nil
}

// verdict reads the answers as package offload's kernel does.
func verdict(acks []nlmsg.Ack) error {
	refused := &ruleset.CommitError{Unknown: len(acks) == 0}
	for _, a := range acks {
		if a.Errno != 0 {
			refused.Refusals = append(refused.Refusals, ruleset.Refusal{Message: int(a.Seq), Errno: int(a.Errno), Text: a.Text, Offset: a.Offset})
		}
	}
	if len(refused.Refusals) > 0 || refused.Unknown {
		return refused
	}
	return nil
}

// Close does nothing: the kernel outlives its users, so that a test can open a second Manager on it.
func (k *Kernel) Close() error { return nil }

// Sysctl reads a setting. Unless SetSysctl says otherwise, accounting, forwarding, nf_conntrack_tcp_loose and nf_conntrack_events are 1, and
// nf_conntrack_timestamp is 0. The error matches fs.ErrNotExist for any other that is not set.
func (k *Kernel) Sysctl(ctx context.Context, key string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.sysctls[key]
	if !ok {
		return "", fmt.Errorf("sysctl %s: %w; give it with SetSysctl", key, fs.ErrNotExist)
	}
	return v, ctx.Err()
}

// SetSysctl gives a setting.
func (k *Kernel) SetSysctl(key, value string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sysctls[key] = value
}

// ForeignCommit is another program that commits to a table of its own: the generation moves on.
func (k *Kernel) ForeignCommit() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.foreign(somebody)
}

// foreign is a commit of another program that changes tables. It is called with the lock held.
func (k *Kernel) foreign(tables ...tableKey) {
	k.state.generation = nextGeneration(k.state.generation)
	changes := map[changeKey]depth{}
	for _, t := range tables {
		changes[changeKey{table: t}] = changedShape
	}
	k.log(changes)
	k.announce(offload.Event{Kind: offload.EventRuleset, Generation: k.state.generation, What: "commit", Writer: "another program (process 2)"})
}

// ForeignFlush is another program's `nft flush ruleset`. Tables that belong to a socket stay.
func (k *Kernel) ForeignFlush() {
	k.mu.Lock()
	defer k.mu.Unlock()
	var gone []tableKey
	k.state.tables = slices.DeleteFunc(slices.Clone(k.state.tables), func(t *table) bool {
		if t.socket == 0 {
			gone = append(gone, tableKey{t.family, t.name})
		}
		return t.socket == 0
	})
	k.foreign(gone...)
}

// ForeignDelete is another program that deletes a table; it reports whether it was there.
func (k *Kernel) ForeignDelete(family ruleset.Family, name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.state.tables, func(t *table) bool {
		return nlmsg.FamilyName(t.family) == string(family) && t.name == name && t.socket == 0
	})
	if i < 0 {
		return false
	}
	gone := k.state.tables[i]
	k.state.tables = slices.Delete(slices.Clone(k.state.tables), i, i+1)
	k.foreign(tableKey{gone.family, gone.name})
	return true
}
