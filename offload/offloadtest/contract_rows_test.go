package offloadtest

import (
	"slices"
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

func rows() []row {
	return slices.Concat(flowtableRows(), updateRows(), deleteRows(), deviceRows(), placementRows(), batchRows(), ruleRows(), setRows(), compiledRows(), expressionRows(),
		changeRuleRows(), changeReferenceRows(), changeChainRows(), changeTableRows(), ownedRows(), changeFlowtableRows(), changeElementRows(), changeIntervalRows(), echoRows())
}

// same is a row with one answer on all kernels.
func same(name, want string, steps ...func(*batch)) row {
	return perKernel(name, wants{want}, steps...)
}

// perKernel is a row with an answer of each kernel.
func perKernel(name string, want wants, steps ...func(*batch)) row {
	r := row{name: name, want: want}
	for _, s := range steps {
		r.steps = append(r.steps, step{batch: s})
	}
	return r
}

// exactly is perKernel for an exact row.
func exactly(name string, want wants, steps ...func(*batch)) row {
	r := perKernel(name, want, steps...)
	r.exact = true
	return r
}

// withTable makes the table t in the same batch: the message at test is 2.
func withTable(name string, want wants, do func(*batch)) row {
	return perKernel(name, want, func(b *batch) { newTable(b); do(b) })
}

// only gives one answer on all kernels.
func only(s string) wants { return wants{s} }

// flowtableRows are kernel.md's errno table for new flowtables.
func flowtableRows() []row {
	ft := func(name string, want wants, attributes ...fields) row {
		return withTable("new flowtable: "+name, want, func(b *batch) { newFlowtable(b, "f", 0, attributes...) })
	}
	return []row{
		ft("one device", only("ok"), hook("d0")),
		ft("no devices", only("ok"), hook()),
		ft("no hook", only("2:EINVAL")),
		ft("hook without number and priority", wants{"2:EINVAL", "2:ENOENT@NFTA_FLOWTABLE_NAME", "2:ENOENT@NFTA_FLOWTABLE_NAME"}, update("d0")),
		ft("unknown flag", wants{"2:EOPNOTSUPP", "", "", "2:EINVAL@NFTA_FLOWTABLE_FLAGS"}, hook("d0"), ftFlags(4)),
		ft("hardware refused", only("2:EOPNOTSUPP"), hook("d0", "hwno0"), ftFlags(3)),
		ft("hardware flag without devices", only("ok"), hook(), ftFlags(1)),
		ft("device name of 16 bytes", wants{"2:ENOENT", "2:ENOENT@NFTA_DEVICE_NAME", "2:E2BIG@NFTA_DEVICE_NAME"}, hook("d123456789abcdef")),
		ft("empty device name", wants{"2:ENOENT", "2:ENOENT@NFTA_DEVICE_NAME", "ok"}, hook("")),
		ft("prefix", wants{"2:EINVAL", "2:EINVAL", "ok"}, prefixes("d")),
		ft("prefixes that overlap", wants{"2:EINVAL", "2:EINVAL", "2:EEXIST@NFTA_DEVICE_PREFIX"}, prefixes("d", "de")),
		ft("unknown device attribute", only("2:EINVAL"), nest(nlmsg.NFTAFlowtableHook, num(1, 0), num(2, 0), nest(3, str(3, "d0")))),
		ft("egress hook", only("2:EOPNOTSUPP"), nest(nlmsg.NFTAFlowtableHook, num(1, 1), num(2, 0), devs("d0"))),
		ft("one device missing", wants{"2:ENOENT", "2:ENOENT@NFTA_DEVICE_NAME", "ok"}, hook("d0", "gone0")),
		ft("same device twice", wants{"2:EEXIST", "2:EEXIST@NFTA_DEVICE_NAME", "2:EEXIST@NFTA_DEVICE_NAME"}, hook("d0", "d0")),
		ft("lowest priority", only("ok"), nest(nlmsg.NFTAFlowtableHook, num(1, 0), num(2, 1<<31), devs("d0"))),
		ft("256 missing devices", wants{"2:ENOENT", "2:ENOENT@NFTA_DEVICE_NAME", "2:EFBIG"}, hook(manyDevices(256)...)),
		ft("255 missing devices", wants{"2:ENOENT", "2:ENOENT@NFTA_DEVICE_NAME", "ok"}, hook(manyDevices(255)...)),
		same("new flowtable: missing table", "1:ENOENT@NFTA_FLOWTABLE_TABLE", func(b *batch) { newFlowtable(b, "f", 0, hook()) }),
		withTable("new flowtable: empty name", only("ok"), func(b *batch) { newFlowtable(b, "", 0, hook("d0")) }),
		withTable("new flowtable: name of 256 bytes", wants{"2:ERANGE", "2:ERANGE", "2:ERANGE@NFTA_FLOWTABLE_NAME"}, func(b *batch) {
			newFlowtable(b, strings.Repeat("f", 256), 0, hook("d0"))
		}),
		withTable("new flowtable: device in two of a table", only("3:EEXIST"), func(b *batch) {
			newFlowtable(b, "f", 0, hook("d0"))
			newFlowtable(b, "g", 0, hook("d1", "d0"))
		}),
		withTable("new flowtable: prefix and device in two of a table", wants{"2:EINVAL", "2:EINVAL", "3:EEXIST"}, func(b *batch) {
			newFlowtable(b, "f", 0, prefixes("d"))
			newFlowtable(b, "g", 0, hook("d0"))
		}),
		same("new flowtable: device in two tables", "ok", func(b *batch) {
			newTable(b)
			newFlowtable(b, "f", 0, hook("d0"))
			b.inet(nlmsg.NFTMsgNewTable, create, str(nlmsg.NFTATableName, "u"))
			b.inet(nlmsg.NFTMsgNewFlowtable, create, str(nlmsg.NFTAFlowtableTable, "u"), ftName("f"), hook("d0"))
		}),
		same("new flowtable: family bridge", "2:ENOENT", func(b *batch) {
			b.add(nlmsg.NFTMsgNewTable, create, nlmsg.FamilyBridge, str(nlmsg.NFTATableName, "t"))
			b.add(nlmsg.NFTMsgNewFlowtable, create, nlmsg.FamilyBridge, str(nlmsg.NFTAFlowtableTable, "t"), ftName("f"), hook("d0"))
		}),
		same("new flowtable: families ip and ip6", "ok", func(b *batch) {
			for _, f := range []byte{nlmsg.FamilyIPv4, nlmsg.FamilyIPv6} {
				b.add(nlmsg.NFTMsgNewTable, create, f, str(nlmsg.NFTATableName, "t"))
				b.add(nlmsg.NFTMsgNewFlowtable, create, f, str(nlmsg.NFTAFlowtableTable, "t"), ftName("f"), hook("d0"))
			}
		}),
	}
}

// first is the flowtable f with `counter` on d0.
func first(b *batch) {
	newTable(b)
	newFlowtable(b, "f", 0, hook("d0"), ftFlags(nlmsg.FlowtableCounter))
}

func updateRows() []row {
	up := func(name string, want wants, do func(*batch)) row {
		for i, w := range want {
			if w != "" {
				want[i] = "ok | " + w
			}
		}
		return perKernel("update flowtable: "+name, want, first, do)
	}
	return []row{
		up("exclusive", only("1:EEXIST@NFTA_FLOWTABLE_NAME"), func(b *batch) { newFlowtable(b, "f", nlmsg.FlagExcl, hook("d0")) }),
		up("empty hook keeps all", only("ok"), func(b *batch) { newFlowtable(b, "f", 0, update()) }),
		up("one more device", only("ok"), func(b *batch) { newFlowtable(b, "f", 0, update("d1")) }),
		up("a device that is there", only("ok"), func(b *batch) { newFlowtable(b, "f", 0, update("d0")) }),
		up("counter goes", only("ok"), func(b *batch) { newFlowtable(b, "f", 0, update(), ftFlags(0)) }),
		up("other priority", only("1:EOPNOTSUPP"), func(b *batch) {
			newFlowtable(b, "f", 0, nest(nlmsg.NFTAFlowtableHook, num(1, 0), num(2, 10)))
		}),
		up("hardware flag", only("1:EOPNOTSUPP"), func(b *batch) { newFlowtable(b, "f", 0, update(), ftFlags(3)) }),
		up("same new device twice in a batch", only("2:EEXIST"), func(b *batch) {
			newFlowtable(b, "f", 0, update("d1"))
			newFlowtable(b, "f", 0, update("d1"))
		}),
		up("a device that another has", only("2:EEXIST"), func(b *batch) {
			newFlowtable(b, "g", 0, hook("d1"))
			newFlowtable(b, "f", 0, update("d1"))
		}),
		up("add and delete in a batch", only("2:ENOENT"), func(b *batch) {
			newFlowtable(b, "f", 0, update("d1"))
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"), update("d1"))
		}),
		up("a device moves", only("ok"), func(b *batch) {
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"), update("d0"))
			newFlowtable(b, "g", 0, hook("d0"))
		}),
		up("a device moves, added first", only("1:EEXIST"), func(b *batch) {
			newFlowtable(b, "g", 0, hook("d0"))
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"), update("d0"))
		}),
	}
}

func deleteRows() []row {
	del := func(name, want string, attributes ...fields) row {
		return same("delete flowtable: "+name, "ok | "+want, first, func(b *batch) { delFlowtable(b, nlmsg.NFTMsgDelFlowtable, attributes...) })
	}
	used := func(b *batch) {
		first(b)
		baseChainOf(b, "c", nlmsg.HookForward)
		newRule(b, "c", appended, exprs(flowAdd("f")))
	}
	return []row{
		del("by name", "ok", ftName("f")),
		del("by handle", "ok", num64(nlmsg.NFTAFlowtableHandle, 1)),
		del("without name and handle", "1:EINVAL"),
		del("missing handle", "1:ENOENT@NFTA_FLOWTABLE_HANDLE", num64(nlmsg.NFTAFlowtableHandle, 999)),
		del("missing name", "1:ENOENT@NFTA_FLOWTABLE_NAME", ftName("g")),
		del("its device", "ok", ftName("f"), update("d0")),
		del("device of no flowtable", "1:ENOENT", ftName("f"), update("d1")),
		perKernel("delete flowtable: device that does not exist",
			wants{"ok | 1:ENOENT", "ok | 1:ENOENT@NFTA_DEVICE_NAME", "ok | 1:ENOENT"}, first, func(b *batch) {
				delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"), update("gone0"))
			}),
		perKernel("destroy flowtable: missing", wants{"ok | 1:EINVAL", "ok | ok", "ok | ok"}, first, func(b *batch) {
			delFlowtable(b, nlmsg.NFTMsgDestroyFlowtable, ftName("g"))
		}),
		perKernel("destroy flowtable: missing table", wants{"1:EINVAL", "1:ENOENT@20", "1:ENOENT@20"}, func(b *batch) {
			delFlowtable(b, nlmsg.NFTMsgDestroyFlowtable, ftName("g"))
		}),
		same("delete flowtable: in use", "ok | 1:EBUSY@NFTA_FLOWTABLE_NAME", used, func(b *batch) {
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"))
		}),
		perKernel("destroy flowtable: in use", wants{"ok | 1:EINVAL", "ok | 1:EBUSY@28", "ok | 1:EBUSY@28"}, used,
			func(b *batch) { delFlowtable(b, nlmsg.NFTMsgDestroyFlowtable, ftName("f")) }),
		same("delete flowtable: rules first", "ok | ok", used, func(b *batch) {
			delRule(b, "c")
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"))
		}),
		same("delete and add in one batch", "ok | ok", first, func(b *batch) {
			delFlowtable(b, nlmsg.NFTMsgDelFlowtable, ftName("f"))
			newFlowtable(b, "f", 0, hook("d0"))
		}),
		same("delete table takes everything", "ok | ok", used, delTable),
		same("delete table and make it again", "ok | ok", used, func(b *batch) { delTable(b); used(b) }),
	}
}

// deviceRows are the lives of devices.
func deviceRows() []row {
	life := func(name string, want string, first func(*batch), links ...string) row {
		r := same("device: "+name, want, first)
		for _, l := range links {
			r.steps = append(r.steps, step{link: l})
		}
		return r
	}
	both := func(b *batch) { newTable(b); newFlowtable(b, "f", 0, hook("d0", "d1")) }
	return []row{
		life("deleted", "ok", both, "del d0"),
		life("deleted and made again", "ok", both, "del d0", "add d0"),
		life("renamed", "ok", both, "rename d0 d9"),
		life("new one", "ok", both, "add d2"),
	}
}
