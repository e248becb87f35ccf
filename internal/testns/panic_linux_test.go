package testns

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

// TestMayBuild: PPPoE and two VLAN tags are refused on the kernels that panic below them, and on no other; all other stacks never are.
func TestMayBuild(t *testing.T) {
	require.True(t, slices.ContainsFunc(flowtable.Quirks(), func(q flowtable.Quirk) bool { return q.ID == panicsBelow }), "the quirk has that name")
	deadly := []Stack{QinQ, PPPoE, PPPoEVLAN, PPPoEQinQ}
	for release, panics := range map[string]bool{
		"6.1.0-57-amd64": false, "6.12.117+deb13-amd64": false, "6.18.15+deb13-amd64": false, "6.19.14+deb13-amd64": true,
		"7.0.13+deb13-amd64": true, "7.1.13+deb13-amd64": false, "7.3.4+deb13-amd64": false, "unreadable": true,
	} {
		for _, s := range append([]Stack{Plain}, Stacks()...) {
			for _, err := range []error{mayBuild(release, s), mayBuild(release, Bridge, s), mayBuild(release, s, Plain)} {
				if panics && slices.Contains(deadly, s) {
					require.ErrorIs(t, err, ErrNotOnThisKernel, "%s on %s", s, release)
					assert.Regexp(t, `^not on this kernel: .*`+string(s), err.Error())
				} else {
					require.NoError(t, err, "%s on %s", s, release)
				}
			}
		}
	}
}
