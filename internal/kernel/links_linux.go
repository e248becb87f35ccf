package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
)

const (
	linkHeader = 16     // struct ifinfomsg
	skipStats  = 1 << 3 // RTEXT_FILTER_SKIP_STATS
	maxTries   = 10     // of a dump that others keep interrupting
)

// links dumps the devices of the namespace, sorted by index. It needs no privilege.
func (k *Kernel) links(ctx context.Context) ([]flowtable.Link, error) {
	var links []flowtable.Link
	err := retry(ctx, func() (err error) {
		links, err = k.dumpLinks(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the devices of %s: %w", k.ns.Label(), err)
	}
	slices.SortFunc(links, func(a, b flowtable.Link) int { return cmp.Compare(a.Index, b.Index) })
	return links, nil
}

func (k *Kernel) dumpLinks(ctx context.Context) ([]flowtable.Link, error) {
	sock, err := k.ns.Dial(unix.NETLINK_ROUTE, nlsock.Config{})
	if err != nil {
		return nil, err
	}
	defer sock.Close()
	o := nlmsg.Native()
	b := nlmsg.NewBuilder(o, nil)
	b.Begin(unix.RTM_GETLINK, nlmsg.FlagRequest|nlmsg.FlagDump, 0)
	b.Raw(make([]byte, linkHeader))
	b.Data(unix.IFLA_EXT_MASK, o.AppendUint32(nil, skipStats))
	b.End()
	var links []flowtable.Link
	for m, err := range sock.Dump(ctx, b.Bytes()) {
		if err != nil {
			return nil, err
		}
		if m.Type != unix.RTM_NEWLINK {
			continue
		}
		l, err := parseLink(o, m.Data)
		if err != nil {
			return nil, err
		}
		links = append(links, l)
	}
	return links, nil
}

// parseLink decodes ifinfomsg and its attributes (include/uapi/linux/if_link.h).
func parseLink(o nlmsg.Order, data []byte) (flowtable.Link, error) {
	if len(data) < linkHeader {
		return flowtable.Link{}, fmt.Errorf("%w: a link of %d bytes", nlmsg.ErrMalformed, len(data))
	}
	l := flowtable.Link{Index: int(int32(o.Uint32(data[4:]))), Up: o.Uint32(data[8:])&unix.IFF_UP != 0}
	elsewhere := false
	err := nlmsg.EachAttr(o, data[linkHeader:], func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case unix.IFLA_IFNAME:
			l.Name = a.String()
		case unix.IFLA_LINK:
			l.Parent, err = index(o, a)
		case unix.IFLA_LINK_NETNSID:
			elsewhere = true
		case unix.IFLA_MASTER:
			l.Master, err = index(o, a)
		case unix.IFLA_LINKINFO:
			l.Kind, err = linkKind(o, a.Data)
		}
		return err
	})
	if err != nil {
		return l, err
	}
	// A peer is not a device below, and an index of another namespace means nothing in this one.
	if elsewhere || l.Kind == "veth" || l.Kind == "netkit" {
		l.Parent = 0
	}
	return l, nil
}

func index(o nlmsg.Order, a nlmsg.Attr) (int, error) {
	if len(a.Data) < 4 {
		return 0, fmt.Errorf("%w: attribute %d of a link has %d bytes, needs 4", nlmsg.ErrMalformed, a.Type, len(a.Data))
	}
	return int(int32(o.Uint32(a.Data))), nil
}

func linkKind(o nlmsg.Order, b []byte) (kind string, err error) {
	err = nlmsg.EachAttr(o, b, func(a nlmsg.Attr) error {
		if a.Type == unix.IFLA_INFO_KIND {
			kind = a.String()
		}
		return nil
	})
	return kind, err
}

// errChanged says that a dump was consistent in itself, but not with those before it.
var errChanged = errors.New("the ruleset changed while it was read")

// retry repeats a read that others' changes interrupted, with growing pauses, a bounded number of times.
func retry(ctx context.Context, read func() error) error {
	var err error
	for try := range maxTries {
		if err = pause(ctx, try); err != nil {
			return err
		}
		if err = read(); !errors.Is(err, nlsock.ErrInterrupted) && !errors.Is(err, errChanged) {
			return err
		}
	}
	return fmt.Errorf("interrupted %d times by the changes of others, try again when they are done: %w", maxTries, err)
}
