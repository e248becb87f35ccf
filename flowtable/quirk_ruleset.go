package flowtable

// hardwareQuirks are about drivers.
func hardwareQuirks() []Quirk {
	return []Quirk{
		{
			ID:     "refused-hardware-oops",
			Effect: "a device whose driver refuses `flags offload` stays on a list that it is not on: when the next driver registers there, the kernel follows a stale entry and oopses",
			Do:     "do not try hardware where ethtool has no hw-tc-offload or has it fixed off; Probe does not, unless forced",
			Source: "net/core/flow_offload.c, flow_indr_dev_setup_offload",
		},
		{
			ID:     "refusal-names-no-device",
			Effect: "a driver that refuses has the whole batch refused, EOPNOTSUPP, and the kernel does not say which device it was",
			Do:     "probe one by one, or use Hardware \"auto\"",
			Source: "nf_flow_table_offload.c, nf_flow_table_offload_setup; TestDocsHardwareRefused",
		},
		{
			ID:     "hardware-flag-proves-nothing",
			Effect: "a flowtable with `flags offload` is no promise: a driver can take none of its flows, which stay in software; netdevsim takes none at all",
			Do:     "believe [HW_OFFLOAD] of flows alone",
			Source: "nf_flow_table_offload.c, flow_offload_rule_add; TestDocsHardwareRuleRejected",
		},
		{
			ID:     "hardware-counts-late",
			Effect: "a driver is asked for counters only when a flow was silent for a tenth of its timeout, and not at its end: the last packets can be missing",
			Do:     "shorten nf_flowtable_*_timeout for closer counters",
			Source: "nf_flow_table_offload.c, nf_flow_offload_stats; TestDocsHardwareCounters",
		},
		{
			ID: "hardware-one-way", From: "6.3", Until: "6.8", Stable: []Span{{From: "6.1.72", Until: "6.1.191"}},
			Effect: "a driver is offered the original direction of a flow alone: answers stay in software though the connection is [HW_OFFLOAD]",
			Do:     "run a kernel that is repaired; take [HW_OFFLOAD] for one direction",
			Source: "nft_flow_offload.c, NF_FLOW_HW_BIDIRECTIONAL, which 8f84780b84d6 asks for and 84443741faab sets (read); seen on 6.1.176, not on 6.1.192; " +
				"stable releases of 6.6 and 6.7 may be repaired",
		},
		{
			ID: "hardware-flows-expire", From: "6.14", Until: "7.2", Stable: []Span{{Until: "6.18.39"}, {Until: "7.1.4"}},
			Effect: "the timeout of a connection whose packets hardware alone sees is not extended: it leaves conntrack while it is in use, and breaks (after 300 s, say reports)",
			Do:     "run a kernel that is repaired, or carry long connections in software",
			Source: "nf_flow_table_core.c, nf_flow_table_extend_ct_timeout of 03428ca5cee9; repaired in 7.2, in 6.18.39 by 81a5971cbe18, in 7.1.4 by 7337141c0b37; read, not run",
		},
	}
}

// rulesetQuirks are about rules and transactions.
func rulesetQuirks() []Quirk {
	return []Quirk{
		{
			ID: "dry-run-hole", From: "6.4",
			Effect: "a dry run of a new table takes `flow add` where the real run refuses it, such as in an input chain",
			Do:     "nothing: Spec.Validate refuses it",
			Source: "nf_tables_api.c, nft_table_validate",
		},
		{
			ID:     "dry-run-binds",
			Effect: "a dry run really has drivers bind and unbind devices",
			Do:     "nothing: Manager.DryRun leaves the hardware flag out and says so",
			Source: "nf_tables_api.c, nf_tables_newflowtable",
		},
		{
			ID:     "ct-packets-counts",
			Effect: "a rule on `ct packets` or `ct bytes` turns net.netfilter.nf_conntrack_acct on for good, in a dry run too",
			Do:     "set it yourself at boot; DryRun and Uninstall put it back",
			Source: "nft_ct.c, nft_ct_get_init; TestDryRunClosesItsHoles",
		},
		{
			ID:     "counter-flag-replaced",
			Effect: "an update of a flowtable that says anything of flags replaces them: `nft add flowtable` without `counter` turns counters off",
			Do:     "nothing: an update says all flags or none",
			Source: "nf_tables_api.c, nft_flowtable_update; TestUpdateDevices",
		},
		{
			ID:     "fixed-priority",
			Effect: "priority and hardware flag of a flowtable cannot change in place, and one that rules refer to cannot be deleted (EBUSY)",
			Do:     "nothing: a plan replaces it with its rules in one transaction, and says that its flows leave",
			Source: "nf_tables_api.c, nft_flowtable_update; TestUpdateReplace",
		},
		{
			ID:     "comment-ignored",
			Effect: "a comment on a table that exists is ignored, without an error",
			Do:     "adopt a table by replacing it (Config.Adopt)",
			Source: "nf_tables_api.c, nf_tables_updtable",
		},
		{
			ID: "loop-check-at-once", Until: "6.4",
			Effect: "each rule with a jump is checked for loops when it comes, not at the end of the transaction",
			Do:     "nothing: plans delete such rules before they add any",
			Source: "nf_tables_api.c, nf_tables_newrule",
		},
		{
			ID:     "json-loses-flags",
			Effect: "nft's JSON neither prints nor takes `flags offload` and `counter` of a flowtable",
			Do:     "exchange netlink dumps or nft text",
			Source: "nftables, src/json.c; TestJSON",
		},
	}
}
