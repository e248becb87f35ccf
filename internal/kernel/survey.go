package kernel

import "net/netip"

// A Survey is what packets are sent by in a network namespace, beside its devices: what a flow in the fast path may have copied when
// it was offloaded. Safe for concurrent reading.
type Survey struct {
	// Neighbours by next hop. One without a valid address of the link layer (`ip neigh` says FAILED, INCOMPLETE) has "".
	Neighbours map[Hop]string
	// Ports are the ports of bridges that stations are behind, as `bridge fdb` lists them; not the bridge's own addresses.
	Ports map[Station]int
	// Routes are all unicast routes, of every table; one that differs in its table or metric is part of the same text.
	Routes map[netip.Prefix]Route
}

// A Hop is a neighbour: the index of the device, and the address of the network layer.
type Hop struct {
	Device int
	Addr   netip.Addr
}

// A Station is an address of the link layer in one VLAN of a bridge, which is given by its index.
type Station struct {
	Bridge  int
	VLAN    uint16
	Address string
}

// A Route is where packets for a prefix go. Text has the devices by index, and compares.
type Route struct {
	Text    string
	Devices []int
}
