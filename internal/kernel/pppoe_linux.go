package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// addSessions says of PPP devices which PPPoE session they are, as far as that is certain. No kernel tells which session belongs to
// which device: /proc/net/pppoe lists the sessions of the namespace, rtnetlink the devices, and nothing joins them.
func (k *Kernel) addSessions(links []flowtable.Link) error {
	if !slices.ContainsFunc(links, isPPP) {
		return nil
	}
	var text []byte
	err := k.ns.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/pppoe")
		return err
	})
	if errors.Is(err, os.ErrNotExist) { // the module pppoe is not loaded
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the PPPoE sessions of %s: %w", k.ns.Label(), err)
	}
	sessions, err := parseSessions(nlmsg.Native(), string(text))
	if err != nil {
		return fmt.Errorf("read the PPPoE sessions of %s: %w", k.ns.Label(), err)
	}
	joinSessions(links, sessions)
	return nil
}

func isPPP(l flowtable.Link) bool { return l.Kind == "ppp" }

// parseSessions reads /proc/net/pppoe: a heading, then a session a line, "00000100 02:00:00:00:00:01     eth1". The number is the
// session's in network byte order, printed as one of the host (pppoe_seq_show, drivers/net/ppp/pppoe.c).
func parseSessions(o nlmsg.Order, text string) ([]flowtable.PPPoE, error) {
	var sessions []flowtable.PPPoE
	for i, line := range strings.Split(text, "\n") {
		fields := strings.Fields(line)
		if i == 0 || len(fields) == 0 {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("%w: line %d of /proc/net/pppoe has %d fields, not 3", nlmsg.ErrMalformed, i+1, len(fields))
		}
		raw, err := strconv.ParseUint(fields[0], 16, 16)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d of /proc/net/pppoe: session %q", nlmsg.ErrMalformed, i+1, fields[0])
		}
		session := binary.BigEndian.Uint16(o.AppendUint16(nil, uint16(raw)))
		sessions = append(sessions, flowtable.PPPoE{Device: fields[2], Session: session})
	}
	return sessions, nil
}

// joinSessions fills in what is certain: nothing where there are more PPP devices than sessions, for some are then of another kind
// (L2TP, a modem); the device below where all sessions run over the same; the session's number where there is but one. The
// device below bears the name that it had when the session began; one that was renamed since is not told.
func joinSessions(links []flowtable.Link, sessions []flowtable.PPPoE) {
	devices := 0
	for _, l := range links {
		if isPPP(l) {
			devices++
		}
	}
	if len(sessions) == 0 || devices > len(sessions) {
		return
	}
	known := sessions[0]
	for _, s := range sessions[1:] {
		if s.Device != known.Device {
			return
		}
		known.Session = 0
	}
	if !slices.ContainsFunc(links, func(l flowtable.Link) bool { return l.Name == known.Device }) {
		return
	}
	for i := range links {
		if isPPP(links[i]) {
			links[i].PPPoE = known
		}
	}
}
