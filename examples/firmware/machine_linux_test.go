package main

import "encoding/binary"

// thisOrder is the byte order of this machine, as -order names it.
func thisOrder() string {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return "big"
	}
	return "little"
}
