package offload

import (
	"context"
	"iter"
	"net/netip"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// What a Kernel can do beside what a Manager needs to plan and apply: this is the whole list. A
// Manager asks for each by a type assertion, and does without where it is missing, as each says.
// This machine's Kernel has all but Tracked, offloadtest's has all of them. Who wraps a Kernel
// hands on those that are to stay: an embedded Kernel brings none of them with it.
type (
	// A Tunable Kernel reads settings of the network namespace. Without it Facts tells none, and
	// rules that turn the accounting of connections on leave it on.
	Tunable interface {
		// Sysctl reads a setting as the namespace sees it, without blanks around it:
		// "net.ipv4.ip_forward" is "0" or "1". The error matches fs.ErrNotExist where there is no
		// such setting, or where the module that brings it is not loaded.
		Sysctl(ctx context.Context, key string) (string, error)
	}
	// A Writable Kernel changes settings of the network namespace. Without it, or without Tunable,
	// SetSettings answers errors.ErrUnsupported.
	Writable interface {
		// WriteSysctl takes the settings of Manager.SetSettings alone, with values that they can
		// have; it writes nothing else, and says so. Errors match fs.ErrNotExist where the kernel
		// lacks it, and fs.ErrPermission without CAP_NET_ADMIN in the namespace.
		WriteSysctl(ctx context.Context, key, value string) error
	}
	// An Eventful Kernel announces changes, which Run waits for. Without it Run looks again at
	// every RunConfig.Resync, and never for stale flows.
	Eventful interface {
		// Events streams what changes. The first Event is of kind EventLost and says that the
		// subscription stands: what is read after it misses nothing. Events that the machine lost
		// later are another EventLost, and the stream goes on. An error is the last pair; ctx's own
		// when ctx ended.
		Events(ctx context.Context, cfg EventConfig) iter.Seq2[Event, error]
	}
	// A Lockable Kernel keeps two Managers from running for one owner in one network namespace.
	// Without it one Manager runs one Run at a time, and nothing is known of other Managers.
	Lockable interface {
		// LockFrom takes the owner's lock, which ends with release or with the process. Where
		// another holds it, the error matches ErrRunning; with takeover the other is asked to
		// leave, and waited for. Who is asked to leave sees lost closed. This machine's lock is a
		// table with `flags owner`: taking it moves the ruleset's generation by one, and from is
		// the generation before; ending it does not. It needs CAP_NET_ADMIN and Linux 5.12. A
		// Kernel whose lock is no part of the ruleset, or that does not know, gives 0.
		LockFrom(ctx context.Context, owner string, takeover bool) (lost <-chan struct{}, release func() error, from uint32, err error)
	}
	// A Prober asks drivers whether they take a flowtable with nft's `flags offload`. Without it no
	// driver is asked: HardwareAuto is software.
	Prober interface {
		// Probe answers for each device in the order given. Drivers are asked only where the
		// feature hw-tc-offload exists and is on, or with force, and never about a device that is
		// in a hardware flowtable, anyone's, which is Busy. Nothing stays of it, but where a driver
		// refuses: Linux 6.1 to 7.2 at least keep an entry of it that crashes the machine when
		// another driver registers later.
		Probe(ctx context.Context, devices []string, force bool) ([]flowtable.Answer, error)
	}
	// A Mannered Kernel tells how it is known how the kernel treats flowtables. Without it Facts
	// says what Target says.
	Mannered interface {
		// Manners tries what it can in a batch that the kernel takes back. Without CAP_NET_ADMIN,
		// or without flowtables, it is judged by the release: devices by name and name
		// prefixes are taken from Linux 6.16 on.
		Manners(ctx context.Context) (Manners, error)
	}
	// A Modular Kernel knows kernel modules. Without it Facts knows none.
	Modular interface {
		// Module tells whether the kernel has the code of a module, with underscores in its name:
		// "nf_flow_table".
		Module(name string) Module
	}
	// A Placed Kernel is this machine's. Without it connections are those of Tracked or of
	// Config.Conntrack, and ApplyConfirm watches over a change within this process.
	Placed interface {
		// NetNS is the network namespace, as Config and conntrack.Config take it, also in another
		// process of this machine. "" is as if the Kernel were not Placed.
		NetNS() string
	}
	// A Tracked Kernel has a table of connections of its own. Without it, where the Kernel is not
	// Placed either and there is no Config.Conntrack, nothing is evicted, and calls about
	// connections answer errors.ErrUnsupported.
	Tracked interface {
		Conntrack() conntrack.Source
	}
	// A Routed Kernel knows by which device packets leave. Without it rules about devices count for
	// all flows when it is judged which a change forbids: more are evicted.
	Routed interface {
		// Devices tells by which device packets for each address leave, as far as that is certain.
		// An address is missing where there is no route, more than one path, or where routing looks
		// at more than the destination; "" is an address of the machine itself.
		Devices(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]string, error)
	}
	// A Surveyor knows by what packets are sent. Without it Stale answers errors.ErrUnsupported,
	// and Run finds no stale flows.
	Surveyor interface {
		// Survey reads neighbours, the stations behind bridges, and routes.
		Survey(ctx context.Context) (*Survey, error)
		// NextHops tells where packets for each address go now, by a route to it alone. An address
		// without a route is missing.
		NextHops(ctx context.Context, addrs []netip.Addr) (map[netip.Addr]Hop, error)
	}
	// A Selective Kernel reads a part of the ruleset, and knows which tables commits changed. Without
	// it everything is read by Dump, again whenever anyone committed: beside a large ruleset of
	// others, or others who commit often, plans come late, or not at all.
	Selective interface {
		// DumpOf is Dump, with the sets, elements and rules of those tables alone that are wanted.
		// What it yields is what the kernel holds at one generation. It does not start again for
		// commits that leave the wanted tables alone.
		DumpOf(ctx context.Context, wanted func(ruleset.LoadedTable) bool) iter.Seq2[ruleset.Message, error]
		// ChangedSince tells what commits changed after a generation.
		ChangedSince(ctx context.Context, generation uint32) (Changes, error)
	}
	// A Thrifty Kernel leaves out of a Target what nobody asks for. Without it Target is read,
	// which costs more.
	Thrifty interface {
		// TargetOf is Target, without Link.TCOffload unless features, and without DefaultRoutes
		// unless defaultRoutes. What was read all the same may be there.
		TargetOf(ctx context.Context, features, defaultRoutes bool) (*flowtable.Target, error)
	}
	// A Tabled Kernel reads tables and flowtables alone. Without it Owners reads the whole ruleset.
	Tabled interface {
		// Tables yields NEWGEN, then the tables and the flowtables of all families, of one
		// generation. An error is the last pair.
		Tables(ctx context.Context) iter.Seq2[ruleset.Message, error]
	}
	// A Hooked Kernel tells which flowtables it calls at a device. Without it WithHooks says that
	// nobody tells: a device is bound as far as the flowtable lists it.
	Hooked interface {
		// Hooks reads which flowtables are called at the ingress of each device, in the order
		// given. The error matches errors.ErrUnsupported where the kernel has no hook dump
		// (CONFIG_NETFILTER_NETLINK_HOOK, Linux 5.14).
		Hooks(ctx context.Context, devices []string) ([]DeviceHooks, error)
	}
)

// A DeviceHooks says which flowtables a kernel calls at the ingress of a device. It belongs to who
// asked for it.
type DeviceHooks struct {
	Device string
	There  bool // false where no device has the name
	Hooks  []Hook
}

// A Hook is a flowtable's at the ingress of a device, or may be one. It is a plain value.
type Hook struct {
	// Family of the flowtable's table; "" where the kernel tells nothing but the priority: it may
	// be anybody's hook.
	Family ruleset.Family
	// Table and Flowtable are told since Linux 6.17, and "" before.
	Table, Flowtable string
	Priority         int32
}

// EventConfig narrows what a Kernel announces. The zero EventConfig is links and the ruleset. It is
// a plain value.
type EventConfig struct {
	Routes bool // also routes and neighbours
}

// An Event says that something changed, and no more: who hears it looks again. It is a plain value.
type Event struct {
	Kind EventKind
	// Device is the link's name, where the event concerns one, as its owner chose it: show it to
	// people as flowtable.Spelled writes it. What is for people already.
	Device string
	// Generation is that of the ruleset after the change, for EventRuleset; 0 is unknown.
	Generation uint32
	// What says what happened, for logs.
	What string
	// Writer is who committed, for EventRuleset: "nft (process 2488)". "" is unknown, or this
	// process.
	Writer string
}

// EventKind is what an Event is about.
type EventKind string

// The kinds of events.
const (
	EventLinks   EventKind = "links"
	EventRoutes  EventKind = "routes"
	EventRuleset EventKind = "ruleset"
	EventLost    EventKind = "lost" // the subscription began, or announcements were lost: anything may have changed
)

// Changes are what commits changed after a generation. They are a plain value.
type Changes struct {
	Generation uint32 // that of the last commit: the ruleset's present one
	// Known is false where anything may have changed: announcements were lost, or the generation is
	// from before the Kernel listened.
	Known  bool
	Tables []TableChange // in any order
}

// A TableChange says what of one table commits changed. It is a plain value.
type TableChange struct {
	Family ruleset.Family
	Name   string
	// Shape: it came or went, or a chain, set, flowtable or stateful object of it came, went or
	// changed.
	Shape, Rules, Elements bool
	// Sets are those whose elements changed, sorted. Of a table that changed its Shape some may be
	// missing.
	Sets []string
}

// Manners are how a kernel treats flowtables, and how that is known. They are a plain value.
type Manners struct {
	Kernel     flowtable.Kernel
	Flowtables Finding // does it have any
	ByName     Finding // does it take devices that are not there (Linux 6.16)
	Wildcards  Finding // does it take name prefixes (Linux 6.16)
}

// A Finding is the answer to a question about a kernel. It is a plain value.
type Finding struct {
	// Known is false where it could not be tried. Yes is then judged by the release, and false for
	// flowtables, of which no release tells.
	Known, Yes bool
	Evidence   string // what was tried, and the kernel's answer
}

// A Module is what is known of a kernel module. It is a plain value.
type Module struct {
	State    ModuleState
	Evidence string
}

// A ModuleState says whether the code of a module is there.
type ModuleState string

// The states of modules.
const (
	ModuleUnknown   ModuleState = ""
	ModuleLoaded    ModuleState = "loaded"
	ModuleBuiltIn   ModuleState = "built in"
	ModuleAvailable ModuleState = "available" // the kernel loads it when it is needed, if modprobe is there
	ModuleMissing   ModuleState = "missing"
)

// A Survey is what packets are sent by in a network namespace, beside its devices. It belongs to
// who asked for it.
type Survey struct {
	// Neighbours by next hop, each with its address of the link layer ("02:00:00:00:00:01"), ""
	// where it has no valid one (`ip neigh` says FAILED, INCOMPLETE).
	Neighbours map[Hop]string
	// Ports are the ports of bridges, by index, that stations are behind (`bridge fdb`); a bridge's
	// own addresses are not in it.
	Ports map[Station]int
	// Routes are all unicast routes, of every table.
	Routes map[netip.Prefix]Route
}

// A Hop is a neighbour: the index of the device, and the address of the network layer. It is a
// plain value.
type Hop struct {
	Device int
	Addr   netip.Addr
}

// A Station is an address of the link layer in one VLAN of a bridge, which is given by its index;
// VLAN 0 is none. It is a plain value.
type Station struct {
	Bridge  int
	VLAN    uint16
	Address string
}

// A Route is where packets for a prefix go. Where two of one prefix differ in anything (device,
// gateway, table, metric), so does Text, which is compared and not read. Devices are indices.
type Route struct {
	Text    string
	Devices []int
}
