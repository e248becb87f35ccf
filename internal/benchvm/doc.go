// Benchvm measures Manager.Run on a kernel that has flowtables, beside one bare call of nft in the same run: how soon a device is bound,
// in how many commits many devices are, what a Manager costs that has nothing to do, how soon a flushed ruleset is back. It needs root and
// works in network namespaces that it makes; `make bench-vm` runs it in the virtual machine. It ends with one line a goal and exits with 1
// when one is short.
package main
