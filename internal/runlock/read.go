package runlock

import (
	"bytes"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A Claim is a table as the kernel tells it: a lock, a request, or one that only bears such a name.
type Claim struct {
	// Owned says that a socket holds the table, with the port in Port, which the kernel vouches for. Without it the table is neither lock nor
	// request.
	Owned bool
	Port  uint32
	// Process is the one that the comment names, 0 if it names none. Nobody vouches for it.
	Process int
}

// Get asks for one table of family inet.
func Get(name string) []byte {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgGetTable), nlmsg.FlagRequest|nlmsg.FlagAck, 0, nlmsg.FamilyInet, 0)
	b.String(nlmsg.NFTATableName, name)
	b.End()
	return b.Bytes()
}

// Read reads NEWTABLE.
func Read(m nlmsg.Message) (Claim, error) {
	var c Claim
	_, _, attrs, err := nlmsg.Netfilter(m.Data)
	if err != nil {
		return c, err
	}
	err = nlmsg.EachAttr(nlmsg.Native(), attrs, func(a nlmsg.Attr) (err error) {
		switch a.Type {
		case nlmsg.NFTATableOwner:
			c.Owned = true
			c.Port, err = a.Uint32BE()
		case nlmsg.NFTATableUserdata:
			c.Process = processOf(commentOf(a.Data))
		}
		return err
	})
	return c, err
}

// commentOf is the comment in a table's user data.
func commentOf(udata []byte) string {
	for len(udata) >= 2 && len(udata)-2 >= int(udata[1]) {
		value := udata[2 : 2+int(udata[1])]
		if udata[0] == nlmsg.UdataTableComment {
			return string(bytes.TrimRight(value, "\x00"))
		}
		udata = udata[2+len(value):]
	}
	return ""
}
