// Package offloadtest helps to test programs that use offload: a Kernel in memory that reads the netlink bytes of every batch
// and answers as Linux 6.1, 6.12, 6.18, 7.2 or 7.3 does, and a Router that forwards real packets through this machine's kernel.
//
// The Kernel imitates what package ruleset's compiler sends: tables, chains, sets with their elements, flowtables and rules of
// the families ip, ip6 and inet, made, changed and deleted one by one, with handles, use counts, generations, echoes, and all or
// nothing. What it holds it gives back attribute by attribute as kernels do. One contract test holds it against the real ones. It
// does not forward packets: flows are there because the test adds them. Expressions that the compiler does not know are kept as
// they were sent. Base chains of the family netdev, objects and maps are not imitated: they are refused with EOPNOTSUPP.
//
// The Router is for the few tests that must see packets take the fast path: NewRouter skips them where that cannot be.
package offloadtest
