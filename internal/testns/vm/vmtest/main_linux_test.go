package vmtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// roleEnv makes the test binary an echo server or a client instead; the tests
// start it so inside namespaces.
const roleEnv = "VMTEST_ROLE"

func TestMain(m *testing.M) {
	var err error
	switch role, addr, _ := strings.Cut(os.Getenv(roleEnv), " "); role {
	case "":
		os.Exit(m.Run())
	case "serve":
		err = serve(addr)
	case "ask":
		err = ask(addr)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// serve echoes UDP datagrams until it is killed.
func serve(addr string) error {
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	fmt.Println("listening")
	b := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return err
		}
		if _, err := c.WriteTo(b[:n], from); err != nil {
			return err
		}
	}
}

// ask sends a datagram every 10 ms from one socket and waits for each answer, until it is killed.
func ask(addr string) error {
	c, err := net.Dial("udp", addr)
	if err != nil {
		return err
	}
	b := make([]byte, 2048)
	for range time.Tick(10 * time.Millisecond) {
		if _, err := c.Write([]byte("are you there?")); err != nil {
			continue // refused: the server is not up yet
		}
		if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		c.Read(b) // a lost answer is as good as one
	}
	return nil
}

// inVM skips on machines that are not the virtual one.
func inVM(t *testing.T) {
	t.Helper()
	if os.Getenv("FASTPATH_VM") == "" {
		t.Skip("needs the virtual machine: make test")
	}
}

// sh runs a script that must succeed and returns all it printed.
func sh(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("/bin/sh", "-ec", script).CombinedOutput()
	require.NoError(t, err, "%s\n%s", script, out)
	return string(out)
}

// router makes client a, router r and server b, with echo traffic from a to b.
func router(t *testing.T) {
	t.Helper()
	cleanup := func() { exec.Command("/bin/sh", "-c", "ip netns del a; ip netns del r; ip netns del b").Run() }
	cleanup()
	t.Cleanup(cleanup)
	sh(t, `for n in a r b; do ip netns add $n; ip -n $n link set lo up; done
ip -n a link add va type veth peer name ra netns r; ip -n b link add vb type veth peer name rb netns r
ip -n a addr add 10.0.1.2/24 dev va; ip -n r addr add 10.0.1.1/24 dev ra
ip -n b addr add 10.0.2.2/24 dev vb; ip -n r addr add 10.0.2.1/24 dev rb
for d in a/va b/vb r/ra r/rb; do ip -n ${d%/*} link set ${d#*/} up; done
ip -n a route add default via 10.0.1.1; ip -n b route add default via 10.0.2.1
ip netns exec r sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/netfilter/nf_conntrack_acct'`)
}

// start runs this binary in a role inside a namespace until stop is called or the test ends.
func start(t *testing.T, ns, role string) (stop func()) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("ip", "netns", "exec", ns, self)
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	stop = sync.OnceFunc(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// traffic starts the echo server and its client; stop ends the client.
func traffic(t *testing.T) (stop func()) {
	t.Helper()
	start(t, "b", "serve 10.0.2.2:7000")
	return start(t, "a", "ask 10.0.2.2:7000")
}

// awaitFlow polls until the conntrack line of the echo traffic is as wanted, for at most 30 s.
func awaitFlow(t *testing.T, what string, wanted func(line string) bool) {
	t.Helper()
	line := ""
	if !poll(func() bool { line = flow(t); return wanted(line) }) {
		state := sh(t, "grep -H . "+params+"*; ip netns exec r ip -s neigh; ip netns exec r nft list ruleset; ps")
		require.FailNow(t, what, "the flow is: %q\n%s", line, state)
	}
}

// inHardware and notOffloaded are wanted states of a flow.
func inHardware(line string) bool   { return strings.Contains(line, "[HW_OFFLOAD]") }
func notOffloaded(line string) bool { return !strings.Contains(line, "OFFLOAD]") }

// poll tries until the condition holds, for at most 30 s.
func poll(holds func() bool) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-tick.C {
		if holds() {
			return true
		}
	}
	return false
}
