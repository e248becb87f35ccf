package vm

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/internal/testns/vm/wire"
)

// Boot is one start of a kernel with the programs to run on it. Set the fields,
// then call Run once; not safe for concurrent use.
type Boot struct {
	Cache   *Cache
	Kernel  *Kernel
	Init    string            // the guest's /init on the host
	Files   map[string]string // guest path -> host path of what the jobs need
	Jobs    []wire.Job
	Timeout time.Duration // of the whole boot; zero means 20 minutes
	OutDir  string        // where files from $FASTPATH_OUT go; empty drops them
	KeepLog bool          // leave the kernel log behind even if all is well
	Say     func(string, ...any)

	OnFrame func(wire.Frame) error // sees Start, Stdout, Stderr and Exit frames
	Hello   wire.Greeting          // filled by Run
	BootSec float64                // seconds from the start of qemu to the first job, filled by Run
	Took    time.Duration          // from the start of qemu to its end, filled by Run
	Used    time.Duration          // of the host's processors meanwhile, filled by Run
}

// helloLimit is generous: an emulated machine beside others is slow.
const helloLimit = 3 * time.Minute

// Run boots, runs the jobs and ends the machine. An oops, a death before the
// end or a timeout is an error that shows the kernel log.
func (b *Boot) Run(ctx context.Context) error {
	free, err := b.Cache.slot(ctx, b.Say)
	if err != nil {
		return err
	}
	defer free()
	timeout := b.Timeout
	if timeout == 0 {
		timeout = 20 * time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("the boot was ended after %v", timeout))
	defer cancel()
	dir, err := os.MkdirTemp("", "fastpath-vm-")
	if err != nil {
		return err
	}
	m := &machine{kernel: b.Kernel, dir: dir, image: filepath.Join(dir, "initramfs")}
	if err := b.makeImage(ctx, m.image); err != nil {
		os.RemoveAll(dir)
		return err
	}
	start := time.Now()
	ctx, noHello := context.WithCancelCause(ctx)
	late := time.AfterFunc(helloLimit, func() { noHello(fmt.Errorf("no sign of life from the guest after %v", helloLimit)) })
	defer late.Stop()
	var tar tarSink
	err = m.run(ctx, func(f wire.Frame) error { return b.frame(f, start, late, &tar) })
	b.Took, b.Used = time.Since(start), m.used
	os.Remove(m.image)
	if b.OutDir != "" {
		if e := tar.extract(b.OutDir); e != nil && err == nil {
			err = e
		}
	}
	return b.verdict(m, err)
}

func (b *Boot) frame(f wire.Frame, start time.Time, late *time.Timer, tar *tarSink) error {
	switch f.Kind {
	case wire.Hello:
		late.Stop()
		b.BootSec = time.Since(start).Seconds()
		return json.Unmarshal(f.Payload, &b.Hello)
	case wire.Trouble:
		return fmt.Errorf("guest: %s", f.Payload)
	case wire.Tar:
		tar.Write(f.Payload)
	default:
		return b.OnFrame(f)
	}
	return nil
}

// verdict looks at the kernel log before it goes.
func (b *Boot) verdict(m *machine, err error) error {
	log := m.console()
	found := consoleTrouble(log)
	if found == "" && err == nil {
		if b.KeepLog {
			b.Say("kernel log: %s", log)
			return nil
		}
		return os.RemoveAll(m.dir)
	}
	if found != "" {
		if err == nil {
			err = fmt.Errorf("the kernel complained")
		}
		return fmt.Errorf("%w; kernel log %s:\n%s", err, log, found)
	}
	return fmt.Errorf("%w; kernel log %s ends with:\n%s", err, log, consoleEnd(log))
}

func (b *Boot) makeImage(ctx context.Context, to string) error {
	base, err := b.Cache.baseImage(ctx, b.Kernel, b.Say)
	if err != nil {
		return err
	}
	names, err := b.Kernel.modules()
	if err != nil {
		return err
	}
	p := payload{files: map[string]string{"init": b.Init}}
	for _, n := range names {
		p.work.Modules = append(p.work.Modules, "/mods/"+n)
	}
	env := []string{"FASTPATH_VM=1", "FASTPATH_KERNEL=" + b.Kernel.Label, "FASTPATH_OUT=" + wire.OutDir}
	lacks, err := b.addSimulator(&p)
	if err != nil {
		return err
	}
	if lacks != "" {
		env = append(env, "FASTPATH_NO_SIMULATOR="+lacks)
	}
	for to, from := range b.Files {
		p.files[to] = from
	}
	for _, j := range b.Jobs {
		j.Env = append(slices.Clone(env), j.Env...)
		p.work.Jobs = append(p.work.Jobs, j)
	}
	return writeInitramfs(to, base, p)
}

// addSimulator adds the simulator of hardware, or says why there is none.
func (b *Boot) addSimulator(p *payload) (lacks string, err error) {
	ch, err := choose(b.Kernel.Selector)
	if err != nil {
		return "", err
	}
	if !ch.headers {
		return "no headers, so no simulator of hardware", nil
	}
	module, err := b.Kernel.hwsimModule()
	if err != nil {
		return "", err
	}
	p.files["mods/"+hwsimName+".ko"] = module
	p.work.Modules = append(p.work.Modules, "/mods/"+hwsimName+".ko")
	return "", nil
}
