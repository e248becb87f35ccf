package kernel

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// Manners tries in one batch that the kernel validates and takes back: it has no BATCH_END. It tries once; where there are no flowtables, or
// no right to try, again after a while, for a module or a right may come. Nothing of it stays but
// modules that the kernel loads for it, as it would for the real thing; no device is touched, hardware least of all.
func (k *Kernel) Manners(ctx context.Context) (Manners, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.manners != nil && (k.manners.Flowtables.Yes || time.Since(k.tried) < tryAgain) {
		return *k.manners, nil
	}
	rel, build, err := release()
	if err != nil {
		return Manners{}, err
	}
	answers, err := k.try(ctx, probeBatch(), probeMessages)
	if err != nil {
		return Manners{}, err
	}
	running := flowtable.KernelOf(rel)
	running.Version = debianVersion(rel, build)
	m := judge(running, answers)
	k.manners, k.tried = &m, time.Now()
	return m, nil
}

// tryAgain is for how long a kernel is taken to have no flowtables after it was tried.
const tryAgain = 10 * time.Second

// What the probe asks for, by the message's sequence number; 0 is BATCH_BEGIN.
const (
	probeTable = iota + 1
	probeEmpty
	probeMissing
	probePrefix
	probeMessages
)

const (
	scratchTable  = "fastpath_probe"
	scratchDevice = "fastpath/" // no device can have a slash in its name (dev_valid_name, net/core/dev.c)
)

// answers maps a message of the probe to its errno, 0 for success. A message without answer is not in it.
type answers map[uint32]unix.Errno

// try sends a probe and keeps the answers.
func (k *Kernel) try(ctx context.Context, batch []byte, messages int) (answers, error) {
	sock, err := k.dial()
	if err != nil {
		return nil, err
	}
	defer sock.Close()
	acks, err := sock.Commit(ctx, batch, messages)
	if err != nil {
		return nil, k.explain("try what the kernel makes of flowtables", err)
	}
	a := answers{}
	for _, ack := range acks {
		a[ack.Seq] = unix.Errno(ack.Errno)
	}
	return a, nil
}

func probeBatch() []byte {
	b := newProbe()
	for i, device := range []uint16{0, nlmsg.NFTADeviceName, nlmsg.NFTADevicePrefix} {
		seq := uint32(probeEmpty + i)
		b.flowtable(seq, 0, device, fmt.Sprintf("%s%d", scratchDevice, seq))
	}
	return b.Bytes()
}

// A probe is a batch without its end, about flowtables in a table that comes to nothing with it.
type probe struct{ *nlmsg.Builder }

const askProbe = nlmsg.FlagRequest | nlmsg.FlagCreate | nlmsg.FlagAck

func newProbe() probe {
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	b.BeginNetfilter(nlmsg.NFTypeBatchBegin, nlmsg.FlagRequest, 0, 0, nlmsg.SubsysNFTables)
	b.End()
	b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgNewTable), askProbe, probeTable, nlmsg.FamilyInet, 0)
	b.String(nlmsg.NFTATableName, scratchTable)
	b.End()
	return probe{b}
}

// flowtable adds a flowtable with flags and one device, a name or a prefix as the attribute says, or none.
func (b probe) flowtable(seq, flags uint32, attr uint16, device string) {
	b.BeginNetfilter(nlmsg.NFTablesType(nlmsg.NFTMsgNewFlowtable), askProbe, seq, nlmsg.FamilyInet, 0)
	b.String(nlmsg.NFTAFlowtableTable, scratchTable)
	b.String(nlmsg.NFTAFlowtableName, fmt.Sprintf("f%d", seq))
	if flags != 0 {
		b.Uint32BE(nlmsg.NFTAFlowtableFlags, flags)
	}
	hook := b.Nest(nlmsg.NFTAFlowtableHook)
	b.Uint32BE(nlmsg.NFTAFlowtableHookNum, nlmsg.HookNetdevIngress)
	b.Uint32BE(nlmsg.NFTAFlowtableHookPriority, 0)
	if attr != 0 {
		devices := b.Nest(nlmsg.NFTAFlowtableHookDevs)
		b.String(attr, device)
		b.EndNest(devices)
	}
	b.EndNest(hook)
	b.End()
}

// judge turns the kernel's answers into findings, and falls back on what the release says.
func judge(byRelease flowtable.Kernel, a answers) Manners {
	m := Manners{Kernel: byRelease}
	m.Flowtables = a.finding(probeEmpty, "a flowtable without devices", unix.ENOENT)
	if m.Flowtables.Known && !m.Flowtables.Yes {
		why := "not tried, the kernel has no flowtables; judged by the release " + byRelease.Release
		m.ByName, m.Wildcards = Finding{Yes: byRelease.ByName, Evidence: why}, Finding{Yes: byRelease.Wildcards, Evidence: why}
		return m
	}
	m.ByName = a.finding(probeMissing, "a flowtable with a device that is not there", unix.ENOENT).or(byRelease.ByName, byRelease.Release)
	m.Wildcards = a.finding(probePrefix, "a flowtable with a name prefix", unix.EINVAL).or(byRelease.Wildcards, byRelease.Release)
	m.Kernel.ByName, m.Kernel.Wildcards = m.ByName.Yes, m.Wildcards.Yes
	return m
}

// finding reads the answer to one message: success is yes, the errno no is no, anything else tells nothing.
func (a answers) finding(seq uint32, what string, no unix.Errno) Finding {
	errno, answered := a[seq]
	if whole, ok := a[0]; ok && whole != 0 {
		errno, answered = whole, true
	}
	switch {
	case !answered:
		return Finding{Evidence: "tried " + what + ": no answer"}
	case a[0] == unix.EOPNOTSUPP: // nfnetlink's answer to a batch for a subsystem that nobody registered
		return Finding{Known: true, Evidence: "the kernel has no nf_tables: " + errnoText(a[0])}
	case errno == 0:
		return Finding{Known: true, Yes: true, Evidence: "tried " + what + ": accepted"}
	case errno == no && a[0] == 0:
		return Finding{Known: true, Evidence: "tried " + what + ": " + errnoText(errno)}
	}
	return Finding{Evidence: "tried " + what + ": " + errnoText(errno)}
}

// or judges by the release where nothing is known.
func (f Finding) or(yes bool, release string) Finding {
	if !f.Known {
		f.Yes = yes
		f.Evidence += "; judged by the release " + release
	}
	return f
}

func errnoText(e unix.Errno) string {
	switch e {
	case unix.EPERM:
		return "EPERM, needs CAP_NET_ADMIN in the network namespace"
	case unix.EOPNOTSUPP: // one number with ENOTSUP, which nobody says here
		return "EOPNOTSUPP, " + e.Error()
	}
	return strings.TrimSpace(unix.ErrnoName(e) + ", " + e.Error())
}
