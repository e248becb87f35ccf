//go:build !linux

// Command guest is /init of the micro VM and runs on Linux only.
package main

func main() {}
