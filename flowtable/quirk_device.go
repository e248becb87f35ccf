package flowtable

// deviceQuirks are about the devices of flowtables.
func deviceQuirks() []Quirk {
	return []Quirk{
		{
			ID: "missing-device", Until: "6.16",
			Effect: "a device that does not exist has the whole batch refused, ENOENT; before 6.12 the error does not say which",
			Do:     "list only what is there: Bind leaves the others out, and Run adds them when they appear",
			Source: "nf_tables_api.c, nft_netdev_hook_alloc; TestKernelMissingDevice",
		},
		{
			ID: "rename-followed", Until: "6.16",
			Effect: "a flowtable follows a device that is renamed, and lists it under its new name",
			Do:     "plan again after a rename, as Run does",
			Source: "nf_tables_api.c, nf_tables_fill_flowtable_info",
		},
		{
			ID: "rename-unbinds", From: "6.16",
			Effect: "a flowtable keeps the name: a device that is renamed leaves it, and another that gets the name joins",
			Do:     "select devices by what they are, not by names that change",
			Source: "nf_tables_api.c, nft_flowtable_event, NETDEV_CHANGENAME",
		},
		{
			ID: "hardware-keeps-away", From: "6.16",
			Effect: "a device whose driver refuses cannot be created (EPERM) under a name or prefix that a flowtable with `flags offload` lists",
			Do:     "list only devices that are there in hardware, as Bind does; Manager.Run adds those that come",
			Source: "nf_tables_api.c, nft_flowtable_event, NETDEV_REGISTER; TestHardwareKeepsRefusersAway",
		},
		{
			ID: "device-vanishes-silently", Until: "6.16",
			Effect: "a device that is unregistered leaves its flowtable for good, without a new generation of the ruleset",
			Do:     "read flowtables again though the generation stands still, as a Manager does",
			Source: "nf_tables_api.c, nft_flowtable_event",
		},
		{
			ID: "no-wildcard", Until: "6.16",
			Effect: "a name prefix (`ppp*`) is refused with EINVAL",
			Do:     "nothing: Bind lists the devices that are there, and Run those that come",
			Source: "nf_tables_api.c, nf_tables_parse_netdev_hooks; TestKernelPrefix",
		},
		{
			ID: "name-truncated", Until: "6.16",
			Effect: "a device name of 16 bytes or more is cut and looked up: perhaps another device's",
			Do:     "nothing: Validate refuses such names",
			Source: "nf_tables_api.c, nla_strscpy; seen on 6.12; E2BIG from 6.16.12 on",
		},
		{
			ID:     "255-devices",
			Effect: "one message takes 255 devices, the next is refused with EFBIG; there is no bound over several messages",
			Do:     "nothing: a batch spreads them",
			Source: "nf_tables_api.c, nf_tables_parse_netdev_hooks",
		},
		{
			ID:     "one-flowtable-a-table",
			Effect: "a device stands in one flowtable of a table, EEXIST; in flowtables of two tables both see its packets, by priority",
			Do:     "declare one flowtable; look for others' with Conflicts",
			Source: "nf_tables_api.c, nft_register_flowtable_net_hooks",
		},
		{
			ID: "nft-hides-prefixes", From: "6.16",
			Effect: "nft 1.0.6 and 1.1.3 list no flowtable that has a prefix, and exit with 0: what they list and save refers to a flowtable that is not in it",
			Do:     "list with nft 1.1.6 or newer, or with flowctl",
			Source: "nftables, mnl_nft_flowtable_dump; TestDocsOldNFTHidesPrefixes",
		},
	}
}
