package runlock

import (
	"strings"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A Shown lock is what a dump tells of one. Nobody vouches for what stands in its comment; the owner is checked by the table's name.
type Shown struct {
	Table   string
	Owner   string // "" if its name does not stand there in full
	Process int    // 0 if none stands there
	Since   string // a time in RFC 3339, if it was one of us who wrote it
}

// IsOf reports whether it is the lock of an owner.
func (s Shown) IsOf(owner string) bool { return s.Table == Table(owner) }

// Show reads NEWTABLE. It is false of what is no lock, such as a request.
func Show(data []byte) (Shown, bool) {
	family, _, attrs, err := nlmsg.Netfilter(data)
	if err != nil || family != nlmsg.FamilyInet {
		return Shown{}, false
	}
	var s Shown
	var flags, use uint32
	comment := ""
	err = nlmsg.EachAttr(nlmsg.Native(), attrs, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTATableName:
			s.Table = a.String()
		case nlmsg.NFTATableFlags:
			flags, err = a.Uint32BE()
		case nlmsg.NFTATableUse:
			use, err = a.Uint32BE()
		case nlmsg.NFTATableUserdata:
			comment = commentOf(a.Data)
		}
		return err
	})
	hash, named := strings.CutPrefix(s.Table, lockPrefix)
	if err != nil || !Is(s.Table, flags, use) || !named || !isHash(hash) {
		return Shown{}, false
	}
	s.Process = processOf(comment)
	if i := strings.LastIndex(comment, since); i >= 0 {
		s.Since = comment[i+len(since):]
	}
	if owner, ok := strings.CutPrefix(comment, commentPrefix); ok {
		if i := strings.LastIndex(owner, byProcess); i >= 0 && s.IsOf(owner[:i]) {
			s.Owner = owner[:i]
		}
	}
	return s, true
}
