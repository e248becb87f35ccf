// Bench measures fastpath against its peers, in one run and side by side: for rulesets the program nft as a whole process and
// github.com/google/nftables; for connections the program conntrack, github.com/ti-mo/conntrack, github.com/vishvananda/netlink and a bare
// receive loop. It needs root and Linux. All it does happens in network namespaces that it makes and closes, but for the machine's
// limits of connections, which it raises and puts back. It ends with one line a goal and exits with 1 when one is short.
package main
