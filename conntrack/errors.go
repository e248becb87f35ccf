package conntrack

import (
	"errors"

	"github.com/go-fastpath/fastpath/internal/nlsock"
)

// ErrNamespaceGone says that the network namespace was deleted: the name that it was opened by is gone, or another namespace's. A Watcher ends its
// streams then and lets the namespace go, so that it can die. It is looked at with each reading and each request; one that was opened as the
// caller's own, or by a path of a process such as /proc/1/ns/net, has no name and is kept until Close.
var ErrNamespaceGone = nlsock.ErrGone

// ErrOverrun is what a [Subscription] reports when notifications were lost because its queue was full. A [Watcher] turns it into a
// [Change] of kind [Overrun].
var ErrOverrun = errors.New("conntrack notifications were lost")
