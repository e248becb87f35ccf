package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-fastpath/fastpath/internal/goal"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
	"github.com/go-fastpath/fastpath/ruleset"
)

// minimalGoals counts what small changes send.
func minimalGoals(ctx context.Context, w io.Writer) ([]goal.Goal, error) {
	messages, err := oneDeviceMore(ctx)
	if err != nil {
		return nil, err
	}
	sent, err := tenElementsChanged(ctx)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "\none device more in a flowtable of 200 (imitated kernel): %d messages\n10 of 100,000 elements changed: %d elements sent\n", messages, sent)
	return []goal.Goal{
		goal.Of("messages-for-one-device-in-200", float64(messages), 1),
		goal.Of("elements-sent-for-10-changed-in-100000", float64(sent), 10),
	}, nil
}

// oneDeviceMore counts the messages that add a device to a flowtable of 200, BATCH_BEGIN and BATCH_END left out. The kernel is
// the imitated one: not every real one has flowtables.
func oneDeviceMore(ctx context.Context) (int, error) {
	var devices []string
	for i := range 201 {
		devices = append(devices, fmt.Sprintf("eth%d", i))
	}
	m, err := offload.Open(ctx, &offload.Config{Kernel: offloadtest.New(nil, offloadtest.Linux612(devices...))})
	if err != nil {
		return 0, err
	}
	defer m.Close()
	if err := planAndApply(ctx, m, flowtableSpec(devices[:200])); err != nil {
		return 0, err
	}
	plan, err := m.Plan(ctx, flowtableSpec(devices))
	if err != nil {
		return 0, err
	}
	batch, err := plan.Batch(nil)
	if err != nil {
		return 0, err
	}
	if _, err := m.Apply(ctx, plan); err != nil {
		return 0, err
	}
	return batch.Messages() - 2, nil
}

// tenElementsChanged counts the elements that are sent when 5 of 100,000 go and 5 others come.
func tenElementsChanged(ctx context.Context) (sent int, err error) {
	err = inNamespace(func(ns *testns.Namespace) error {
		m, err := offload.Open(ctx, &offload.Config{NetNS: ns.Path()})
		if err != nil {
			return err
		}
		if err := planAndApply(ctx, m, elementSpec(0)); err != nil {
			return errors.Join(err, m.Close())
		}
		plan, err := m.Plan(ctx, elementSpec(5))
		if err != nil {
			return errors.Join(err, m.Close())
		}
		if sent, err = elementsIn(plan); err == nil {
			_, err = m.Apply(ctx, plan)
		}
		return errors.Join(err, m.Close())
	})
	return sent, err
}

// elementsIn counts the set elements in a plan's batch.
func elementsIn(plan *ruleset.Plan) (int, error) {
	batch, err := plan.Batch(nil)
	if err != nil {
		return 0, err
	}
	o, n := nlmsg.Native(), 0
	for rest := batch.Bytes(); len(rest) > 0; {
		m, next, err := nlmsg.NextMessage(o, rest)
		if err != nil {
			return 0, err
		}
		rest = next
		if m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgNewSetElem) && m.Type != nlmsg.NFTablesType(nlmsg.NFTMsgDelSetElem) {
			continue
		}
		_, _, attrs, err := nlmsg.Netfilter(m.Data)
		if err != nil {
			return 0, err
		}
		err = nlmsg.EachAttr(o, attrs, func(a nlmsg.Attr) error {
			if a.Type != nlmsg.NFTASetElemListElements {
				return nil
			}
			return nlmsg.EachAttr(o, a.Data, func(nlmsg.Attr) error { n++; return nil })
		})
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}
