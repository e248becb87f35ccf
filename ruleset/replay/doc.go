// Package replay sends compiled batches to the kernel and does nothing else, for loaders in firmware: no compiler, no JSON, no
// netlink library, no fmt. Package ruleset makes what it sends: a Batch (MarshalBinary), or an image of a whole ruleset
// (Resolved.Image). Reading an image works on any OS, sending needs Linux.
package replay
