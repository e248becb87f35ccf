//go:build linux

// Command appliance is a home router in network namespaces: a bridge for the house, a PPPoE session over a VLAN to the provider,
// NAT, a firewall, and a policy of what takes the fast path. It names the devices that have addresses, br-lan and ppp0; the library
// finds out which ones a flowtable has to list, and says why.
//
//	go run ./examples/appliance                                        as root, on a kernel with flowtables
//	go run ./internal/testns/vm/cmd/fastpath-vm run ./examples/appliance   anywhere
//
// It needs pppd and pppoe-server (Debian's ppp and pppoe). Nothing outside its own namespaces is touched, and they end with it.
// story.go is what it does.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
)

// patience is how long everything may take.
const patience = 3 * time.Minute

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	ctx, cancel := context.WithTimeout(ctx, patience)
	result, err := run(ctx, os.Stdout)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "appliance:", err)
		os.Exit(1)
	}
	fmt.Println("\n" + result.String())
	if result.failed > 0 {
		os.Exit(1)
	}
}

// run builds the router and tells its story.
func run(ctx context.Context, out io.Writer) (result tally, err error) {
	if err := missing(ctx); err != nil {
		return result, err
	}
	router, err := testns.NewRouter(ctx, &testns.RouterConfig{LANStack: testns.Bridge, WANStack: testns.PPPoEVLAN})
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, router.Close()) }()
	manager, err := offload.Open(ctx, &offload.Config{NetNS: router.NS.Path()})
	if err != nil {
		return result, err
	}
	defer manager.Close()
	s := &story{out: out, router: router, manager: manager}
	return s.tell(ctx)
}

// missing says what this machine lacks.
func missing(ctx context.Context) error {
	const elsewhere = "go run ./internal/testns/vm/cmd/fastpath-vm run ./examples/appliance runs it on a kernel that has everything"
	if ok, why := testns.HaveFlowtables(ctx); !ok {
		return fmt.Errorf("no router without flowtables: %s; %s", why, elsewhere)
	}
	for _, tool := range []string{"pppd", "pppoe-server"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("no PPPoE without %s: apt-get install ppp pppoe; or: %s", tool, elsewhere)
		}
	}
	return nil
}
