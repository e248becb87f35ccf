package vmtest

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSoakSimulator binds, refuses, offloads and deletes over and over: for
// $FASTPATH_SOAK, or once. The kernel log is searched by the runner.
func TestSoakSimulator(t *testing.T) {
	inVM(t)
	length := time.Duration(0)
	if s := os.Getenv("FASTPATH_SOAK"); s != "" {
		var err error
		length, err = time.ParseDuration(s)
		require.NoError(t, err)
	}
	router(t)
	traffic(t)
	sh(t, "ip -n r link add hwno0 type dummy")
	bound, unbound := readParam(t, "n_bind"), readParam(t, "n_unbind")
	rounds := 0
	for end := time.Now().Add(length); rounds == 0 || time.Now().Before(end); rounds++ {
		require.NoError(t, nft("r", hardwareTable))
		require.Error(t, nft("r", "add flowtable inet t g { hook ingress priority 1; devices = { hwno0 }; flags offload; }\n"))
		awaitFlow(t, "the flow is in hardware", inHardware)
		require.NoError(t, nft("r", "delete table inet t\n"))
		awaitFlow(t, "the flow has left it", notOffloaded)
	}
	require.Equal(t, bound+2*rounds, readParam(t, "n_bind"))
	require.Equal(t, unbound+2*rounds, readParam(t, "n_unbind"))
	require.Zero(t, readParam(t, "n_rules"))
	t.Logf("%d rounds", rounds)
}
