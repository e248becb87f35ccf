package offload

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

// counting is plain() with a rule that turns accounting on.
func counting() *ruleset.Spec {
	s := plain()
	c := &s.Tables[0].Chains[1]
	c.Rules = append(c.Rules, ruleset.R(ruleset.CTPackets.AtLeast(20), ruleset.Counter()))
	return s
}

// openAgain is another process, which remembers nothing.
func openAgain(t *testing.T, ns *testns.Namespace) *Manager {
	t.Helper()
	m, err := Open(testContext(t), &Config{NetNS: ns.Path()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func sysctl(t *testing.T, ns *testns.Namespace) string {
	t.Helper()
	value, err := ns.Sysctl(accountingKey)
	require.NoError(t, err)
	return value
}

func TestUninstall(t *testing.T) {
	const others = "table inet theirs {\n}\n"
	for name, c := range map[string]struct {
		before   string // nf_conntrack_acct
		specs    []*ruleset.Spec
		restart  bool
		others   string
		after    string
		restored []Setting
		why      string
	}{
		"nothing counts":        {before: "0", specs: []*ruleset.Spec{plain()}, after: "0"},
		"put back":              {before: "0", specs: []*ruleset.Spec{counting()}, after: "0", restored: []Setting{{accountingKey, "0"}}},
		"it was on":             {before: "1", specs: []*ruleset.Spec{counting()}, after: "1"},
		"by another process":    {before: "0", specs: []*ruleset.Spec{counting()}, restart: true, after: "0", restored: []Setting{{accountingKey, "0"}}},
		"later":                 {before: "0", specs: []*ruleset.Spec{plain(), counting()}, after: "0", restored: []Setting{{accountingKey, "0"}}},
		"later, nobody knows":   {before: "0", specs: []*ruleset.Spec{plain(), counting()}, restart: true, after: "1", why: "nobody remembers"},
		"others count":          {before: "0", specs: []*ruleset.Spec{counting()}, others: "add chain inet theirs c; add rule inet theirs c ct bytes > 5", after: "1", why: "table inet theirs"},
		"replaced in between":   {before: "0", specs: []*ruleset.Spec{counting(), renamed(counting())}, restart: true, after: "0", restored: []Setting{{accountingKey, "0"}}},
		"gone in between":       {before: "0", specs: []*ruleset.Spec{counting(), plain()}, after: "0", restored: []Setting{{accountingKey, "0"}}},
		"nothing is installed":  {before: "1", after: "1"},
		"another owner's count": {before: "0", specs: []*ruleset.Spec{owned(counting())}, after: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			ns, m := openT(t)
			require.NoError(t, ns.NFT(testContext(t), "add table inet theirs"))
			require.NoError(t, ns.SetSysctl(accountingKey, c.before))
			for _, s := range c.specs {
				apply(t, m, s)
			}
			if c.others != "" {
				require.NoError(t, ns.NFT(testContext(t), c.others))
			}
			if c.restart {
				m = openAgain(t, ns)
			}
			done, err := m.Uninstall(testContext(t), "")
			require.NoError(t, err)
			assert.Equal(t, c.restored, done.Restored)
			assert.Equal(t, c.after, sysctl(t, ns))
			if c.why == "" {
				assert.Empty(t, done.Left)
			} else {
				require.Len(t, done.Left, 1)
				assert.Equal(t, Setting{accountingKey, c.after}, done.Left[0].Setting)
				assert.Contains(t, done.Left[0].Why, c.why)
			}
			if c.others == "" && name != "another owner's count" {
				assert.Equal(t, others, listing(t, ns))
			}
			again, err := m.Uninstall(testContext(t), "")
			require.NoError(t, err)
			assert.True(t, again.Plan.Empty())
			assert.Equal(t, done.Generation, again.Generation)
		})
	}
}

func renamed(s *ruleset.Spec) *ruleset.Spec { s.Tables[0].Name = "other"; return s }

func owned(s *ruleset.Spec) *ruleset.Spec { s.Owner = "somebody else"; return s }

func TestAdopt(t *testing.T) {
	testns.CheckLeaks(t)
	ns := testns.NewT(t, "adopt")
	require.NoError(t, ns.NFT(testContext(t), "add table inet fw; add chain inet fw theirs; add table inet other"))
	careful := openAgain(t, ns)
	unchanged(t, ns, func() {
		_, err := careful.Plan(testContext(t), plain())
		require.ErrorIs(t, err, ErrForeign)
	})
	m, err := Open(testContext(t), &Config{NetNS: ns.Path(), Adopt: true, Watchdog: []string{"/proc/self/exe", asWatchdog}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	plan, err := m.Plan(testContext(t), plain())
	require.NoError(t, err)
	unchanged(t, ns, func() {
		_, err = m.ApplyConfirm(testContext(t), plan, 1e9)
		require.ErrorContains(t, err, "no owner's mark")
	})
	apply(t, m, plain())
	text := listing(t, ns)
	assert.NotContains(t, text, "theirs")
	assert.Contains(t, text, "table inet other")
	left, err := careful.Plan(testContext(t), plain())
	require.NoError(t, err)
	assert.True(t, left.Empty())
}
