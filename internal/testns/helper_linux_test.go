package testns

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is how often tests ask for a condition.
const tick = 10 * time.Millisecond

func itoa(n int) string { return strconv.Itoa(n) }

func anyContains(lines []string, part string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { return strings.Contains(l, part) })
}

// networks is both transports, for loops.
func networks() []string { return []string{"tcp", "udp"} }

func addrPortOf(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
