package ruleset

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// The container of an image; package replay reads it and describes it.
const (
	imageMagic   = "FASTPATH"
	imageVersion = 1

	imageLittle = 1
	imageBig    = 2

	imageBase   = 1
	imageDevice = 2
)

// Image writes r for a loader that replays it at boot (package replay), on machines of one byte order; nil is this machine's.
// It holds a batch that makes everything but the devices of flowtables, in place of what is there under the same marks, and
// one small batch for each device: a device that is missing, or that refuses hardware offload, is left out and takes nothing
// else down. The devices are those that Resolve listed. Nothing in it depends on a kernel's state. Equal rulesets give equal
// bytes.
//
// Errors: a Raw statement whose expressions are not of that byte order; what Plan.Batch cannot encode.
func (r *Resolved) Image(order binary.ByteOrder) ([]byte, error) {
	o := nlmsg.OrderOf(order)
	if err := r.checkRaw(o); err != nil {
		return nil, err
	}
	base, err := r.imageBase(order)
	if err != nil {
		return nil, err
	}
	w := newImageWriter(o)
	w.section(imageBase, base)
	for i := range r.spec.Tables {
		for j := range r.spec.Tables[i].Flowtables {
			for _, device := range r.listed(i, j) {
				batch, err := r.imageDevice(order, i, j, device)
				if err != nil {
					return nil, err
				}
				w.section(imageDevice, batch)
			}
		}
	}
	return w.end(), nil
}

// imageBase is the batch that makes everything but the devices, in place of the tables that are there.
func (r *Resolved) imageBase(order binary.ByteOrder) ([]byte, error) {
	bare := *r
	bare.devices = make([][][]string, len(r.spec.Tables))
	for i := range r.spec.Tables {
		bare.devices[i] = make([][]string, len(r.spec.Tables[i].Flowtables))
	}
	plan, err := Diff(nil, &bare)
	if err != nil {
		return nil, err
	}
	batch, err := plan.Batch(order)
	if err != nil {
		return nil, err
	}
	return replacing(nlmsg.OrderOf(order), r.spec.Tables, batch)
}

// replacing puts messages behind a batch's BATCH_BEGIN that take the tables away if they are there: deleting what is missing is
// an error, so each is added first.
func replacing(o nlmsg.Order, tables []Table, batch *Batch) ([]byte, error) {
	b := nlmsg.NewBuilder(o, make([]byte, 0, len(batch.Bytes())+256*len(tables)))
	b.Raw(batch.message(0))
	seq := uint32(1)
	for _, t := range tables {
		for _, m := range []struct{ typ, flags uint16 }{{nlmsg.NFTMsgNewTable, nlmsg.FlagCreate}, {nlmsg.NFTMsgDelTable, 0}} {
			b.BeginNetfilter(nlmsg.NFTablesType(m.typ), nlmsg.FlagRequest|m.flags, seq, t.Family.number(), 0)
			b.String(nlmsg.NFTATableName, t.Name)
			b.End()
			seq++
		}
	}
	for i := 1; i < batch.Messages(); i++ {
		start := b.Len()
		b.Raw(batch.message(i))
		o.PutUint32(b.Bytes()[start+8:], seq)
		seq++
	}
	return b.Bytes(), b.Err()
}

// imageDevice is the batch that adds one device to a flowtable that is there.
func (r *Resolved) imageDevice(order binary.ByteOrder, table, index int, device string) ([]byte, error) {
	t := &r.spec.Tables[table]
	f := &t.Flowtables[index]
	plan := &Plan{want: r, operations: []Operation{{Verb: VerbAdd, Kind: KindFlowtable, Family: t.Family, Table: t.Name, Name: f.Name,
		object: &boundFlowtable{spec: f, devices: []string{device}, update: true}}}}
	batch, err := plan.Batch(order)
	if err != nil {
		return nil, err
	}
	return batch.Bytes(), nil
}

// checkRaw refuses Raw statements that were encoded on a machine of the other byte order: their lengths then make no sense.
func (r *Resolved) checkRaw(o nlmsg.Order) error {
	for _, t := range r.spec.Tables {
		for _, c := range t.Chains {
			for i, rule := range c.Rules {
				for _, s := range rule.Do {
					if s.Raw != nil && !rawFits(o, s.Raw) {
						return fmt.Errorf("table %s %s, chain %s, rule %d: the expressions of %q are not encoded for a %v machine; make the statement on one",
							t.Family, t.Name, c.Name, i, s.Raw.Text, o)
					}
				}
			}
		}
	}
	return nil
}

func rawFits(o nlmsg.Order, raw *Raw) bool {
	for _, e := range raw.Expr {
		if nlmsg.EachAttr(o, e, func(nlmsg.Attr) error { return nil }) != nil {
			return false
		}
	}
	return true
}

// An imageWriter writes the container.
type imageWriter struct {
	buf      []byte
	sections uint32
}

func newImageWriter(o nlmsg.Order) *imageWriter {
	order := byte(imageLittle)
	if o == nlmsg.BigEndian {
		order = imageBig
	}
	b := append([]byte(imageMagic), 0, imageVersion, order, 0)
	return &imageWriter{buf: append(b, make([]byte, 8)...)} // length and number of sections: end fills them in
}

func (w *imageWriter) section(kind uint32, batch []byte) {
	w.buf = binary.BigEndian.AppendUint32(w.buf, kind)
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(len(batch)))
	w.buf = append(w.buf, batch...)
	w.sections++
}

func (w *imageWriter) end() []byte {
	binary.BigEndian.PutUint32(w.buf[12:], uint32(len(w.buf)+4))
	binary.BigEndian.PutUint32(w.buf[16:], w.sections)
	return binary.BigEndian.AppendUint32(w.buf, crc32.ChecksumIEEE(w.buf))
}
