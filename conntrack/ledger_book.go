package conntrack

// Add books one change of a stream. All changes of the stream go there, in their order, for Synced tells which connections have ended unseen.
// It allocates nothing for a connection and an account that it knows.
func (l *Ledger[K]) Add(c Change) {
	switch c.Kind {
	case New, PathChanged, Counted, Destroyed:
		k, keyed := l.key(c.Entry)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.book(&c, k, keyed)
	case Synced:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.synced()
	}
}

func (l *Ledger[K]) book(c *Change, k K, keyed bool) {
	f := l.flow(c)
	var number uint32
	if keyed {
		number = l.accounts.number(k)
	}
	l.move(f, number)
	if fresh := f.fresh(c.Delta); keyed {
		l.accounts.at(number).book(fresh)
	}
	f.shown(&c.Entry)
	if c.Kind == Destroyed {
		l.destroyed(f, c.Lost)
	}
}

// flow finds or makes the flow that c is about. Where another connection had its Key before, that one ends here.
func (l *Ledger[K]) flow(c *Change) *ledgerFlow {
	k := c.Entry.Key()
	p := packKey(&k)
	f := l.flows.get(&p)
	if f == nil {
		f = l.flows.add(&p)
		f.flags |= ledgerShown
		return f
	}
	if f.has(ledgerOver) {
		l.flows.revive(f)
	}
	if c.Kind == New { // of a connection that is known: another stream tells of it, from the beginning
		f.flags |= ledgerOwesSent | ledgerOwesReceived
	}
	f.flags |= ledgerShown
	if f.another(c) {
		l.replaced(f)
	}
	return f
}

// replaced ends the connection that had f's Key and makes f another one's. Its last counts are missing.
func (l *Ledger[K]) replaced(f *ledgerFlow) {
	if !f.has(ledgerWasOver) { // else it has ended there before
		l.lost(f)
	}
	f.sent, f.received, f.stamp = tally{}, tally{}, 0
	f.flags = ledgerShown
}

// lost ends f in its account.
func (l *Ledger[K]) lost(f *ledgerFlow) {
	if f.account != 0 {
		a := l.accounts.at(f.account)
		a.Live--
		a.Lost++
		f.account = 0
	}
}

// move makes f live in this account, and no longer in the one before.
func (l *Ledger[K]) move(f *ledgerFlow, number uint32) {
	if f.account == number {
		return
	}
	if f.account != 0 {
		l.accounts.at(f.account).Live--
	}
	if f.account = number; number != 0 {
		a := l.accounts.at(number)
		a.Flows++
		a.Live++
	}
}

func (l *Ledger[K]) destroyed(f *ledgerFlow, lost bool) {
	switch {
	case f.account == 0:
	case lost:
		l.lost(f)
	default:
		a := l.accounts.at(f.account)
		a.Live--
		if !f.has(ledgerSent) && !f.has(ledgerReceived) {
			a.Uncounted++
		}
	}
	l.flows.remove(f)
}

// synced ends what the stream has not shown, once: a later Synced of the same stream follows changes only.
func (l *Ledger[K]) synced() {
	if !l.begun {
		return
	}
	l.begun = false
	for _, f := range l.flows.from(0) {
		if !f.has(ledgerShown) && !f.has(ledgerOver) {
			l.lost(f)
			l.flows.end(f)
		}
	}
}
