package offloadtest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/offload/offloadtest"
)

func TestEvents(t *testing.T) {
	k := offloadtest.New(t, offloadtest.Linux72("eth0"))
	broken := errors.New("broken")
	steps := []struct {
		do   func()
		want offload.Event
	}{
		{func() { k.AddLink(flowtable.Link{Name: "eth1"}) }, offload.Event{Kind: offload.EventLinks, Device: "eth1", What: "new"}},
		{func() { k.RenameLink("eth1", "eth2") }, offload.Event{Kind: offload.EventLinks, Device: "eth2", What: "renamed from eth1"}},
		{func() { k.ChangeLink("eth2", func(l *flowtable.Link) { l.Group = 7 }) }, offload.Event{Kind: offload.EventLinks, Device: "eth2", What: "changed"}},
		{k.ForeignCommit, offload.Event{Kind: offload.EventRuleset, Generation: 2, What: "commit", Writer: "another program (process 2)"}},
		{func() { k.LoseEvents(); k.DelLink("eth2") }, offload.Event{Kind: offload.EventLost, What: "the receive buffer overran"}},
		{func() { k.SetDefaultRoutes("eth0"); k.ForeignFlush() }, offload.Event{Kind: offload.EventRuleset, Generation: 3, What: "commit", Writer: "another program (process 2)"}},
	}
	next := 0
	for e, err := range k.Events(t.Context(), offload.EventConfig{}) {
		if next > len(steps) {
			assert.ErrorIs(t, err, broken)
			continue
		}
		require.NoError(t, err)
		if next == 0 {
			assert.Equal(t, offload.EventLost, e.Kind, "the subscription stands")
		} else {
			assert.Equal(t, steps[next-1].want, e)
		}
		if next == len(steps) {
			k.FailEvents(broken)
		} else {
			steps[next].do()
		}
		next++
	}
	assert.Equal(t, len(steps)+1, next)

	ctx, cancel := context.WithCancel(t.Context())
	for _, err := range k.Events(ctx, offload.EventConfig{Routes: true}) {
		if err != nil {
			assert.ErrorIs(t, err, context.Canceled)
			break
		}
		cancel()
	}
	cancel()
	target, err := k.Target(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []int{1}, target.DefaultRoutes)
}

func TestProbe(t *testing.T) {
	k := offloadtest.New(t, nil)
	for name, feature := range map[string]string{"good": "on", "bad": "on", "off": "off", "fixed": "off [fixed]", "unknown": ""} {
		k.AddLink(flowtable.Link{Name: name, TCOffload: feature})
	}
	k.Refuse("bad")
	asked := []string{"good", "bad", "off", "fixed", "unknown", "none"}
	results := func(force bool) []flowtable.Result {
		answers, err := k.Probe(t.Context(), asked, force)
		require.NoError(t, err)
		list := make([]flowtable.Result, len(answers))
		for i, a := range answers {
			assert.Equal(t, asked[i], a.Device)
			assert.NotEmpty(t, a.Evidence)
			list[i] = a.Result
		}
		return list
	}
	assert.Equal(t, []flowtable.Result{flowtable.Accepted, flowtable.DriverRefuses, flowtable.FeatureOff, flowtable.FixedOff, flowtable.NotTried, flowtable.NoDevice}, results(false))
	assert.Equal(t, []flowtable.Result{flowtable.Accepted, flowtable.DriverRefuses, flowtable.Accepted, flowtable.Accepted, flowtable.Accepted, flowtable.NoDevice}, results(true))
}
