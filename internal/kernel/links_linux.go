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
	skipStats = 1 << 3 // RTEXT_FILTER_SKIP_STATS
	maxTries  = 10     // of a dump that others keep interrupting
)

// links dumps the devices of the namespace, sorted by index: what rtnetlink tells of them, and no more. It needs no privilege.
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
