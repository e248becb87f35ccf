// Package fastpath is the map of a library that declares nftables flowtables in Go, compiles them to netlink batches, and
// shows which connections the fast path carries: software, hardware, or neither. It has no code of its own.
//
// What one does with the library goes through four packages:
//
//   - [github.com/go-fastpath/fastpath/flowtable] declares flowtables and says which devices they bind to. Pure: any
//     operating system, no privilege.
//   - [github.com/go-fastpath/fastpath/ruleset] declares tables, chains, sets and rules around them, validates the whole,
//     and compiles it to nft text or to a netlink batch. Pure as well.
//   - [github.com/go-fastpath/fastpath/offload] applies a declaration to a kernel as one transaction, and reports what
//     its flowtables carry. Linux, CAP_NET_ADMIN.
//   - [github.com/go-fastpath/fastpath/conntrack] watches connections: counters, and the path that each one takes. It
//     knows neither tables nor flowtables and is useful alone. Linux, CAP_NET_ADMIN.
//
// A declaration walks through types of its own, one for each thing that is learned on the way:
//
//	Spec      what is wished for
//	Resolved  Resolve: with the devices of a machine, a flowtable.Target
//	Plan      Diff: the way there from what the kernel holds, a Loaded
//	Batch     Plan.Batch: its bytes, one transaction
//
// Up to the Batch everything is a value: equal input gives equal bytes on every host. offload.Manager takes the same way
// against a live kernel, in two calls: Plan and Apply.
//
// examples/quickstart is the tour in one program, cmd/flowctl the library as a command.
package fastpath
