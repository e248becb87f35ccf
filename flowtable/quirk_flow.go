package flowtable

// flowQuirks are about flows in the fast path.
func flowQuirks() []Quirk {
	return []Quirk{
		{
			ID: "fin-leaves", Until: "6.14",
			Effect: "the first FIN or RST of a TCP connection takes it out of its flowtable, and the classic path sees the end",
			Do:     "expect a step back to slow before the end of each connection",
			Source: "nf_flow_table_ip.c, nf_flow_state_check, changed by fdbaf5163331 (read); seen up to 6.12.117; TestDocsFIN, TestDocsRST",
		},
		{
			ID: "fin-stays", From: "6.14",
			Effect: "FIN and RST pass in the fast path: the entry stays [OFFLOAD] for nf_flowtable_tcp_timeout and then is CLOSE, without an event of the states between",
			Do:     "take no [OFFLOAD] for a sign that the connection lives; shorten nf_flowtable_tcp_timeout if entries pile up",
			Source: "nf_flow_table_core.c, NF_FLOW_CLOSING; seen from 6.16.12 to 7.3.4; TestDocsFIN, TestDocsRST",
		},
		{
			ID: "rst-looks-established", Until: "6.14",
			Effect: "a connection that was reset in the fast path is shown as ESTABLISHED, with the short timeout of a closed one",
			Do:     "do not infer from the state that a connection lives",
			Source: "nf_flow_table_core.c, flow_offload_fixup_tcp; seen up to 6.12.117; TestDocsRST",
		},
		{
			ID: "half-offload", Until: "7.2",
			Effect: "a connection is [OFFLOAD] though the device of one direction is not in the flowtable: that direction takes the classic path",
			Do:     "list the devices of both sides; do not take the tag for a proof",
			Source: "nft_flow_offload.c, nft_dev_forward_path; TestDocsHalfOffloaded",
		},
		{
			ID: "both-sides", From: "7.2",
			Effect: "a connection is not offloaded at all unless the real devices of both directions are in the flowtable and both neighbours are reachable",
			Do:     "list the devices of both sides",
			Source: "nf_flow_table_path.c, nft_flow_route; TestDocsHalfOffloaded",
		},
		{
			ID: "neighbour-address", From: "6.19", Stable: []Span{{From: "6.18.45"}},
			Effect: "packets are sent to the neighbour's address as it stands in the table, without asking for it: flows stall after `ip neigh flush` until something else asks",
			Do:     "do not flush neighbours of live flows; Manager.Stale lists such flows, evicting them mends them (docs/stale.md)",
			Source: "nf_flow_table_ip.c, nf_flow_queue_xmit, of b5964aac51e0; seen from 6.19.14 to 7.3.4, not on 6.18.15; 6.18.45 took that commit (read, not run); TestStale",
		},
		{
			ID:     "copied-way",
			Effect: "over bridges, PPPoE, switch ports and with `flags offload`, a flow goes on to the address and port that it was offloaded with, whatever changes",
			Do:     "RunConfig.Stale reports or evicts such flows (docs/stale.md)",
			Source: "nf_flow_table_path.c, FLOW_OFFLOAD_XMIT_DIRECT; TestStale",
		},
		{
			ID: "pppoe-segments", From: "7.2",
			Effect: "large segments are cut in software before they go into a PPPoE session",
			Do:     "measure before relying on the fast path for uploads over PPPoE",
			Source: "nf_flow_table_path.c; nf_flow_table_ip.c",
		},
		{
			ID:     "device-leaves-flows-stay",
			Effect: "a device that is taken out of a live flowtable leaves its flows marked [OFFLOAD], while their packets take the classic path and meet its rules",
			Do:     "take no tag for a proof; evict the flows, as Apply does with those that the rules forbid and those that a hardware flowtable leaves",
			Source: "nf_tables_api.c, nft_delflowtable_hook",
		},
		{
			ID:     "rules-not-met",
			Effect: "flows in the fast path meet no rule: a new drop or exclusion says nothing to them until they leave",
			Do:     "apply by a Manager, which evicts what a plan forbids; or evict by hand",
			Source: "nf_flow_table_ip.c; TestDocsEvict",
		},
		{
			ID:     "evict-needs-loose",
			Effect: "a TCP connection that is deleted from conntrack comes back in the middle: with nf_conntrack_tcp_loose=0, or under NAT by a rule that is gone, it breaks",
			Do:     "leave net.netfilter.nf_conntrack_tcp_loose at 1 where flows are evicted; Apply warns before it evicts",
			Source: "nf_conntrack_proto_tcp.c, tcp_new",
		},
		{
			ID:     "udp-timeout-after",
			Effect: "a connection that leaves its flowtable is left the kernel's timeout less the flowtable's: an unreplied UDP one is left nothing by the defaults",
			Do:     "raise nf_conntrack_udp_timeout above nf_flowtable_udp_timeout where such connections must not begin anew",
			Source: "nf_flow_table_core.c, flow_offload_fixup_ct; seen up to 7.3.4; TestDocsIdleTimeout",
		},
		{
			ID: "tcp-day-left", From: "6.16", Stable: []Span{{From: "6.12.117"}},
			Effect: "an established TCP connection that idles out of its flowtable is left a day less the flowtable's timeout, whatever nf_conntrack_tcp_timeout_established says",
			Do:     "do not count on longer timeouts for offloaded connections",
			Source: "nf_flow_table_core.c, flow_offload_fixup_ct; 86394 s seen from 6.16.12 on, 86395 on 6.12.117, 431994 on 6.12.95; 6.13 to 6.15 were not tried; TestDocsIdleTimeout",
		},
		{
			ID: "bridge-counts-twice", Until: "7.2",
			Effect: "where a bridge is listed itself and br_netfilter is loaded, packets that come in by it are carried, and counted twice",
			Do:     "list the bridge's ports, as Bind does",
			Source: "seen on 6.12.117, 6.17.13, 6.19.14 and 7.1.13; from 7.2 on nothing is offloaded there, seen on 7.3.4",
		},
		{
			ID: "wifi-stays-slow", From: "7.2", Until: "7.3",
			Effect: "connections by Wi-Fi are never offloaded if its driver makes the headers in hardware and has no path of its own (all but MediaTek's WED)",
			Do:     "expect the classic path there, or run another kernel",
			Source: "mac80211, ieee80211_netdev_fill_forward_path; read in 7.2.12 against 7.3.4, not tried",
		},
		{
			ID:     "no-event",
			Effect: "neither the offload nor the way back is announced",
			Do:     "poll with a filter by status, or have a policy announce (Policy.Announce)",
			Source: "nft_flow_offload.c, set_bit; TestDocsOffloadTag",
		},
		{
			ID: "early-drop-spares", Until: "6.3",
			Effect: "a conntrack table that is full makes no room by dropping offloaded connections, not even UDP that is not assured: where all are offloaded, new connections are refused",
			Do:     "keep net.netfilter.nf_conntrack_max well above what is offloaded; shorten nf_flowtable_udp_timeout; evict",
			Source: "nf_conntrack_core.c, early_drop_list; TestDocsEarlyDrop",
		},
		{
			ID: "early-drop-takes", From: "6.3",
			Effect: "a conntrack table that is full makes room by dropping UDP connections that are not assured, offloaded or not; TCP in the fast path is always assured, and spared",
			Do:     "keep net.netfilter.nf_conntrack_max well above what is offloaded: a flood of new connections takes UDP out of the fast path",
			Source: "nf_conntrack_core.c, early_drop_list; TestDocsEarlyDrop",
		},
		{
			ID:     "dropped-answers-pass",
			Effect: "a rule that drops the answers of UDP, and not the questions, holds until the second question, which offloads the connection: conntrack saw the answer that was dropped, and `ct state established` matches",
			Do:     "drop or exclude both directions; Lint tells of such rules (one-way-drop)",
			Source: "nf_conntrack_core.c, nf_conntrack_in; TestDocsDroppedAnswers",
		},
		{
			ID: "filter-v6-inverted", Until: "7.3", Stable: []Span{{Until: "6.12.117"}},
			Effect: "a dump of connections filtered by an IPv6 address (CTA_FILTER) gives all but those that match",
			Do:     "filter addresses after the dump, as package conntrack does",
			Source: "nf_conntrack_netlink.c, ctnetlink_filter_match_tuple; seen on 6.12.95, 6.16.12 and 7.2.13; right on 6.12.117 and 7.3.4",
		},
		{
			ID: "tag-can-be-lost", From: "7.3",
			Effect: "news of a route, an address or an MTU can take [OFFLOAD] from a connection whose flow stays in the flowtable: its packets meet no rule though no tag shows it, until it is idle",
			Do:     "take no missing tag for the slow path: connections that hold more than one reference (use=) may be such; Apply, Stale and Report count them in, and paths are unknown",
			Source: "nf_flow_table_core.c; seen on 7.3.4, not on 7.2.13, 7.1.13 and 6.12.117; TestApplyEvictsUntaggedFlows",
		},
	}
}
