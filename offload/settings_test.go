package offload_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

const (
	forward = "net.ipv4.ip_forward"
	udpIdle = "net.netfilter.nf_flowtable_udp_timeout"
)

func sysctls(t *testing.T, k *offloadtest.Kernel, keys ...string) []string {
	t.Helper()
	var values []string
	for _, key := range keys {
		v, err := k.Sysctl(t.Context(), key)
		require.NoError(t, err)
		values = append(values, v)
	}
	return values
}

// What SetSettings changed another process puts back, whatever was set in between.
func TestSettingsComeBack(t *testing.T) {
	m, kernel := onFake(t, offloadtest.Linux612("eth0"), nil)
	kernel.SetSysctl(forward, "0")
	kernel.SetSysctl(acct, "1")
	kernel.SetSysctl(udpIdle, "30")
	changed, err := m.SetSettings(t.Context(), "", offload.Setting{Key: forward, Value: "1"}, offload.Setting{Key: acct, Value: "1"},
		offload.Setting{Key: udpIdle, Value: "60"})
	require.NoError(t, err)
	assert.Equal(t, []offload.Setting{{Key: forward, Value: "1"}, {Key: udpIdle, Value: "60"}}, changed)
	changed, err = m.SetSettings(t.Context(), "", offload.Setting{Key: udpIdle, Value: "90"})
	require.NoError(t, err)
	assert.Len(t, changed, 1)
	assert.Equal(t, []string{"1", "1", "90"}, sysctls(t, kernel, forward, acct, udpIdle))
	applySpec(t, m, auto(flowtable.HardwareOff, "eth0"))
	assert.Contains(t, kernel.Ruleset(), "before 30")

	later, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel})
	require.NoError(t, err)
	done, err := later.Uninstall(t.Context(), "")
	require.NoError(t, err)
	assert.ElementsMatch(t, []offload.Setting{{Key: forward, Value: "0"}, {Key: udpIdle, Value: "30"}}, done.Restored)
	assert.Empty(t, done.Left)
	assert.Equal(t, []string{"0", "1", "30"}, sysctls(t, kernel, forward, acct, udpIdle))
	assert.Empty(t, kernel.Ruleset(), "nothing of ours is left")
	done, err = later.Uninstall(t.Context(), "")
	require.NoError(t, err)
	assert.Empty(t, done.Restored)
}

// What someone else changed since is theirs, and so is accounting while their rules count.
func TestSettingsOfOthersStay(t *testing.T) {
	m, kernel := onFake(t, offloadtest.Linux612("eth0"), nil)
	kernel.SetSysctl(forward, "0")
	kernel.SetSysctl(udpIdle, "30")
	kernel.SetSysctl(acct, "0")
	for _, s := range []offload.Setting{{Key: forward, Value: "1"}, {Key: udpIdle, Value: "60"}, {Key: acct, Value: "1"}} {
		_, err := m.SetSettings(t.Context(), "mine", s)
		require.NoError(t, err)
	}
	kernel.SetSysctl(udpIdle, "45")
	other := elephants(flowtable.HardwareOff, "eth0")
	other.Owner = "other"
	applySpec(t, m, other)
	done, err := m.Uninstall(t.Context(), "mine")
	require.NoError(t, err)
	assert.Equal(t, []offload.Setting{{Key: forward, Value: "0"}}, done.Restored)
	require.Len(t, done.Left, 2)
	for _, l := range done.Left {
		assert.NotEmpty(t, l.Why, l.Key)
	}
	assert.Equal(t, []string{"0", "45", "1"}, sysctls(t, kernel, forward, udpIdle, acct))
	assert.NotContains(t, kernel.Ruleset(), "fastpath_setting", "it is remembered no longer")
	_, err = m.Uninstall(t.Context(), "other")
	require.NoError(t, err)
}

func TestSettingsThatAreRefused(t *testing.T) {
	m, kernel := onFake(t, offloadtest.Linux612("eth0"), nil)
	kernel.SetSysctl(forward, "0")
	for _, s := range []offload.Setting{
		{Key: "kernel.panic", Value: "1"}, {Key: forward, Value: "2"}, {Key: forward, Value: ""}, {Key: forward, Value: "01"},
		{Key: "net.netfilter.nf_conntrack_events", Value: "3"}, {Key: "net.netfilter.nf_conntrack_timestamp", Value: "2"}, {Key: udpIdle, Value: "0"}, {Key: udpIdle, Value: "-1"}, {Key: udpIdle, Value: "1e9"}, {Key: "../" + forward, Value: "1"},
	} {
		_, err := m.SetSettings(t.Context(), "", offload.Setting{Key: forward, Value: "1"}, s)
		require.Error(t, err, "%v", s)
	}
	_, err := m.SetSettings(t.Context(), "", offload.Setting{Key: forward, Value: "1"}, offload.Setting{Key: udpIdle, Value: "60"})
	require.ErrorIs(t, err, fs.ErrNotExist, "the kernel lacks it")
	assert.Equal(t, []string{"0"}, sysctls(t, kernel, forward))
	assert.Empty(t, kernel.Ruleset())
	kernel.FailCommit(&ruleset.CommitError{Refusals: []ruleset.Refusal{{Errno: 1}}})
	_, err = m.SetSettings(t.Context(), "", offload.Setting{Key: forward, Value: "1"})
	require.ErrorIs(t, err, fs.ErrPermission)
	assert.Equal(t, []string{"0"}, sysctls(t, kernel, forward), "what cannot be remembered is not changed")

	bare, err := offload.Open(t.Context(), &offload.Config{Kernel: struct{ offload.Kernel }{kernel}})
	require.NoError(t, err)
	_, err = bare.SetSettings(t.Context(), "", offload.Setting{Key: forward, Value: "1"})
	require.True(t, errors.Is(err, errors.ErrUnsupported))
}

// What two owners set stays as long as one of them is there, and goes back to what it was before both, whoever leaves first.
func TestSettingsOfTwoOwners(t *testing.T) {
	const key = "net.netfilter.nf_flowtable_udp_timeout"
	for name, test := range map[string]struct {
		a, b  string
		first string
		after string // the first one left
	}{
		"the same, the first leaves":   {"60", "60", "a", "60"},
		"the same, the second leaves":  {"60", "60", "b", "60"},
		"other ones, the first leaves": {"60", "90", "a", "90"},
		"other ones, the last leaves":  {"60", "90", "b", "60"},
	} {
		t.Run(name, func(t *testing.T) {
			m, kernel := onFake(t, offloadtest.Linux612("eth0"), nil)
			kernel.SetSysctl(key, "30")
			_, err := m.SetSettings(t.Context(), "a", offload.Setting{Key: key, Value: test.a})
			require.NoError(t, err)
			changed, err := m.SetSettings(t.Context(), "b", offload.Setting{Key: key, Value: test.b})
			require.NoError(t, err)
			assert.Equal(t, test.a != test.b, len(changed) == 1, "what had the value is not told as changed")
			done, err := m.Uninstall(t.Context(), test.first)
			require.NoError(t, err)
			assert.Equal(t, []string{test.after}, sysctls(t, kernel, key))
			second := map[string]string{"a": "b", "b": "a"}[test.first]
			if len(done.Restored) == 0 {
				require.Len(t, done.Left, 1)
				assert.Contains(t, done.Left[0].Why, `the owner "`+second+`"`)
			}
			done, err = m.Uninstall(t.Context(), second)
			require.NoError(t, err)
			assert.Equal(t, []offload.Setting{{Key: key, Value: "30"}}, done.Restored)
			assert.Empty(t, done.Left)
			assert.Empty(t, kernel.Ruleset())
		})
	}
	m, kernel := onFake(t, offloadtest.Linux612("eth0"), nil)
	kernel.SetSysctl(key, "30")
	_, err := m.SetSettings(t.Context(), "a", offload.Setting{Key: key, Value: "30"})
	require.NoError(t, err)
	assert.Empty(t, kernel.Ruleset(), "nobody changed it")
}
