package offloadtest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Two writers of one table change the same rule, element and device, each from what was there before: the second is told to plan
// again, although its messages would be the same.
func TestNoUpdateIsLost(t *testing.T) {
	versions := func(version string) map[string]*ruleset.Spec {
		rule := declare("fw")
		rule.Tables[0].Chains = []ruleset.Chain{{Name: "c", Hook: ruleset.Forward, Rules: []ruleset.Rule{ruleset.R(ruleset.Counter()).Note(version)}}}
		device := declare("fw", version)
		element := declare("fw")
		element.Tables[0].Sets = []ruleset.Set{{Name: "s", Type: ruleset.IfName, Elements: []string{version}}}
		return map[string]*ruleset.Spec{"rule": rule, "device": device, "element": element}
	}
	for what := range versions("") {
		k, a := manage(t, Linux72("old", "a", "b"))
		b, err := offload.Open(t.Context(), &offload.Config{Kernel: k})
		require.NoError(t, err)
		require.NoError(t, apply(t, a, versions("old")[what]))
		of, err := a.Plan(t.Context(), versions("a")[what])
		require.NoError(t, err)
		theirs, err := b.Plan(t.Context(), versions("b")[what])
		require.NoError(t, err)
		_, err = a.Apply(t.Context(), of)
		require.NoError(t, err)
		held := k.Ruleset()
		_, err = b.Apply(t.Context(), theirs)
		assert.ErrorIs(t, err, offload.ErrConflict, what)
		assert.Equal(t, held, k.Ruleset(), what)
	}
}
