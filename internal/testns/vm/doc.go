// Package vm runs Go test binaries and programs on Debian kernels that have
// flowtables, in a small virtual machine made by qemu in software emulation.
//
// One boot serves any number of programs. A boot needs a kernel image, an
// initramfs with the netfilter modules and a few tools, the hardware-offload
// simulator of the folder hwsim, and the programs themselves; all of it is made
// here and kept in the user's cache folder, so that only the first run touches
// the network. See the README beside this file for the verbs of the command.
package vm
