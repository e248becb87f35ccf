package testns

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// Start starts cmd inside the namespace, as cmd.Start does outside. Do not set Pdeathsig: the thread that starts the process dies.
func (n *Namespace) Start(cmd *exec.Cmd) error { return n.Do(cmd.Start) }

// Run runs a tool inside the namespace with text on its standard input and returns its standard output. The error names the tool and
// carries what it said on standard error. The end of ctx kills it.
func (n *Namespace) Run(ctx context.Context, stdin, name string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	// A grandchild that keeps the pipes open must not hold Wait for good. The delay begins when the tool ends, and a starved machine
	// may need seconds to read what it said.
	cmd.WaitDelay = 15 * time.Second
	err := n.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return stdout.String(), fmt.Errorf("testns: in namespace %s: %s: %w: %s", n,
			strings.Join(cmd.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// IP runs commands of the ip tool, without the word ip, in one process: n.IP(ctx, "link add d0 type dummy", "link set d0 up").
// The first that fails ends the batch; what went before it stays.
func (n *Namespace) IP(ctx context.Context, commands ...string) error {
	batch := strings.Join(commands, "\n") + "\n"
	if _, err := n.Run(ctx, batch, "ip", "-batch", "-"); err != nil {
		return fmt.Errorf("%w\n%s", err, batch)
	}
	return nil
}

// NFT loads nft text as one transaction.
func (n *Namespace) NFT(ctx context.Context, text string) error {
	if _, err := n.Run(ctx, text, "nft", "-f", "-"); err != nil {
		return fmt.Errorf("%w\n%s", err, text)
	}
	return nil
}

// Ruleset is what `nft list ruleset` prints. nft 1.0.6 leaves out flowtables with wildcard devices.
func (n *Namespace) Ruleset(ctx context.Context) (string, error) {
	return n.Run(ctx, "", "nft", "list", "ruleset")
}
