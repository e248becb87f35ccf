package offloadtest

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/flowtable"
)

// TestModelOf: a release answers as the model before it; what a kernel does with names counts more than its release.
func TestModelOf(t *testing.T) {
	for release, want := range map[string]model{
		"5.10.0": linux61, "6.1.0-57-amd64": linux61, "6.3.1": linux61, "6.4.0": linux612, "6.12.117+deb13-amd64": linux612, "6.15.2": linux612,
		"6.16.12": linux618, "6.18-rc1": linux618, "7.1.13+deb13-amd64": linux618, "7.2.13": linux72, "7.3.4": linux73, "8.0": linux73, "": linux61,
	} {
		assert.Equal(t, want, modelOf(flowtable.KernelOf(release)), release)
	}
	assert.Equal(t, linux72, modelOf(flowtable.Kernel{ByName: true}), "of no known release")
	assert.Equal(t, linux612, modelOf(flowtable.Kernel{Release: "7.2.13"}), "one that looks devices up")
	for m, target := range modelTargets {
		assert.Equal(t, model(m), modelOf(target().Kernel), modelNames[m])
	}
}
