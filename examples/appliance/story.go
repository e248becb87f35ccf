//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
)

// A story is one run of the appliance.
type story struct {
	out     io.Writer
	router  *testns.Router
	manager *offload.Manager
}

// tell declares the router, keeps it attached, sends traffic, and takes it away.
func (s *story) tell(ctx context.Context) (result tally, err error) {
	if err := s.showDevices(ctx); err != nil {
		return result, err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- s.manager.Run(running, declare(s.router.LANDevice, s.router.WANDevice))
		stop()
	}()
	if err = s.showStatus(running); err == nil {
		result, err = s.sendTraffic(running)
	}
	stop()
	if e := <-ended; !errors.Is(e, context.Canceled) {
		err = errors.Join(e, err)
	}
	return result, errors.Join(err, s.tearDown(ctx))
}

// showDevices draws what stands on what.
func (s *story) showDevices(ctx context.Context) error {
	s.title(1, "The devices, as Mermaid draws them")
	target, err := s.manager.Target(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "kernel %s\n%s", target.Kernel.Release, target.Mermaid())
	return nil
}

// showStatus waits until the kernel holds what is declared, and prints how each device was found.
func (s *story) showStatus(ctx context.Context) error {
	s.title(2, "The flowtable names br-lan and ppp0; Run finds what to list, and keeps it so")
	for status := range s.manager.Statuses(ctx) {
		if status.Phase == offload.PhaseSteady || status.Err != "" {
			fmt.Fprint(s.out, status)
		}
		if status.Phase == offload.PhaseSteady {
			return nil
		}
	}
	return ctx.Err()
}

// tearDown takes the tables away, as `flowctl uninstall` does.
func (s *story) tearDown(ctx context.Context) error {
	s.title(4, "Uninstall")
	done, err := s.manager.Uninstall(ctx, owner)
	if done != nil {
		fmt.Fprintf(s.out, "%d operations, generation %d\n", len(done.Plan.Operations()), done.Generation)
	}
	return err
}

func (s *story) title(number int, text string) {
	fmt.Fprintf(s.out, "\n== %d. %s\n\n", number, text)
}
