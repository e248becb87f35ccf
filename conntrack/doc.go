// Package conntrack watches connections: their counters, and whether software, hardware or neither of them carries the
// packets past the classic path.
//
// The kernel announces neither bit of offload, so a [Watcher] reads the table with a dump that the kernel filters by status
// and merges it with the kernel's notifications of new, changed and destroyed connections. The bits are a claim and no proof: after a
// device has left a flowtable, a flow keeps its bit while its packets take the slow path.
//
// Reading needs CAP_NET_ADMIN in the network namespace, counters need net.netfilter.nf_conntrack_acct=1 at the moment a
// connection begins, and the dump filtered by status needs Linux 5.15; older kernels answer with everything, which is
// then filtered here. The types and decoders build on any OS; on anything but Linux, [Open] needs a [Source].
package conntrack
