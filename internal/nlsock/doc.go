// Package nlsock opens fastpath's netlink sockets and speaks through them: dumps, single requests, batches, events.
//
// Dialling, groups and options are mdlayher/netlink's. Receiving is our own, over the raw descriptor with one buffer a
// socket: a loop that ends on NLMSG_DONE or on the acknowledgement of our own sequence number, sees interrupted dumps,
// and keeps every error of a batch.
package nlsock
