package offload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/ruleset"
)

var children = map[string]func(context.Context, *Manager) error{
	"nobody":     childNobody,
	"user":       childUser,
	"big batch":  childBigBatch,
	"confirm":    childConfirm,
	"forgets":    childForgets,
	"apply":      childApply,
	"run":        childRun,
	"privileges": childPrivileges,
}

func runChild(name string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := func() error {
		if children[name] == nil {
			return childEntersOther(ctx, strings.TrimPrefix(name, "enter "))
		}
		m, err := Open(ctx, nil)
		if err != nil {
			return err
		}
		return errors.Join(children[name](ctx, m), m.Close())
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func startChild(t *testing.T, name string, attr *syscall.SysProcAttr) {
	t.Helper()
	testns.RequireNamespaces(t)
	// Not os.Executable: the directory of the test binary may be closed to others.
	cmd := exec.CommandContext(testContext(t), "/proc/self/exe")
	cmd.Env = append(os.Environ(), childVariable+"="+name)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func nobody() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// userNamespace is what `unshare -rn` makes.
func userNamespace() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
}

// says holds an error against a sentinel and the words that it must have.
func says(err, want error, words ...string) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("want an error matching %q, have: %v", want, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			return fmt.Errorf("the error does not say %q: %w", w, err)
		}
	}
	return nil
}

// Without CAP_NET_ADMIN the machine can be read, nf_tables cannot, and the errors say what is needed.
func TestNobody(t *testing.T) { startChild(t, "nobody", nobody()) }

func childNobody(ctx context.Context, m *Manager) error {
	target, err := m.Target(ctx)
	if err != nil || len(target.Links) == 0 || target.Kernel.Release == "" {
		return fmt.Errorf("target %+v, error %v", target, err)
	}
	facts, err := m.Facts(ctx)
	if err != nil {
		return err
	}
	if !strings.Contains(facts[2].Evidence, "CAP_NET_ADMIN") || !strings.Contains(facts[2].Evidence, "judged by the release") {
		return fmt.Errorf("facts do not tell why they are judged by the release: %v", facts)
	}
	if facts[1].Answer != "unknown" || facts[2].Answer != yesNo(target.Kernel.ByName) || facts[3].Answer != yesNo(target.Kernel.Wildcards) {
		return fmt.Errorf("facts do not answer as the Target does: %v", facts)
	}
	if _, err := m.Plan(ctx, plain()); err != nil {
		if err := says(err, fs.ErrPermission, "read nf_tables", "CAP_NET_ADMIN", "unshare -rn"); err != nil {
			return err
		}
	} else {
		return errors.New("a plan without privilege")
	}
	for _, takeover := range []bool{false, true} {
		m.running.Takeover = takeover
		if err := says(m.Run(ctx, plain()), fs.ErrPermission, "the lock of owner", "CAP_NET_ADMIN", "unshare -rn"); err != nil {
			return err
		}
	}
	resolved, err := plain().Resolve(target)
	if err != nil {
		return err
	}
	plan, err := ruleset.Diff(nil, resolved)
	if err != nil {
		return err
	}
	_, err = m.Apply(ctx, plan)
	if !errors.As(err, new(*ApplyError)) {
		return fmt.Errorf("want an *ApplyError, have: %w", err)
	}
	return says(err, fs.ErrPermission, "the batch", "CAP_NET_ADMIN", "nothing was changed")
}

// In a user namespace of its own, anyone may.
func TestUserNamespace(t *testing.T) { startChild(t, "user", userNamespace()) }

func childUser(ctx context.Context, m *Manager) error {
	plan, err := m.Plan(ctx, plain())
	if err != nil {
		return err
	}
	if _, err := m.Apply(ctx, plan); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "nft", "list", "ruleset").CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("managed by fastpath")) {
		return fmt.Errorf("nft lists: %s, %v", out, err)
	}
	return nil
}

// There, the send buffer is bounded by net.core.wmem_max: a batch that is larger is refused before it is sent.
func TestSendBufferTooSmall(t *testing.T) { startChild(t, "big batch", userNamespace()) }

func childBigBatch(ctx context.Context, m *Manager) error {
	spec := plain()
	filler := make([]byte, 60000)
	rules := &spec.Tables[0].Chains[1].Rules
	for range 200 {
		*rules = append(*rules, ruleset.R(ruleset.Statement{Raw: &ruleset.Raw{Text: "filler", Expr: [][]byte{filler}}}))
	}
	plan, err := m.Plan(ctx, spec)
	if err != nil {
		return err
	}
	if _, err = m.Apply(ctx, plan); err == nil {
		return errors.New("12 MB went through")
	}
	if err := says(err, ErrSendBuffer, "net.core.wmem_max", "CAP_NET_ADMIN"); err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, "nft", "list", "ruleset").CombinedOutput()
	if err != nil || len(out) != 0 {
		return fmt.Errorf("nft lists: %s, %v", out, err)
	}
	return nil
}

// A namespace that may not be entered is told at Open.
func TestNamespaceNotAllowed(t *testing.T) {
	ns := testns.NewNamedT(t, "closed")
	startChild(t, "enter "+ns.Name(), nobody())
}

func childEntersOther(ctx context.Context, name string) error {
	m, err := Open(ctx, &Config{NetNS: name})
	if err == nil {
		m.Close()
	}
	w, watcherErr := conntrack.Open(ctx, &conntrack.Config{NetNS: name})
	if watcherErr == nil {
		w.Close()
	}
	for _, err := range []error{err, watcherErr} {
		if err := says(err, fs.ErrPermission, name, "CAP_SYS_ADMIN", "run as root"); err != nil {
			return err
		}
		if strings.Count(err.Error(), "CAP_") != 1 || strings.Count(err.Error(), "conntrack:") > 1 {
			return fmt.Errorf("the error says it twice: %w", err)
		}
	}
	return nil
}
