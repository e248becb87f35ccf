package conntrack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"
)

// Config tunes a Watcher. A nil *Config and its zero value are the recommended settings for the calling thread's network namespace.
type Config struct {
	// NetNS is the network namespace: "" is the caller's, a name is one under /run/netns, and a path is taken as it
	// is, such as /proc/self/fd/7.
	NetNS string
	// Poll is the pause between two readings of the table by Changes; 0 is one second. Nothing announces that a flow went to
	// hardware or back to slow: this is how late it is told. It should stay below a third of the flowtable's timeout.
	Poll time.Duration
	// ReadBuffer is the size in bytes of each Changes' queue of notifications in the kernel; 0 is 8 MB, some ten thousand
	// notifications. Without CAP_NET_ADMIN in the initial user namespace net.core.rmem_max bounds it.
	ReadBuffer int
	// Source is where to read; nil is the kernel of this machine. NetNS and ReadBuffer mean nothing to any other.
	Source Source
}

const (
	defaultPoll       = time.Second
	defaultReadBuffer = 8 << 20
)

// A Watcher reads the connections of one network namespace. It is safe for concurrent use, and has no goroutine of its own.
type Watcher struct {
	source Source
	poll   time.Duration
}

// Open makes a Watcher. The namespace is pinned: its name may go away afterwards.
//
// Errors match fs.ErrNotExist where the namespace does not exist, fs.ErrPermission without CAP_NET_ADMIN, and
// errors.ErrUnsupported where the kernel has no ctnetlink (CONFIG_NF_CT_NETLINK) or is not Linux.
func Open(ctx context.Context, cfg *Config) (*Watcher, error) {
	c := Config{}
	if cfg != nil {
		c = *cfg
	}
	if c.Poll < 0 || c.ReadBuffer < 0 {
		return nil, fmt.Errorf("conntrack: Config.Poll %v and ReadBuffer %d must not be negative; 0 is the default", c.Poll, c.ReadBuffer)
	}
	if c.Poll == 0 {
		c.Poll = defaultPoll
	}
	if c.ReadBuffer == 0 {
		c.ReadBuffer = defaultReadBuffer
	}
	if c.Source == nil {
		source, err := openKernel(ctx, &c)
		if err != nil {
			return nil, err
		}
		c.Source = source
	}
	return &Watcher{source: c.Source, poll: c.Poll}, nil
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
		for e, err := range w.source.Dump(ctx, m) {
			if err != nil {
				yield(Entry{}, err)
				return
			}
			if m.Matches(&e) && !yield(e, nil) {
				return
			}
		}
	}
}

// Evict removes the connections that m matches and returns those that it removed; with dry it only returns them. Beware that the
// zero Match is every connection. A connection that ended meanwhile is no error and not returned. On an error the victims so
// far are returned beside it.
//
// The next packet of an evicted flow begins a new connection. With net.netfilter.nf_conntrack_tcp_loose=0 the kernel calls
// it invalid, and under NAT it may be translated differently: the flow's connection breaks.
func (w *Watcher) Evict(ctx context.Context, m Match, dry bool) ([]Entry, error) {
	var victims []Entry
	for e, err := range w.Entries(ctx, m) {
		if err != nil {
			return nil, err
		}
		victims = append(victims, e)
	}
	if dry {
		return victims, nil
	}
	return w.EvictEntries(ctx, victims)
}

// EvictEntries removes these connections, as Evict does, and returns those that it removed. A connection that began anew
// under the same tuple since it was read stays.
func (w *Watcher) EvictEntries(ctx context.Context, victims []Entry) ([]Entry, error) {
	var gone []Entry
	for _, e := range victims {
		switch err := w.source.Delete(ctx, e.Key()); {
		case err == nil:
			gone = append(gone, e)
		case !errors.Is(err, fs.ErrNotExist):
			return gone, fmt.Errorf("conntrack: evict %v: %w", e.Orig, err)
		}
	}
	return gone, nil
}
