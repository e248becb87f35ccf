package conntrack

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"time"
)

// Config tunes a Watcher. A nil *Config and its zero value are the recommended settings for the calling thread's network namespace.
type Config struct {
	// NetNS is the network namespace: "" is the caller's, a name is one under /run/netns, and a path is taken as it
	// is, such as /proc/self/fd/7.
	NetNS string
	// Poll is the least pause between two readings of the table by Changes; 0 is one second, and five seconds with Announced. Nothing
	// announces that a flow went to hardware or back to slow: this is how late it is told. It should stay below a third of the
	// flowtable's timeout.
	Poll time.Duration
	// PollMost is the greatest pause; 0 is two minutes, and never less than Poll. Up to there the pause grows with what a reading
	// costs, so that readings take less than a tenth of one processor.
	PollMost time.Duration
	// ReadBuffer is the size in bytes of each Changes' queue of notifications in the kernel; 0 is 8 MB, some ten thousand
	// notifications. Without CAP_NET_ADMIN in the initial user namespace net.core.rmem_max bounds it.
	ReadBuffer int
	// Reliable has the kernel keep the ends of connections for which the queue has no room, and tell them when there is (NETLINK_BROADCAST_ERROR): no
	// end is lost, nor its final counters, while the stream lasts. Beginnings and updates may be: a beginning comes late, with the connection's
	// next news, or not at all, and Overrun is told all the same.
	//
	// The price is paid by everybody. No packet waits, but a connection whose end was not told keeps its memory and counts against
	// net.netfilter.nf_conntrack_max: behind a reader that stands still the table fills up, and then new connections are dropped. And what is told
	// again is told to all listeners of the namespace, who hear some ends more than once.
	Reliable bool
	// MaxFlows is how many connections one Changes follows; 0 is 8 million, 1.5 GB. Beyond it the stream tells Full.
	MaxFlows int
	// Announced names the flowtable that a bit of the ct mark announces: where a rule sets the bit behind `flow add`, the kernel notifies
	// of the step to the fast path at once, and the mark names the flowtable, which nothing else does. offload.Manager.Watch
	// fills it in from what is applied; see ruleset.Policy.Announce.
	Announced map[uint32]string
	// AnnouncedNow, if not nil, is asked instead: by each Entries, and by each Changes before a reading and now and then where offloaded
	// connections are told. So names follow rules that change. It is called by several goroutines, and its map is only read. A map that
	// Announced may not be ends the stream with that error.
	AnnouncedNow func(ctx context.Context) map[uint32]string
	// LosesTags says that this kernel can take [OFFLOAD] from a connection whose flow stays in its flowtable, as Linux 7.3 does
	// (flowtable.Kernel.HasQuirk, "tag-can-be-lost"): then a connection without a bit may be Unknown in place of Slow. offload.Manager.Watch
	// fills it in; whoever opens a Watcher without a Manager says it here.
	LosesTags bool
	// Source is where to read; nil is the kernel of this machine. NetNS, ReadBuffer and Reliable mean nothing to any other.
	Source Source
}

const (
	defaultPoll          = time.Second
	defaultPollAnnounced = 5 * time.Second
	defaultPollMost      = 2 * time.Minute
	defaultReadBuffer    = 8 << 20
	defaultMaxFlows      = 8 << 20
)

// withDefaults fills in what is zero, and refuses what makes no sense.
func (cfg *Config) withDefaults() (Config, error) {
	c := Config{}
	if cfg != nil {
		c = *cfg
	}
	if c.Poll < 0 || c.PollMost < 0 || c.ReadBuffer < 0 || c.MaxFlows < 0 {
		return c, fmt.Errorf("conntrack: Config.Poll %v, PollMost %v, ReadBuffer %d and MaxFlows %d must not be negative; 0 is the default",
			c.Poll, c.PollMost, c.ReadBuffer, c.MaxFlows)
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
		if len(c.Announced) > 0 {
			c.Poll = defaultPollAnnounced
		}
	}
	c.PollMost = max(cmp.Or(c.PollMost, defaultPollMost), c.Poll)
	c.ReadBuffer = cmp.Or(c.ReadBuffer, defaultReadBuffer)
	c.MaxFlows = cmp.Or(c.MaxFlows, defaultMaxFlows)
	return c, nil
}

// A Watcher reads the connections of one network namespace. It is safe for concurrent use, and has no goroutine of its own.
type Watcher struct {
	source Source
	cfg    Config // with defaults
	naming *naming
	limits limits
	asked  asked
}

// Open makes a Watcher. It holds the namespace open, until Close or until the name that it was opened by is deleted (ErrNamespaceGone).
//
// Errors match fs.ErrNotExist where the namespace does not exist, fs.ErrPermission without CAP_NET_ADMIN, and
// errors.ErrUnsupported where the kernel has no ctnetlink (CONFIG_NF_CT_NETLINK) or is not Linux.
func Open(ctx context.Context, cfg *Config) (*Watcher, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	names, err := newNaming(cfg)
	if err != nil {
		return nil, err
	}
	if c.Source == nil {
		if c.Source, err = openKernel(ctx, &c); err != nil {
			return nil, err
		}
	}
	return &Watcher{source: c.Source, cfg: c, naming: names, limits: usualLimits()}, nil
}

// OpenSource opens the kernel of this machine as a [Source], for one of the caller's own that wraps it: to count, record or slow down what
// a Watcher reads. NetNS, ReadBuffer and Reliable of cfg are looked at. The caller closes it, or the Watcher that is given it. Errors are
// those of Open.
func OpenSource(ctx context.Context, cfg *Config) (Source, error) {
	c, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return openKernel(ctx, &c)
}

// Close releases the namespace and the sockets, and closes Config.Source. Streams that are under way end with an error.
func (w *Watcher) Close() error { return w.source.Close() }

// Settings reads the sysctls that decide what the kernel tells: counters, notifications, timestamps. It changes nothing.
func (w *Watcher) Settings(ctx context.Context) (Settings, error) { return w.source.Settings(ctx) }

// Entries reads the table once and yields each connection that m matches, IPv4 and IPv6. While the table changes, the kernel may repeat
// an entry or miss one. An error is the last pair; breaking out is safe at any time.
func (w *Watcher) Entries(ctx context.Context, m Match) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := m.Validate(); err != nil {
			yield(Entry{}, err)
			return
		}
		names, err := w.naming.current(ctx, 0)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		match, asked := newMatcher(m), m.undivided()
		err = eachEntry(ctx, w.source, &asked, func(e *Entry) bool {
			e.Flowtable = names.flowtable(e.Status, e.Mark)
			e.Untagged = w.cfg.LosesTags && e.mayBeInFlowtable()
			return !match.matches(e) || yield(*e, nil)
		})
		if err != nil {
			yield(Entry{}, err)
		}
	}
}
