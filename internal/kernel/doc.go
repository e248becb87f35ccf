// Package kernel is the real kernel behind offload: it reads a network namespace's devices and settings, tries how the kernel
// treats flowtables, dumps nf_tables, and commits batches.
package kernel
