package conntrack

// accounts are numbered from 1, so that a flow names its account in four bytes; 0 is none.
type accounts[K comparable] struct {
	byKey map[K]uint32
	slots []accountSlot[K]
	free  []uint32
}

type accountSlot[K comparable] struct {
	key K
	Account
}

func (a *accounts[K]) at(number uint32) *Account { return &a.slots[number-1].Account }

// number is the account of this key, which is opened if need be.
func (a *accounts[K]) number(key K) uint32 {
	if i, ok := a.byKey[key]; ok {
		return i
	}
	var i uint32
	if n := len(a.free); n > 0 {
		i, a.free = a.free[n-1], a.free[:n-1]
		a.slots[i-1] = accountSlot[K]{key: key}
	} else {
		a.slots = append(a.slots, accountSlot[K]{key: key})
		i = uint32(len(a.slots))
	}
	a.byKey[key] = i
	return i
}

func (a *accounts[K]) remove(number uint32) Account {
	last := a.slots[number-1]
	delete(a.byKey, last.key)
	a.slots[number-1] = accountSlot[K]{}
	a.free = append(a.free, number)
	return last.Account
}

// book adds what was counted in both directions.
func (a *Account) book(d Delta) {
	a.Sent.book(d.Sent)
	a.Received.book(d.Received)
}

func (c *Counters) book(d Counters) {
	if d.OK {
		*c = Counters{Packets: c.Packets + d.Packets, Bytes: c.Bytes + d.Bytes, OK: true}
	}
}
