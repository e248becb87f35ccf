package kernel

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/mark"
)

// Target reads the release, the devices and the default routes, and tries how the kernel treats flowtable devices. Without
// CAP_NET_ADMIN, and on a kernel without flowtables, the manners are judged by the release (flowtable.KernelOf); Manners says
// which it was.
func (k *Kernel) Target(ctx context.Context) (*flowtable.Target, error) {
	return k.TargetOf(ctx, true, true)
}

// TargetOf is Target, without the feature hw-tc-offload of the devices or without the default routes where nobody asks for them: they cost
// a dump each.
func (k *Kernel) TargetOf(ctx context.Context, features, defaultRoutes bool) (*flowtable.Target, error) {
	links, err := k.links(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.addSessions(links); err != nil {
		return nil, err
	}
	if err := k.addUnderlays(ctx, links); err != nil {
		return nil, err
	}
	if features {
		if err := k.addFeatures(ctx, links); err != nil {
			return nil, err
		}
	}
	var routes []int
	if defaultRoutes {
		if routes, err = k.defaultRoutes(ctx); err != nil {
			return nil, err
		}
	}
	m, err := k.Manners(ctx)
	if err != nil {
		return nil, err
	}
	return &flowtable.Target{Kernel: m.Kernel, Links: links, DefaultRoutes: routes}, nil
}

// release is what `uname -r` and `uname -v` print.
func release() (name, build string, err error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", "", fmt.Errorf("read the kernel's release: %w", err)
	}
	return unix.ByteSliceToString(u.Release[:]), unix.ByteSliceToString(u.Version[:]), nil
}

// debianVersion is the stable release that a Debian kernel was made of, where its name does not say: "6.1.192" of "6.1.0-57-amd64" and
// "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-3 (2026-09-14)". "" is one whose name says it, or that does not tell.
func debianVersion(release, build string) string {
	m := regexp.MustCompile(`^.* Debian (\d+\.\d+\.)(\d+)-\d`).FindStringSubmatch(build)
	if m == nil || !strings.HasPrefix(release, m[1]) || strings.HasPrefix(release, m[1]+m[2]) {
		return ""
	}
	return m[1] + m[2]
}

// Sysctl reads a setting as the namespace sees it: "net.ipv4.ip_forward". The error matches fs.ErrNotExist where the kernel
// has no such setting, or the module that brings it is not loaded.
func (k *Kernel) Sysctl(ctx context.Context, key string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	var value []byte
	err := k.ns.Do(func() (err error) {
		value, err = os.ReadFile("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))
		return err
	})
	if err != nil {
		return "", fmt.Errorf("sysctl %s of %s: %w", key, k.ns.Label(), err)
	}
	return strings.TrimSpace(string(value)), nil
}

// WriteSysctl changes a setting of the namespace. It needs CAP_NET_ADMIN there; errors match fs.ErrPermission without, and
// fs.ErrNotExist where there is no such setting. Keys and values that mark.CheckHeld refuses are not written, whoever asks: all that
// it takes belongs to the network namespace.
func (k *Kernel) WriteSysctl(ctx context.Context, key, value string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := mark.CheckHeld(key, value); err != nil {
		return fmt.Errorf("%w; nothing was written", err)
	}
	err := k.ns.Do(func() error {
		return os.WriteFile("/proc/sys/"+strings.ReplaceAll(key, ".", "/"), []byte(value), 0)
	})
	if err != nil {
		return fmt.Errorf("in %s: %w", k.ns.Label(), err)
	}
	return nil
}
