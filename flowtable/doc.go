// Package flowtable declares nftables flowtables and says which devices they bind to. It is pure: no sockets, no files,
// any operating system.
package flowtable
