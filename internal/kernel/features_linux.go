package kernel

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/nlsock"
)

const (
	tcOffload      = "hw-tc-offload"
	stringsOfFeats = 4 // ETH_SS_FEATURES (include/uapi/linux/ethtool.h)
	genericHeader  = 4 // struct genlmsghdr
)

// ethtool is where the kernel tells the features of devices (genetlink family ethtool, FEATURES_GET since Linux 5.7). Neither the
// family's number nor that of a feature changes while a kernel runs.
type ethtool struct {
	mu     sync.Mutex
	asked  bool
	family uint16 // 0 is a kernel that does not tell
	bit    uint32 // of hw-tc-offload
}

// addFeatures says of each device what its feature hw-tc-offload is. It needs no privilege.
func (k *Kernel) addFeatures(ctx context.Context, links []flowtable.Link) error {
	err := retry(ctx, func() error { return k.readFeatures(ctx, links) })
	if err != nil {
		return fmt.Errorf("read the features of the devices of %s: %w", k.ns.Label(), err)
	}
	return nil
}

func (k *Kernel) readFeatures(ctx context.Context, links []flowtable.Link) error {
	sock, err := k.ns.Dial(unix.NETLINK_GENERIC, nlsock.Config{})
	if err != nil {
		return err
	}
	defer sock.Close()
	family, bit, err := k.ethtool.ask(ctx, sock)
	if err != nil || family == 0 {
		return err
	}
	places := make(map[int]int, len(links))
	for i, l := range links {
		places[l.Index] = i
	}
	o := nlmsg.Native()
	for m, err := range sock.Dump(ctx, featuresRequest(family)) {
		if err != nil {
			return err
		}
		index, feature, err := parseFeature(o, m.Data, bit)
		if err != nil {
			return err
		}
		if i, ok := places[index]; ok {
			links[i].TCOffload = feature
		}
	}
	return nil
}

// ask finds out the numbers, once.
func (e *ethtool) ask(ctx context.Context, sock *nlsock.Socket) (family uint16, bit uint32, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked {
		return e.family, e.bit, nil
	}
	family, err = genericFamily(ctx, sock, "ethtool")
	if err == nil {
		bit, err = featureBit(ctx, sock, family)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) { // before Linux 5.7, or without CONFIG_ETHTOOL_NETLINK
		family, err = 0, nil
	}
	if err == nil {
		e.asked, e.family, e.bit = true, family, bit
	}
	return family, bit, err
}

// genericFamily asks for the number of a genetlink family.
func genericFamily(ctx context.Context, sock *nlsock.Socket, name string) (uint16, error) {
	o := nlmsg.Native()
	answer, err := sock.Do(ctx, familyRequest(name))
	if err != nil {
		return 0, err
	}
	for _, m := range answer {
		if number, err := parseFamily(o, m.Data); number != 0 || err != nil {
			return number, err
		}
	}
	return 0, fmt.Errorf("%w: the kernel tells no number of the genetlink family %s", nlmsg.ErrMalformed, name)
}

// featureBit asks for the place of hw-tc-offload in the bitmaps of features, which differs from kernel to kernel.
func featureBit(ctx context.Context, sock *nlsock.Socket, family uint16) (uint32, error) {
	o := nlmsg.Native()
	answer, err := sock.Do(ctx, stringsRequest(family))
	if err != nil {
		return 0, err
	}
	for _, m := range answer {
		if bit, ok, err := findString(o, m.Data, tcOffload); ok || err != nil {
			return bit, err
		}
	}
	return 0, unix.EOPNOTSUPP // a kernel without that feature
}

func featuresRequest(family uint16) []byte {
	return genericRequest(family, nlmsg.FlagDump, unix.ETHTOOL_MSG_FEATURES_GET, func(b *nlmsg.Builder) {
		header := b.Nest(unix.ETHTOOL_A_FEATURES_HEADER)
		b.Data(unix.ETHTOOL_A_HEADER_FLAGS, b.Order().AppendUint32(nil, unix.ETHTOOL_FLAG_COMPACT_BITSETS))
		b.EndNest(header)
	})
}

func familyRequest(name string) []byte {
	return genericRequest(unix.GENL_ID_CTRL, nlmsg.FlagAck, unix.CTRL_CMD_GETFAMILY, func(b *nlmsg.Builder) {
		b.String(unix.CTRL_ATTR_FAMILY_NAME, name)
	})
}

func stringsRequest(family uint16) []byte {
	return genericRequest(family, nlmsg.FlagAck, unix.ETHTOOL_MSG_STRSET_GET, func(b *nlmsg.Builder) {
		b.EndNest(b.Nest(unix.ETHTOOL_A_STRSET_HEADER)) // of no device, and yet some kernels miss it
		sets := b.Nest(unix.ETHTOOL_A_STRSET_STRINGSETS)
		set := b.Nest(unix.ETHTOOL_A_STRINGSETS_STRINGSET)
		b.Data(unix.ETHTOOL_A_STRINGSET_ID, b.Order().AppendUint32(nil, stringsOfFeats))
		b.EndNest(set)
		b.EndNest(sets)
	})
}

// genericRequest encodes one genetlink request.
func genericRequest(family, flags uint16, command byte, attrs func(*nlmsg.Builder)) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.Begin(family, nlmsg.FlagRequest|flags, 0)
	b.Raw([]byte{command, 1, genericHeader - 1: 0})
	attrs(b)
	b.End()
	return b.Bytes()
}
