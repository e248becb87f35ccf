package offload_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
)

// Debian's stock nftables.conf begins with `flush ruleset`: a reload takes the mark of the kill switch with everything else, and is no reason to
// bring the fast path back.
func TestOffOutlivesAFlush(t *testing.T) {
	for _, cfg := range []offload.RunConfig{{}, {ReportOnly: true}} {
		synctest.Test(t, func(t *testing.T) {
			kernel := &watched{Kernel: offloadtest.New(t, offloadtest.Linux61("eth0"))}
			var log bytes.Buffer
			m, err := offload.Open(t.Context(), &offload.Config{Kernel: kernel, Run: cfg, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))})
			require.NoError(t, err)
			r := &running{T: t, kernel: kernel, m: m}
			r.start(fast("eth0"))
			r.pass(time.Second)
			require.NoError(t, m.Off(t.Context(), ""))
			r.pass(time.Second)
			since := r.status().Off.Since
			require.NotEmpty(t, since)
			for range 3 { // also the one that it made again, and tables that it repaired
				kernel.ForeignFlush()
				r.pass(10 * time.Second)
				assert.Empty(t, r.held())
				off, is, err := m.IsOff(t.Context(), "")
				require.NoError(t, err)
				require.True(t, is)
				assert.Equal(t, since, off.Since, "when it was said")
				if cfg.ReportOnly {
					assert.Equal(t, offload.PhaseDrifted, r.status().Phase)
					assert.Equal(t, 1, r.tables(), "the mark")
				} else {
					assert.Equal(t, offload.PhaseOff, r.status().Phase)
					assert.Equal(t, 1, r.rules())
				}
			}
			assert.Contains(t, log.String(), "a flush took the mark of the kill switch")
			require.NoError(t, m.On(t.Context(), ""))
			require.NoError(t, m.Update(fast("eth0")))
			r.pass(time.Second)
			assert.Equal(t, []string{"eth0"}, r.held())
			assert.Equal(t, 1, r.tables(), "no sign is left")
			r.stop(context.Canceled)
		})
	}
}

// What ends the kill switch on purpose is told from a flush, also if Run looks when all is over; and leaves nothing behind.
func TestOffEndsOnPurpose(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, other *offload.Manager, r *running){
		"on": func(t *testing.T, other *offload.Manager, _ *running) {
			require.NoError(t, other.On(t.Context(), ""))
		},
		"on, and then a flush": func(t *testing.T, other *offload.Manager, r *running) {
			require.NoError(t, other.On(t.Context(), ""))
			r.pass(time.Second)
			r.kernel.ForeignFlush()
		},
		"uninstall": func(t *testing.T, other *offload.Manager, _ *running) {
			_, err := other.Uninstall(t.Context(), "")
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, offloadtest.Linux61("eth0"), offload.RunConfig{}, fast("eth0"), func(t *testing.T, r *running) {
				other, err := offload.Open(t.Context(), &offload.Config{Kernel: r.kernel.Kernel})
				require.NoError(t, err)
				r.pass(time.Second)
				require.NoError(t, other.Off(t.Context(), ""))
				r.pass(time.Second)
				require.Equal(t, offload.PhaseOff, r.status().Phase)
				end(t, other, r)
				r.pass(2 * time.Second)
				assert.Equal(t, offload.PhaseSteady, r.status().Phase)
				assert.Equal(t, []string{"eth0"}, r.held())
				assert.Equal(t, 1, r.tables(), "no sign is left")
			})
		})
	}

	m, kernel := onFake(t, offloadtest.Linux61("eth0"), nil)
	applySpec(t, m, fast("eth0"))
	require.NoError(t, m.Off(t.Context(), ""))
	_, err := m.Uninstall(t.Context(), "")
	require.NoError(t, err)
	assert.Empty(t, kernel.Ruleset(), "without a Run there is nobody to tell")
}
