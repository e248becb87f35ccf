// Package testns builds network namespaces, a routed topology and real traffic for tests and demonstrations, and proves which
// path the traffic takes.
//
// A test needs a router between a client and a server, packets of known flows, and an answer that does not come from the code under
// test. The package gives all three with the Go standard library and the tools ip, nft and conntrack:
//
//   - [Namespace] is an anonymous network namespace. Nothing of it outlives Close or the process, and no thread of the Go scheduler
//     is ever left inside.
//   - [Router] is the topology client, router, server with IPv4 and IPv6. [Flow] is one TCP or UDP connection across it.
//   - [Router.Measure], [Router.Reaches] and the Assert functions prove the path. A connection is on the fast path when the forward
//     hook of the router no longer sees its packets while both directions go on counting in conntrack; the [OFFLOAD] tag alone
//     proves nothing.
//
// Functions return errors, for programs. Those that take a [TB] fail or skip the test instead. The package works on Linux only; it
// needs CAP_SYS_ADMIN and CAP_NET_ADMIN, as root or in a user namespace (unshare -rn).
package testns
