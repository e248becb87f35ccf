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
