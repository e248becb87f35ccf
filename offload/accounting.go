package offload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/ruleset"
)

// accountingKey is the setting that rules on ct packets and bytes turn on (net/netfilter/nft_ct.c).
const accountingKey = mark.Accounting

// An accounting is the setting as it was before a batch.
type accounting struct {
	m      *Manager
	before string // "" where it is not known, or the batch does not touch it
}

// watchAccounting notes the setting if a plan would turn it on.
func (m *Manager) watchAccounting(ctx context.Context, plan *ruleset.Plan) accounting {
	if !plan.Counts() {
		return accounting{m: m}
	}
	return m.noteAccounting(ctx)
}

// noteAccounting notes the setting.
func (m *Manager) noteAccounting(ctx context.Context) accounting {
	a := accounting{m: m}
	if k, ok := m.kernel.(Tunable); ok {
		if value, err := k.Sysctl(ctx, accountingKey); err == nil {
			a.before = value
		}
	}
	return a
}

// changed reports whether the setting is another one than before.
func (a accounting) changed(ctx context.Context) (bool, error) {
	if a.before == "" {
		return false, nil
	}
	now, err := a.m.kernel.(Tunable).Sysctl(ctx, accountingKey)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && now != a.before, err
}

// restore puts the setting back where it changed.
func (a accounting) restore(ctx context.Context) ([]Setting, error) {
	changed, err := a.changed(ctx)
	if err != nil {
		return nil, fmt.Errorf("offload: look whether %s is as before: %w", accountingKey, err)
	}
	if !changed {
		return nil, nil
	}
	k, ok := a.m.kernel.(Writable)
	if !ok {
		return nil, fmt.Errorf("offload: %s was changed and this Kernel cannot put it back to %s", accountingKey, a.before)
	}
	if err := k.WriteSysctl(ctx, accountingKey, a.before); err != nil {
		return nil, fmt.Errorf("offload: put %s back to %s: %w", accountingKey, a.before, err)
	}
	return []Setting{{accountingKey, a.before}}, nil
}
