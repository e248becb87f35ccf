package conntrack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What cannot be read is unknown, and is not told as 0; what a kernel was built without is 0.
func TestSettingsThatCannotBeRead(t *testing.T) {
	all := map[string]string{accountingKey: "1\n", eventsKey: "1\n", timestampsKey: "1\n", tcpLooseKey: "1\n", countKey: "3\n"}
	known := Settings{Accounting: true, Events: 1, Timestamps: true, TCPLoose: true, Count: 3}
	for name, test := range map[string]struct {
		change func(map[string]string)
		want   Settings
	}{
		"all there": {func(map[string]string) {}, known},
		"built without timestamps": {func(m map[string]string) { delete(m, timestampsKey) },
			Settings{Accounting: true, Events: 1, TCPLoose: true, Count: 3}},
		"no number": {func(m map[string]string) { m[tcpLooseKey] = "on\n" },
			Settings{Accounting: true, Events: 1, Timestamps: true, Count: 3, Unknown: []string{tcpLooseKey}}},
		"masked": {func(m map[string]string) { clear(m) },
			Settings{Unknown: []string{accountingKey, eventsKey, timestampsKey, tcpLooseKey, countKey}}},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for k, v := range all {
				files[k] = v
			}
			test.change(files)
			folder := t.TempDir() + "/"
			for key, value := range files {
				require.NoError(t, os.MkdirAll(filepath.Dir(folder+path(key)), 0o755))
				require.NoError(t, os.WriteFile(folder+path(key), []byte(value), 0o600))
			}
			assert.Equal(t, test.want, readSettings(folder))
		})
	}
}

func TestUnknownSettingsAreNotTakenForZero(t *testing.T) {
	s := Settings{Unknown: []string{accountingKey, eventsKey, timestampsKey, tcpLooseKey, countKey}}
	for _, l := range s.Lacks() {
		assert.Equal(t, "unknown", l.Value)
		assert.Contains(t, l.String(), l.Key+" is unknown: it cannot be read; if it is 0, ")
	}
	assert.Len(t, s.Lacks(), 3)
	e := tcpEntry("192.0.2.1:1", "192.0.2.2:2", "192.0.2.2:2", "192.0.2.1:1")
	assert.Equal(t, "net.netfilter.nf_conntrack_tcp_loose cannot be read: if it is 0, the connection is not picked up again", s.Risk(&e))
	s = Settings{Accounting: true, Events: 1, Timestamps: true, TCPLoose: true, Unknown: []string{countKey}}
	assert.Empty(t, s.Lacks())
	assert.Empty(t, s.Risk(&e))
}
