package vm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
)

// TestChoose: a name means exactly one kernel, and an unknown one is answered with all of them.
func TestChoose(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Selectors() {
		c, err := choose(s)
		require.NoError(t, err)
		assert.False(t, seen[s], s)
		seen[s] = true
		assert.Equal(t, s, c.selector)
		assert.NotEmpty(t, c.archives, s)
		assert.Truef(t, c.series == "" || c.series == s, "%s means the series %s", s, c.series)
		for _, a := range c.archives {
			assert.Contains(t, []string{"", "trixie", "sid"}, a.compiler)
		}
	}
	for _, s := range Tested() {
		assert.True(t, seen[s], s)
	}
	for _, unknown := range []string{"5.10", "7.10", "", "7", "6.12-sid"} {
		_, err := choose(unknown)
		require.Error(t, err)
		for _, s := range Selectors() {
			assert.ErrorContains(t, err, "\n  "+s+" ")
		}
		assert.ErrorContains(t, err, "the newest 7.2.x of sid, else of trixie-backports\n")
		assert.ErrorContains(t, err, "bookworm, bookworm-updates, bookworm-security")
		assert.ErrorContains(t, err, "the newest 6.18.x of trixie-backports; no headers")
	}
	assert.True(t, Stays("6.1"))
	assert.False(t, Stays("7.3"))
	assert.False(t, Stays("no"))
}

// TestPanics: the runner and the quirks agree on which kernels panic.
func TestPanics(t *testing.T) {
	for _, c := range choices() {
		if c.series != "" {
			assert.Equal(t, flowtable.KernelOf(c.series+".0").HasQuirk("panics-below-pppoe-qinq"), c.panics, c.selector)
		}
	}
}

func TestNewestOf(t *testing.T) {
	names := []string{"linux-image-6.18.9+deb13-amd64", "linux-image-6.18.15+deb13-amd64", "linux-image-6.18.15+deb13-cloud-amd64",
		"linux-image-6.18.20+deb13-rt-amd64", "linux-image-6.1.99+deb13-amd64", "linux-image-6.18.99+deb13-amd64-unsigned"}
	assert.Equal(t, "linux-image-6.18.15+deb13-amd64", newestOf(names, "6.18"))
	assert.Equal(t, "linux-image-6.1.99+deb13-amd64", newestOf(names, "6.1"))
	assert.Empty(t, newestOf(names, "7.3"))
}

func TestLabelsAndNames(t *testing.T) {
	assert.Equal(t, "6.12", label("6.12.95-1~bpo12+1"))
	assert.Equal(t, "7.2", (&Kernel{Selector: "sid", Label: "7.2"}).Name())
	assert.Equal(t, "6.12-trixie", (&Kernel{Selector: "6.12-trixie", Label: "6.12"}).Name())
}

// TestArchiveOfKernel: what an older program wrote into the cache names no archive.
func TestArchiveOfKernel(t *testing.T) {
	a, err := (&Kernel{Selector: "7.2", Archive: "trixie-backports"}).archive()
	require.NoError(t, err)
	assert.Equal(t, "trixie", a.compiler)
	a, err = (&Kernel{Selector: "sid"}).archive()
	require.NoError(t, err)
	assert.Equal(t, "sid", a.name)
	_, err = (&Kernel{Selector: "gone"}).archive()
	require.Error(t, err)
}
