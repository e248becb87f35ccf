package flowtable

// guardQuirks are about devices that some kernels must not be given in a flowtable. Bind acts on each of them (guard).
func guardQuirks() []Quirk {
	return []Quirk{
		{
			ID: quirkPanics, From: "6.19", Until: "7.1",
			Effect: "the kernel panics when the fast path sends a packet out by a listed device under a PPPoE session or two VLAN tags: it makes no room for their headers",
			Do:     "run another kernel: Bind lists no device while the machine has a ppp device or a VLAN in a VLAN, picked or not, and all take the classic path (Spec.NoGuard)",
			Source: "nf_flow_table_ip.c, nf_flow_encap_push; nf_flow_table_path.c, nft_dev_forward_path; seen on 6.19.14 and 7.0.13, not on 6.18.15, 7.1.13, 7.2.13 and 7.3.4",
		},
		{
			ID: quirkNoEthernet, From: "6.19", Until: "7.2",
			Effect: "connections break whose packets come in by a listed device that is no Ethernet (ppp, ipip, ip6tnl, a raw IP modem), unless what it goes by is listed too",
			Do:     "list a tunnel together with the device that it goes by, as Bind does; with another device of this kind Bind lists none (Spec.NoGuard)",
			Source: "nf_flow_table_ip.c, nf_flow_queue_xmit; seen on 6.19.14 (ipip), 7.0.13 and 7.1.13 (ppp, ipip, ip6tnl), not on 6.18.15, 7.2.13 and 7.3.4",
		},
		{
			ID: quirkNoHeader, From: "6.19", Until: "7.2",
			Effect: "what the fast path sends out by a VLAN device or a PPPoE session leaves by the device below, without its tag or header, unless that one is listed; so connections break from a listed device to one whose lower device is not",
			Do:     "list the devices that packets come in by, as Bind does, for all VLANs that connections go over; Bind lists no device if a VLAN device is picked or listed without the one below (Spec.NoGuard)",
			Source: "nf_flow_table_path.c, nft_dev_forward_path (read, not tried)",
		},
		{
			ID: quirkTooDeep, From: "7.0", Until: "7.2",
			Effect: "connections break over a PPPoE session on two VLAN tags, whichever of its devices are listed",
			Do:     "nothing: Bind lists no device while the machine has three headers on one another (Spec.NoGuard); 6.1 and 6.12 carry such connections with the session alone listed, later ones do not",
			Source: "nf_flow_table_path.c; seen on 7.0.13 (the session listed) and 7.1.13 (all), not on 7.2.13 and 7.3.4",
		},
	}
}
