// Package nlmsg encodes, walks and prints netlink and nfnetlink messages. It opens no sockets and builds on any OS; the
// kernel's constants are written out here with their source.
package nlmsg
