// Bench measures fastpath against its peers, in one run and side by side: the program nft as a whole process, and
// github.com/google/nftables. It needs root and Linux; all it does to nf_tables happens in network namespaces that it makes
// and closes. It ends with one line a goal and exits with 1 when one is short.
package main
