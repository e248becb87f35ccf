package offload

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Several causes share one errno; what the machine looks like afterwards tells them apart.
func TestExplain(t *testing.T) {
	hardware := devices("eth0", "eth1")
	hardware.Hardware = flowtable.HardwareOn
	links := []flowtable.Link{{Index: 2, Name: "eth0"}, {Index: 3, Name: "eth1"}}
	noModule := func(b *ruleset.Batch) error { return refuse(b, ruleset.KindFlowtable, enoent, 0) }
	const atTable = 20 // header and nfgenmsg

	tests := map[string]struct {
		spec   flowtable.Spec
		links  []flowtable.Link
		kind   ruleset.Kind // of the refused operation; "" is the batch
		errno  int
		offset uint32
		check  func(*ruleset.Batch) error
		reason error
		also   error
		says   []string
	}{
		"ENOENT, no module": {devices("eth0"), links, ruleset.KindFlowtable, enoent, 0, noModule, ErrNoFlowtables, errors.ErrUnsupported,
			[]string{"flowtable inet fw fast", "CONFIG_NF_FLOW_TABLE"}},
		"ENOENT, device missing": {devices("eth0", "wan7"), links, ruleset.KindFlowtable, enoent, 0, nil, ErrNoDevice, fs.ErrNotExist,
			[]string{"flowtable inet fw fast", "does not exist: wan7", "Manager.Plan"}},
		"ENOENT, table missing": {devices("eth0"), links, ruleset.KindFlowtable, enoent, atTable, nil, ErrNoTable, fs.ErrNotExist,
			[]string{"table inet fw", "plan again"}},
		"ENOENT, nothing explains it": {devices("eth0"), links, ruleset.KindFlowtable, enoent, 0, nil, syscall.ENOENT, fs.ErrNotExist,
			[]string{"flowtable inet fw fast"}},
		"EOPNOTSUPP, driver": {hardware, links, ruleset.KindFlowtable, eopnotsupp, 0, nil, ErrHardwareRefused, errors.ErrUnsupported,
			[]string{"flowtable inet fw fast", "eth0, eth1", "hardware to off"}},
		"EOPNOTSUPP, not the driver": {hardware, links, ruleset.KindFlowtable, eopnotsupp, 0,
			func(b *ruleset.Batch) error { return refuse(b, ruleset.KindFlowtable, eopnotsupp, 0) }, syscall.EOPNOTSUPP, errors.ErrUnsupported,
			[]string{"flowtable inet fw fast", "newer kernel"}},
		"EINVAL, prefix": {flowtable.Spec{Devices: []flowtable.Selector{{Prefix: "ppp"}}}, links, ruleset.KindFlowtable, einval, 0, nil,
			errors.ErrUnsupported, syscall.EINVAL, []string{"ppp*", "Manager.Plan"}},
		"EEXIST, flowtable": {devices("eth0"), links, ruleset.KindFlowtable, eexist, 0, nil, syscall.EEXIST, fs.ErrExist,
			[]string{"once in a table"}},
		"EEXIST, table": {devices("eth0"), links, ruleset.KindTable, eexist, 0, nil, ErrConflict, fs.ErrExist,
			[]string{"table inet fw", "Manager.Plan"}},
		"EPERM, batch": {devices("eth0"), links, "", eperm, 0, nil, fs.ErrPermission, syscall.EPERM,
			[]string{"the batch", "CAP_NET_ADMIN", "unshare -rn"}},
		"EPERM, table": {devices("eth0"), links, ruleset.KindTable, eperm, 0, nil, fs.ErrPermission, syscall.EPERM,
			[]string{"table inet fw", "flags owner"}},
		"EOPNOTSUPP, batch": {devices("eth0"), links, "", eopnotsupp, 0, nil, errors.ErrUnsupported, syscall.EOPNOTSUPP,
			[]string{"no nf_tables", "CONFIG_NF_TABLES"}},
		"ENOMEM, batch": {devices("eth0"), links, "", enomem, 0, nil, syscall.ENOMEM, syscall.ENOMEM, []string{"memory"}},
		"ENOENT, rule without module": {devices("eth0"), links, ruleset.KindRule, enoent, 0, noModule, ErrNoFlowtables, errors.ErrUnsupported,
			[]string{"rule inet fw forward", "flow add @fast"}},
		"EOPNOTSUPP, rule": {devices("eth0"), links, ruleset.KindRule, eopnotsupp, 0, nil, errors.ErrUnsupported, syscall.EOPNOTSUPP,
			[]string{"outside the forward hook"}},
		"EBUSY, software flowtable": {devices("eth0"), links, ruleset.KindFlowtable, ebusy, 0, nil, syscall.EBUSY, syscall.EBUSY,
			[]string{"still refers to it"}},
		"EBUSY, hardware flowtable": {hardware, links, ruleset.KindFlowtable, ebusy, 0, nil, syscall.EBUSY, syscall.EBUSY,
			[]string{"hardware flowtable"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			kernel := &fake{generation: 5, target: flowtable.Target{Kernel: flowtable.KernelOf("6.1"), Links: test.links}, check: test.check}
			m := openFake(t, kernel)
			resolved, err := fwSpec(test.spec).Resolve(nil) // a Target given by hand: everything is listed as declared
			require.NoError(t, err)
			plan, err := ruleset.Diff(nil, resolved)
			require.NoError(t, err)
			batch, err := plan.Batch(nil)
			require.NoError(t, err)
			kernel.commits = []func(*fake) error{func(*fake) error {
				if test.kind == "" {
					return refuseBatch(test.errno)
				}
				return refuse(batch, test.kind, test.errno, test.offset)
			}}

			_, err = m.Apply(testContext(t), plan)
			var refused *ApplyError
			require.ErrorAs(t, err, &refused)
			require.ErrorIs(t, err, test.reason)
			require.ErrorIs(t, err, test.also)
			require.ErrorIs(t, err, syscall.Errno(test.errno))
			assert.Equal(t, test.kind, refused.Operation.Kind)
			assert.NotEmpty(t, refused.Next)
			for _, word := range append(test.says, "nothing was changed", "Next: ") {
				assert.Contains(t, err.Error(), word)
			}
			if errors.Is(err, fs.ErrPermission) {
				assert.Contains(t, err.Error(), "EPERM, operation not permitted")
				assert.NotContains(t, err.Error(), "permission denied", "it is told once")
			}
			for _, b := range kernel.checked {
				for i := range b.Messages() {
					if op, ok := b.Operation(i); ok {
						spec, _, _ := op.Flowtable()
						assert.Equal(t, flowtable.HardwareOff, spec.Hardware, "a probe asks no driver")
						assert.NotEqual(t, "fw", op.Table, "a probe stays out of declared tables")
					}
				}
			}
		})
	}
}

// The first refused message of the batch is named, the others are counted.
func TestExplainNamesTheFirst(t *testing.T) {
	kernel := &fake{generation: 5, target: flowtable.Target{Links: []flowtable.Link{{Index: 1, Name: "eth0"}}}}
	m := openFake(t, kernel)
	plan, err := m.Plan(testContext(t), fwSpec(devices("eth0")))
	require.NoError(t, err)
	batch, err := plan.Batch(nil)
	require.NoError(t, err)
	kernel.commits = []func(*fake) error{func(*fake) error {
		return &ruleset.CommitError{Refusals: []ruleset.Refusal{{Message: batch.Messages() - 2, Errno: enoent}, {Message: 1, Errno: enomem, Text: "out of something"}}}
	}}
	_, err = m.Apply(testContext(t), plan)
	var refused *ApplyError
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, syscall.ENOMEM, refused.Errno)
	assert.Equal(t, 1, refused.More)
	assert.Equal(t, "out of something", refused.KernelText)
	assert.Contains(t, err.Error(), "the kernel says: out of something")
	assert.Contains(t, err.Error(), "1 more refused")
}
