package conntrack

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/internal/testns"
)

// A helper expects a connection (FTP, passive mode): the expectation itself is no connection and is not told; the connection that fulfils it is one
// like others, and bears EXPECTED.
func TestChangesOfAnExpectedConnection(t *testing.T) {
	r := testns.NewRouterT(t, &testns.RouterConfig{Sysctls: map[string]string{"net.netfilter.nf_conntrack_events": "1"}})
	ctx := within(t, 30*time.Second)
	require.NoError(t, r.NS.NFT(ctx, `table inet track {
		ct helper transfer { type "ftp" protocol tcp; l3proto ip; }
		chain help { type filter hook prerouting priority mangle; tcp dport 21 ct helper set "transfer"; }
	}`))
	serveFTP(t, r)
	w := open(t, r.NS, Config{Poll: often})
	many(t, oracle(t, r.NS), 1)
	var control, data net.Conn
	var told []string
	follow(t, ctx, w, Match{}, func(m *mirror, c Change) bool {
		switch {
		case control == nil: // the connection that was there
			control = dialFrom(t, ctx, r, 21)
			port := askPassive(t, control)
			out, err := r.NS.Run(ctx, "", "conntrack", "-L", "expect")
			require.NoError(t, err)
			require.Contains(t, out, fmt.Sprintf("dport=%d", port))
			data = dialFrom(t, ctx, r, port)
			return false
		case c.Kind == New:
			told = append(told, fmt.Sprintf("%v %v", c.Kind, c.Entry.Status&Expected != 0))
			if len(told) == 2 {
				require.NoError(t, data.Close())
				require.NoError(t, control.Close())
				_, err := w.Evict(ctx, Match{Proto: TCP}, false)
				require.NoError(t, err)
			}
		case c.Kind == Destroyed:
			told = append(told, fmt.Sprintf("%v %v", c.Kind, c.Entry.Status&Expected != 0))
			assert.False(t, c.Lost)
		}
		return len(told) == 4
	})
	slices.Sort(told)
	assert.Equal(t, []string{"destroyed false", "destroyed true", "new false", "new true"}, told)
}

// serveFTP says in the server where the data connection is to go, and takes it.
func serveFTP(t *testing.T, r *testns.Router) {
	t.Helper()
	var control, data net.Listener
	require.NoError(t, r.Server.Do(func() (err error) {
		if control, err = net.Listen("tcp4", ":21"); err != nil {
			return err
		}
		data, err = net.Listen("tcp4", ":0")
		return err
	}))
	done := make(chan struct{})
	t.Cleanup(func() { control.Close(); data.Close(); <-done })
	go func() {
		defer close(done)
		c, err := control.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(c, "220 ready\r\n")
		if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			return
		}
		port := data.Addr().(*net.TCPAddr).Port
		fmt.Fprintf(c, "227 Entering Passive Mode (%s,%d,%d)\r\n",
			strings.ReplaceAll(r.ServerAddr(testns.IPv4).String(), ".", ","), port>>8, port&255)
		d, err := data.Accept()
		if err == nil {
			d.Close()
		}
	}()
}

// askPassive asks for a data connection and returns its port.
func askPassive(t *testing.T, c net.Conn) uint16 {
	t.Helper()
	lines := bufio.NewReader(c)
	_, err := lines.ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Fprint(c, "PASV\r\n")
	require.NoError(t, err)
	answer, err := lines.ReadString('\n')
	require.NoError(t, err)
	var a, b, d, e, high, low int
	_, err = fmt.Sscanf(answer, "227 Entering Passive Mode (%d,%d,%d,%d,%d,%d)", &a, &b, &d, &e, &high, &low)
	require.NoError(t, err, answer)
	return uint16(high<<8 | low)
}

// dialFrom opens a TCP connection from the client to the server.
func dialFrom(t *testing.T, ctx context.Context, r *testns.Router, port uint16) net.Conn {
	t.Helper()
	var c net.Conn
	require.NoError(t, r.Client.Do(func() (err error) {
		c, err = (&net.Dialer{}).DialContext(ctx, "tcp", netip.AddrPortFrom(r.ServerAddr(testns.IPv4), port).String())
		return err
	}))
	t.Cleanup(func() { c.Close() })
	return c
}
