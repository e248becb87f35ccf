package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// withOneConnection makes a namespace of its own, with mounts of its own, in which a TCP connection is tracked and counted, and goes on with more.
func withOneConnection(more string) string {
	return `unshare -nm sh -euc '
		ip link set lo up
		nft add table inet t
		nft add chain inet t c "{ type filter hook input priority 0; }"
		nft add rule inet t c ct state new counter
		echo 1 >/proc/sys/net/netfilter/nf_conntrack_acct
		conntrack -I -p tcp -s 192.0.2.1 -d 192.0.2.2 --sport 1000 --dport 80 -t 300 --state ESTABLISHED -u SEEN_REPLY,ASSURED >/dev/null 2>&1
		` + more + "'"
}

// Where /proc/sys is masked, as containers have it, settings are unknown: nothing says that they are 0.
func TestMaskedSettings(t *testing.T) {
	testns.RequireNamespaces(t)
	out := script(t, "", withOneConnection(`
		mount -t tmpfs none /proc/sys/net/netfilter
		$F flows 2>&1
		$F evict --all --dry-run 2>&1
		$F probe 2>&1`))
	assert.Contains(t, out, "192.0.2.1:1000")
	assert.Contains(t, out, "net.netfilter.nf_conntrack_acct: it cannot be read; if it is 0, new connections have no counters")
	assert.Contains(t, out, "net.netfilter.nf_conntrack_tcp_loose cannot be read: if it is 0")
	assert.Contains(t, out, "/proc/sys is masked here")
	assert.NotContains(t, out, " is 0:")
}

// Without /proc the kernel still answers, and takes what is declared; what would be read there is unknown.
func TestNoProc(t *testing.T) {
	testns.RequireNamespaces(t)
	out := script(t, "", "cat >spec <<'X'\n"+plainSpec+"\nX\n"+withOneConnection(`
		mount -t tmpfs none /proc
		$F apply --confirm 1h spec 2>&1 || true
		nft list tables
		$F apply spec 2>&1
		nft list tables
		$F flows 2>&1
		$F evict --all 2>&1
		$F uninstall 2>&1`))
	refused, _, applied := strings.Cut(out, "table inet plain")
	assert.True(t, applied, out)
	assert.Contains(t, refused, "/proc is not mounted here")
	assert.NotContains(t, refused, "fastpath_unconfirmed")
	assert.Contains(t, out, "192.0.2.1:1000")
	assert.Contains(t, out, "it cannot be read")
	assert.Contains(t, out, "evicted 1 connection")
}
