package judge

// A question is something about a packet that a connection's entry does not tell. Field and value are those of "is this field
// that value", "" for any other question: a field that is one value is not another.
type question struct {
	text, field, value string
	yes                bool
}

// An odometer holds the answers given so far, in the order in which the questions came up. It begins with no, and next counts
// on to the next combination.
type odometer struct{ asked []question }

// ask answers a question: as before, or with no.
func (o *odometer) ask(q question) bool {
	for i := range o.asked {
		switch old := &o.asked[i]; {
		case old.text == q.text:
			return old.yes
		case q.field != "" && old.yes && old.field == q.field:
			return false
		}
	}
	o.asked = append(o.asked, q)
	return false
}

// next turns the last no into a yes and forgets what was asked after it; false when there is none left.
func (o *odometer) next() bool {
	for n := len(o.asked) - 1; n >= 0; n-- {
		if !o.asked[n].yes {
			o.asked[n].yes = true
			o.asked = o.asked[:n+1]
			return true
		}
	}
	o.asked = o.asked[:0]
	return false
}

// Choices are what was answered about the packets of one direction: steady answers hold for all of them, varying ones may
// differ from packet to packet.
type choices struct{ steady, varying odometer }
