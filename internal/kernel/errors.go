package kernel

import "errors"

// ErrRunning says that another holds a lock.
var ErrRunning = errors.New("this owner's ruleset is being looked after already")
