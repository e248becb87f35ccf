// Package vmtest checks the virtual machine itself: that a kernel boots with
// all modules, that nft makes flowtables, that the hardware-offload simulator
// accepts, rejects and refuses. It has tests only.
package vmtest
