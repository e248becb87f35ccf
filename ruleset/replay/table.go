package replay

import "encoding/binary"

// A table is one that an image makes, with the mark that it bears.
type table struct {
	family byte
	name   string
	mark   string
}

// String is the table as nft names it.
func (t table) String() string { return "table " + familyName(t.family) + " " + shown(t.name) }

// Attributes of tables, and the comment in their user data.
const (
	tableName     = 1
	tableUserdata = 6
	udataComment  = 0
)

func tableOf(o binary.ByteOrder, m message) table {
	family, attrs := m.netfilter()
	return table{family, text(find(o, attrs, tableName)), comment(find(o, attrs, tableUserdata))}
}

// comment reads the comment out of user data: types and lengths of one byte each.
func comment(b []byte) string {
	for len(b) >= 2 && len(b)-2 >= int(b[1]) {
		if b[0] == udataComment {
			return text(b[2 : 2+int(b[1])])
		}
		b = b[2+int(b[1]):]
	}
	return ""
}

// request asks a kernel of this machine's byte order for the table.
func (t table) request() []byte {
	o := binary.NativeEndian
	b := make([]byte, beginLen, beginLen+align(4+len(t.name)+1))
	o.PutUint16(b[4:], getTable)
	o.PutUint16(b[6:], flagRequest)
	b[headerLen] = t.family
	b = o.AppendUint16(b, uint16(4+len(t.name)+1))
	b = o.AppendUint16(b, tableName)
	b = append(append(b, t.name...), 0)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	o.PutUint32(b, uint32(len(b)))
	return b
}
