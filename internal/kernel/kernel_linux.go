package kernel

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/internal/nlsock"
)

// A Kernel is this machine's kernel as one network namespace sees it. Safe for concurrent use: every request has a socket of
// its own, beside the subscription that tells which tables others change.
type Kernel struct {
	ns      *nlsock.Namespace
	ethtool ethtool
	journal journal

	mu      sync.Mutex
	manners *Manners  // what a probe found
	tried   time.Time // when
}

// Open pins a network namespace: "" is the caller's, a name is one under /run/netns, a path is taken as it is. Errors match
// fs.ErrNotExist where it does not exist, fs.ErrPermission where it may not be entered, errors.ErrUnsupported where the
// kernel lacks nfnetlink.
func Open(netns string) (*Kernel, error) {
	ns, err := nlsock.OpenNamespace(netns)
	if err != nil {
		return nil, err
	}
	k := &Kernel{ns: ns, journal: journal{buffer: eventBuffer}}
	sock, err := k.dial()
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	return k, sock.Close()
}

// NetNS is a path under which this process can open the network namespace, until Close.
func (k *Kernel) NetNS() string { return k.ns.Path() }

// Close releases the namespace.
func (k *Kernel) Close() error { return k.ns.Close() }

func (k *Kernel) dial() (*nlsock.Socket, error) {
	return k.ns.Dial(unix.NETLINK_NETFILTER, nlsock.Config{})
}

// explain gives the errors of requests to nf_tables their object and next step.
func (k *Kernel) explain(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%s in %s: %w: it needs CAP_NET_ADMIN there; run as root, "+
			"give the program the capability (setcap cap_net_admin+ep), or start it under `unshare -rn`", doing, k.ns.Label(), err)
	}
	return fmt.Errorf("%s in %s: %w", doing, k.ns.Label(), err)
}
