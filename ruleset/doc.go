// Package ruleset compiles declared tables into nftables netlink batches. It is pure and builds on any operating system.
//
// A wish (Spec) becomes bound to a machine (Resolve), is compared with what a kernel holds (Diff), and is encoded (Batch).
package ruleset
