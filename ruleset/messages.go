package ruleset

import (
	"iter"
	"slices"
)

// Messages are those of the dump that l was read from, as they came. Their bytes are l's own: read only.
func (l *Loaded) Messages() iter.Seq[Message] { return slices.Values(l.messages) }
