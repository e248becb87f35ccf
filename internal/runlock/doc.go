// Package runlock says how the lock of an owner's Run looks in nf_tables: names, batches, and what is read back. It touches no kernel.
//
// The lock is an empty table with `flags owner`: only who has CAP_NET_ADMIN in the network namespace can make one, nobody but the socket
// that made it can change or delete it, others' `flush ruleset` passes over it, and the kernel deletes it when that socket is closed,
// however its process ends (nf_tables_api.c, nft_rcv_nl_event). Who wants the lock makes another such table, the request: its holder sees
// it, and leaves. A request whose socket is closed is gone, too. Linux 5.12 brought `flags owner`.
package runlock
