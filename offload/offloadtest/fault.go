package offloadtest

// A fault is injected once, in the order of the calls that asked for it.
type fault struct {
	at      moment
	err     error
	lost    bool // the answer
	applied bool
}

// A moment is when a fault strikes.
type moment int

const (
	atCommit moment = iota + 1
	atCheck
	atDump
	atEvents
)

// FailCommit makes the next Commit return err; nothing is changed. To imitate a kernel that refuses, give a
// *ruleset.CommitError; for a process that may not send so much, an error that matches offload.ErrSendBuffer.
func (k *Kernel) FailCommit(err error) { k.addFault(fault{at: atCommit, err: err}) }

// FailCheck makes the next Check return err.
func (k *Kernel) FailCheck(err error) { k.addFault(fault{at: atCheck, err: err}) }

// FailDump makes the next reading of the ruleset fail with err: Dump yields it alone, or GenerationID returns it.
func (k *Kernel) FailDump(err error) { k.addFault(fault{at: atDump, err: err}) }

// LoseAnswer makes the next Commit end without an answer (a *ruleset.CommitError with Unknown), after it was applied or not.
func (k *Kernel) LoseAnswer(applied bool) {
	k.addFault(fault{at: atCommit, lost: true, applied: applied})
}

func (k *Kernel) addFault(f fault) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults = append(k.faults, f)
}

// takeFault takes the first fault of a moment.
func (k *Kernel) takeFault(at moment) fault {
	for i, f := range k.faults {
		if f.at == at {
			k.faults = append(k.faults[:i:i], k.faults[i+1:]...)
			return f
		}
	}
	return fault{}
}

func (k *Kernel) tellFaults(tb TB) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.faults); n > 0 {
		tb.Errorf("offloadtest: %d injected faults were never met", n)
	}
}
