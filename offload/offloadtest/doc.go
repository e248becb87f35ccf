// Package offloadtest helps to test programs that use offload: a Kernel in memory that reads the netlink bytes of every batch
// and answers as Linux 6.1, 6.12 or 7.2 does.
//
// It imitates what package ruleset's compiler sends: tables, chains, sets with their elements, flowtables and rules of the
// families ip, ip6 and inet, with handles, use counts, generations, and all or nothing. One contract test holds it against the
// real kernels. It does not forward packets: flows are there because the test adds them. The insides of expressions are kept
// as they were sent; only what they refer to (sets, chains, flowtables) is looked at. Base chains of the family netdev, objects
// and maps are not imitated: they are refused with EOPNOTSUPP.
package offloadtest
