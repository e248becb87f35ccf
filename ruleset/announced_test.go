package ruleset_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// announcing is a table with flowtables fast and other, policies, and a forward chain of these rules.
func announcing(policies []ruleset.Policy, rules ...ruleset.Rule) *ruleset.Spec {
	t := ruleset.Table{Name: "fw", Offload: policies, Flowtables: []flowtable.Spec{{Name: "fast"}, {Name: "other"}}}
	if len(rules) > 0 {
		t.Chains = []ruleset.Chain{{Name: "forward", Hook: ruleset.Forward, Rules: rules}}
	}
	return &ruleset.Spec{Tables: []ruleset.Table{t}}
}

// What a kernel holds of a Spec announces what the Spec does.
func TestLoadedAnnouncesAsDeclared(t *testing.T) {
	policies := map[string][]ruleset.Policy{
		"nothing": {{Flowtable: "fast"}},
		"one":     {{Flowtable: "fast", Announce: "0x100"}},
		"two":     {{Flowtable: "fast", Announce: "0x100"}, {Flowtable: "other", Announce: "0x80000000", Counter: true}},
		"narrow": {{
			Flowtable: "fast", Announce: "1", After: ruleset.Threshold{Packets: 20, Bytes: 1000},
			Only:   ruleset.Selection{Between: []ruleset.DevicePair{{From: []string{"lan0"}, To: []string{"wan0"}}}, Also: []ruleset.Statement{ruleset.CTMark.Has(0x10, 0x10)}},
			Except: ruleset.Exclusions{CTMarks: []ruleset.MarkBits{{Mask: "0xff00"}}},
		}},
	}
	for name, p := range policies {
		t.Run(name, func(t *testing.T) {
			k, spec := newKernel(t), announcing(p)
			k.apply(k.diff(resolve(t, spec)))
			assert.Equal(t, spec.Announced(), k.load().Announced())
			k.apply(k.plan(ruleset.SwitchOff(k.load(), "", someTime)))
			assert.Empty(t, k.load().Announced(), "drained")
		})
	}
	k := newKernel(t)
	k.apply(k.diff(resolveAuto(t, autoSpec(), "7.2.0", "dmz")))
	assert.Len(t, k.load().Flowtables(), 2, "divided between driver and software")
	assert.Equal(t, map[uint32]string{0x100: "fast"}, k.load().Announced())
	assert.Empty(t, (*ruleset.Loaded)(nil).Announced())
}

// Rules written by hand announce, unless another may set the bit too.
func TestAnnouncedByRules(t *testing.T) {
	add, mark := ruleset.FlowAdd, ruleset.CTMark.Set
	announces := ruleset.R(add("fast"), ruleset.Counter(), mark(0x100, 0x100))
	fast := map[uint32]string{0x100: "fast"}
	for name, c := range map[string]struct {
		rules []ruleset.Rule
		want  map[uint32]string
	}{
		"by hand":            {[]ruleset.Rule{announces}, fast},
		"twice":              {[]ruleset.Rule{announces, announces}, fast},
		"the whole mark":     {[]ruleset.Rule{ruleset.R(add("fast"), mark(0x100, 1<<32-1))}, fast},
		"others cleared":     {[]ruleset.Rule{ruleset.R(add("fast"), mark(0x100, 0xff00))}, fast},
		"two in a rule":      {[]ruleset.Rule{ruleset.R(add("fast"), mark(1, 1), mark(2, 2))}, map[uint32]string{1: "fast", 2: "fast"}},
		"two bits at once":   {[]ruleset.Rule{ruleset.R(add("fast"), mark(0x300, 0x300))}, nil},
		"a bit of these":     {[]ruleset.Rule{announces, ruleset.R(add("fast"), mark(0x300, 0x300))}, nil},
		"in front":           {[]ruleset.Rule{ruleset.R(mark(0x100, 0x100), add("fast"))}, nil},
		"in another rule":    {[]ruleset.Rule{ruleset.R(add("fast")), ruleset.R(mark(0x100, 0x100))}, nil},
		"set elsewhere":      {[]ruleset.Rule{announces, ruleset.R(mark(0x5ff, 1<<32-1))}, nil},
		"cleared":            {[]ruleset.Rule{announces, ruleset.R(mark(0, 0x100)), ruleset.R(mark(0xff, 1<<32-1))}, fast},
		"tested":             {[]ruleset.Rule{ruleset.R(ruleset.CTMark.Has(0x100, 0x100)), announces}, fast},
		"by two flowtables":  {[]ruleset.Rule{announces, ruleset.R(add("other"), mark(0x100, 0x100))}, nil},
		"a meta mark":        {[]ruleset.Rule{announces, ruleset.R(add("other"), ruleset.MetaMark.Set(0x100, 0x100))}, fast},
		"behind the second":  {[]ruleset.Rule{ruleset.R(add("other"), add("fast"), mark(0x100, 0x100))}, fast},
		"without any bit":    {[]ruleset.Rule{ruleset.R(add("fast"), mark(0, 0xf))}, nil},
		"one, another fails": {[]ruleset.Rule{announces, ruleset.R(add("other"), mark(0x600, 0xf00))}, fast},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t)
			k.apply(k.diff(resolve(t, announcing(nil, c.rules...))))
			if c.want == nil {
				c.want = map[uint32]string{}
			}
			assert.Equal(t, c.want, k.load().Announced())
		})
	}
}

// A rule of someone else's that saves the packet's mark into the connection's may set any bit.
func TestAnnouncedBesideOthers(t *testing.T) {
	announced := ruleset.R(ruleset.FlowAdd("fast"), ruleset.CTMark.Set(0x100, 0x100))
	for name, other := range map[string]ruleset.Statement{
		"ct mark set meta mark": rawOf("ct mark set meta mark", loadMetaMark(), setCTMark()),
		"unknown bits":          rawOf("ct mark set meta mark & 0x300", loadMetaMark(), and(0x300), setCTMark()),
	} {
		k := newKernel(t)
		k.apply(k.diff(resolve(t, announcing(nil, announced, ruleset.R(other)))))
		assert.Empty(t, k.load().Announced(), name)
	}
	k := newKernel(t)
	k.apply(k.diff(resolve(t, announcing(nil, announced, ruleset.R(rawOf("ct mark set meta mark & 0xff", loadMetaMark(), and(0xff), setCTMark()))))))
	assert.Equal(t, map[uint32]string{0x100: "fast"}, k.load().Announced(), "eight bits of the packet's mark")
}

// rawOf is a statement of expressions that no verb makes.
func rawOf(text string, expr ...[]byte) ruleset.Statement {
	return ruleset.Statement{Raw: &ruleset.Raw{Text: text, Expr: expr}}
}

func expression(name string, fill func(b *nlmsg.Builder)) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.String(nlmsg.NFTAExprName, name)
	data := b.Nest(nlmsg.NFTAExprData)
	fill(b)
	b.EndNest(data)
	return b.Bytes()
}

func loadMetaMark() []byte {
	return expression("meta", func(b *nlmsg.Builder) {
		b.Uint32BE(nlmsg.NFTAMetaKey, 3)
		b.Uint32BE(nlmsg.NFTAMetaDreg, nlmsg.Reg1)
	})
}

func setCTMark() []byte {
	return expression("ct", func(b *nlmsg.Builder) {
		b.Uint32BE(nlmsg.NFTACTKey, 3)
		b.Uint32BE(nlmsg.NFTACTSreg, nlmsg.Reg1)
	})
}

func and(mask uint32) []byte {
	value := func(b *nlmsg.Builder, attr uint16, v uint32) {
		nest := b.Nest(attr)
		b.Data(nlmsg.NFTADataValue, binary.NativeEndian.AppendUint32(nil, v))
		b.EndNest(nest)
	}
	return expression("bitwise", func(b *nlmsg.Builder) {
		b.Uint32BE(nlmsg.NFTABitwiseSreg, nlmsg.Reg1)
		b.Uint32BE(nlmsg.NFTABitwiseDreg, nlmsg.Reg1)
		b.Uint32BE(nlmsg.NFTABitwiseLen, 4)
		value(b, nlmsg.NFTABitwiseMask, mask)
		value(b, nlmsg.NFTABitwiseXor, 0)
	})
}
