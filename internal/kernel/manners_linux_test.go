package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
)

// What the three kernels and this machine's answer to the probe, and what is made of it.
func TestJudge(t *testing.T) {
	old, recent := flowtable.KernelOf("6.1.0"), flowtable.KernelOf("7.2.0")
	tests := map[string]struct {
		release                       flowtable.Kernel
		answers                       answers
		byName, wildcards, flowtables Finding
	}{
		"6.1 and 6.12": {old, answers{probeTable: 0, probeEmpty: 0, probeMissing: unix.ENOENT, probePrefix: unix.EINVAL},
			Finding{Known: true}, Finding{Known: true}, Finding{Known: true, Yes: true}},
		"7.2": {recent, answers{probeTable: 0, probeEmpty: 0, probeMissing: 0, probePrefix: 0},
			Finding{Known: true, Yes: true}, Finding{Known: true, Yes: true}, Finding{Known: true, Yes: true}},
		"names without prefixes": {recent, answers{probeTable: 0, probeEmpty: 0, probeMissing: 0, probePrefix: unix.EINVAL},
			Finding{Known: true, Yes: true}, Finding{Known: true}, Finding{Known: true, Yes: true}},
		"the release lies": {recent, answers{probeTable: 0, probeEmpty: 0, probeMissing: unix.ENOENT, probePrefix: unix.EINVAL},
			Finding{Known: true}, Finding{Known: true}, Finding{Known: true, Yes: true}},
		"no flowtables": {recent, answers{probeTable: 0, probeEmpty: unix.ENOENT, probeMissing: unix.ENOENT, probePrefix: unix.ENOENT},
			Finding{Yes: true}, Finding{Yes: true}, Finding{Known: true}},
		"no privilege, old":    {old, answers{0: unix.EPERM}, Finding{}, Finding{}, Finding{}},
		"no privilege, recent": {recent, answers{0: unix.EPERM}, Finding{Yes: true}, Finding{Yes: true}, Finding{}},
		"no answer":            {recent, answers{}, Finding{Yes: true}, Finding{Yes: true}, Finding{}},
		"no nf_tables":         {old, answers{0: unix.EOPNOTSUPP}, Finding{}, Finding{}, Finding{Known: true}},
		"an unexpected errno": {old, answers{probeTable: 0, probeEmpty: 0, probeMissing: unix.ENOMEM, probePrefix: unix.ENOMEM},
			Finding{}, Finding{}, Finding{Known: true, Yes: true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := judge(test.release, test.answers)
			for what, pair := range map[string][2]Finding{"flowtables": {test.flowtables, m.Flowtables},
				"by name": {test.byName, m.ByName}, "wildcards": {test.wildcards, m.Wildcards}} {
				want, have := pair[0], pair[1]
				assert.Equal(t, want.Known, have.Known, "%s: %s", what, have.Evidence)
				assert.Equal(t, want.Yes, have.Yes, "%s: %s", what, have.Evidence)
				assert.NotEmpty(t, have.Evidence)
			}
			assert.Equal(t, m.ByName.Yes, m.Kernel.ByName)
			assert.Equal(t, m.Wildcards.Yes, m.Kernel.Wildcards)
		})
	}
}

func TestDebianVersion(t *testing.T) {
	const debian = "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-3 (2026-09-14)"
	for _, test := range []struct{ release, build, want string }{
		{"6.1.0-57-amd64", debian, "6.1.192"},
		{"6.1.0-57-rt-amd64", "#1 SMP PREEMPT_RT Debian 6.1.192-3~bpo11+1 (2026-09-14)", "6.1.192"},
		{"6.12.117+deb13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.117-1 (2026-11-02)", ""},
		{"6.12.0-custom", debian, ""},
		{"6.1.0-57-amd64", "#1 SMP Mon Sep 14 12:00:00 UTC 2026", ""},
		{"6.18.44", "", ""},
	} {
		assert.Equal(t, test.want, debianVersion(test.release, test.build), test)
	}
}
