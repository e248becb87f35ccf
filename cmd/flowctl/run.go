package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"syscall"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// keep keeps a SPEC attached until it is told to end, or until another flowctl takes over. What it applied stays in force.
func keep(ctx context.Context, std *streams, args []string) error {
	flags := newArguments("run", "[--observe] [--report-only] [--takeover] [--adopt] [--conflicts MODE] [--stale report|evict] [--netns NS] [--json] [--log stderr|syslog] SPEC")
	netns, adopt, conflicts := flags.netns(), flags.adopt(), flags.conflicts()
	cfg := flags.running()
	asJSON := flags.Bool("json", false, "print each status as one JSON object a line")
	logTo := flags.String("log", "stderr", "where every applied plan is told: `stderr` or syslog")
	names, err := flags.parse(std, args, 1)
	if err != nil {
		return err
	}
	mode, err := conflictMode(*conflicts)
	if err != nil {
		return err
	}
	log, closeLog, err := auditLog(std, *logTo)
	if err != nil {
		return err
	}
	defer closeLog()
	spec, err := readSpec(std, names[0])
	if err != nil {
		return err
	}
	manager, err := offload.Open(ctx, &offload.Config{NetNS: *netns, Adopt: *adopt, Conflicts: mode, Logger: log, Run: *cfg})
	if err != nil {
		return err
	}
	defer manager.Close()
	k := &keeper{std: std, manager: manager, log: log, name: names[0], tell: tellChanges(std.out)}
	if *asJSON {
		k.tell = tellJSON(std.out)
	}
	// From here on an interrupt does not end the process at once: a commit that is under way is waited for. A second one does.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	k.lastSignal = func() { signal.Stop(signals) }
	return k.keep(ctx, spec, signals)
}

// running adds the flags that say how a run behaves.
func (a arguments) running() *offload.RunConfig {
	cfg := &offload.RunConfig{}
	a.BoolVar(&cfg.Observe, "observe", false, "report what would be done, and write nothing")
	a.BoolVar(&cfg.ReportOnly, "report-only", false, "report what others change in our tables, and do not repair it")
	a.BoolVar(&cfg.Takeover, "takeover", false, "ask another run of this owner in this namespace to leave")
	a.DurationVar(&cfg.Resync, "resync", 0, "look again after this `time`, though nothing was announced; 0 is 10m, negative is never")
	a.IntVar(&cfg.MaxChanges, "max-changes", 0, "commits a minute that undo what others changed before it freezes; 0 is 60, negative is no limit")
	a.BoolVar(&cfg.ForceHardware, "force-hardware", false, "with hardware \"auto\", "+forceWarning)
	a.Func("stale", "`report` or evict flows whose route, neighbour or MTU changed while they were in the fast path", func(mode string) error {
		cfg.Stale = offload.StaleMode(mode)
		if cfg.Stale != offload.StaleReport && cfg.Stale != offload.StaleEvict {
			return errors.New("want report or evict")
		}
		return nil
	})
	return cfg
}

// A keeper is one flowctl run. It reads its SPEC again at each hangup.
type keeper struct {
	std        *streams
	manager    *offload.Manager
	log        *slog.Logger
	name       string // of the SPEC
	tell       func(*offload.Status) error
	lastSignal func() // gives signals back to the system
}

// keep returns when a signal ended it, without an error, or with that of Run.
func (k *keeper) keep(ctx context.Context, spec *ruleset.Spec, signals <-chan os.Signal) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended, told := make(chan error, 1), make(chan error, 1)
	go func() { ended <- k.manager.Run(ctx, spec) }()
	go func() { told <- k.follow(ctx) }()
	for {
		select {
		case err := <-ended:
			stop()
			return errors.Join(err, <-told)
		case err := <-told: // the output is gone
			stop()
			return errors.Join(err, withoutCancel(<-ended))
		case s := <-signals:
			if s == syscall.SIGHUP {
				k.readAgain(ctx)
				continue
			}
			k.lastSignal()
			k.log.InfoContext(ctx, "ending; what was applied stays in force", "signal", s.String())
			stop()
			return errors.Join(withoutCancel(<-ended), <-told)
		}
	}
}

// follow tells every status until ctx ends.
func (k *keeper) follow(ctx context.Context) error {
	for status := range k.manager.Statuses(ctx) {
		if err := k.tell(status); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

// readAgain takes what the SPEC says now. A SPEC with mistakes is told, and changes nothing.
func (k *keeper) readAgain(ctx context.Context) {
	err := errors.New("it came from standard input; give a file to be able to read it again")
	if k.name != "-" {
		var spec *ruleset.Spec
		if spec, err = readSpec(k.std, k.name); err == nil {
			err = k.manager.Update(spec)
		}
	}
	if err == nil {
		k.log.InfoContext(ctx, "read again", "spec", k.name)
		return
	}
	for _, line := range mistakes(err) {
		k.log.ErrorContext(ctx, "not read again, the earlier one stays", "spec", k.name, "err", line)
	}
}

// withoutCancel leaves out that ctx was cancelled, which was the wish.
func withoutCancel(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// auditLog is where a run tells what it does.
func auditLog(std *streams, to string) (log *slog.Logger, closeLog func(), err error) {
	switch to {
	case "stderr":
		return slog.New(slog.NewTextHandler(std.err, nil)), func() {}, nil
	case "syslog":
		w, err := systemLog()
		if err != nil {
			return nil, nil, fmt.Errorf("the system's log: %w", err)
		}
		return slog.New(slog.NewTextHandler(w, nil)), func() { w.Close() }, nil
	}
	return nil, nil, usageError{fmt.Errorf("--log: %q is neither stderr nor syslog", to)}
}

// tellJSON tells each status as one JSON object a line, if more of it is new than the generation: others commit to their own tables, some once a second.
func tellJSON(out io.Writer) func(*offload.Status) error {
	encoder := newEncoder(out)
	var last *offload.Status
	return func(s *offload.Status) error {
		if sameNews(last, s) {
			return nil
		}
		last = s
		return encoder.Encode(s)
	}
}

// sameNews reports whether two statuses differ by nothing but the generation.
func sameNews(a, b *offload.Status) bool {
	if a == nil || b == nil {
		return a == b
	}
	c := *a
	c.Generation = b.Generation
	return reflect.DeepEqual(&c, b)
}
