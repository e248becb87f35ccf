package conntrack

import "errors"

// ErrOverrun is what a [Subscription] reports when notifications were lost because its queue was full. A [Watcher] turns it into a
// [Change] of kind [Overrun].
var ErrOverrun = errors.New("conntrack notifications were lost")
