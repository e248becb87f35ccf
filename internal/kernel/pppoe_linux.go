package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
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
	sessions, err := k.sessions()
	if err != nil {
		return fmt.Errorf("read the PPPoE sessions of %s: %w", k.ns.Label(), err)
	}
	joinSessions(links, sessions)
	return nil
}

func isPPP(l flowtable.Link) bool { return l.Kind == "ppp" }

// sessions are the PPPoE sessions of the namespace; none without the module pppoe.
func (k *Kernel) sessions() ([]flowtable.PPPoE, error) {
	var text []byte
	err := k.ns.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/pppoe")
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseSessions(nlmsg.Native(), string(text))
}

// parseSessions reads /proc/net/pppoe: a heading, then a session a line, "00000100 02:00:00:00:00:01     eth1". The number is the
// session's in network byte order, printed as one of the host (pppoe_seq_show, drivers/net/ppp/pppoe.c, "%08X %pM %8s"). The name is the one
// that the session was begun with, and nothing in it is escaped: kernels take what Unicode calls a space in names, and anything at
// all in alternative ones, newlines too.
func parseSessions(o nlmsg.Order, text string) ([]flowtable.PPPoE, error) {
	_, text, _ = strings.Cut(text, "\n")
	if text == "" {
		return nil, nil
	}
	var sessions []flowtable.PPPoE
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		session, name, ok := sessionOf(o, line)
		last := len(sessions) - 1
		switch {
		case ok:
			sessions = append(sessions, flowtable.PPPoE{Device: name, Session: session})
		case last >= 0: // too short to be a session: the name before held a newline
			sessions[last].Device += "\n" + line
			name = sessions[last].Device
		}
		if last < 0 && !ok || len(name) > flowtable.MaxDevice {
			return nil, fmt.Errorf("%w: line %d of /proc/net/pppoe is no session", nlmsg.ErrMalformed, i+2)
		}
	}
	for i := range sessions {
		sessions[i].Device = unpadded(sessions[i].Device)
	}
	return sessions, nil
}

// sessionOf reads one line: its columns, and the name with what fills it up to eight.
func sessionOf(o nlmsg.Order, line string) (session uint16, name string, ok bool) {
	const number, address = 8, 17
	if len(line) < number+1+address+1 || line[number] != ' ' || line[number+1+address] != ' ' {
		return 0, "", false
	}
	raw, err := strconv.ParseUint(line[:number], 16, 16)
	if _, merr := net.ParseMAC(line[number+1 : number+1+address]); err != nil || merr != nil {
		return 0, "", false
	}
	return binary.BigEndian.Uint16(o.AppendUint16(nil, uint16(raw))), line[number+1+address+1:], true
}

// unpadded takes off the spaces that fill a name up to eight characters. One that itself begins with spaces is not told from it.
func unpadded(name string) string {
	if len(name) == 8 {
		return strings.TrimLeft(name, " ")
	}
	return name
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
