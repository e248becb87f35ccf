package offload

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/go-fastpath/fastpath/internal/mark"
)

// A Fact is one thing that decides what flowtables can do on a machine, and how it is known. It is a plain value.
type Fact struct {
	Name     string `json:"name"`
	Answer   string `json:"answer"` // "yes", "no", "unknown", or a value such as the release
	Evidence string `json:"evidence"`
}

// String is one line.
func (f Fact) String() string { return fmt.Sprintf("%s: %s (%s)", f.Name, f.Answer, f.Evidence) }

// Facts says how the kernel treats flowtables, and which settings of the namespace and which modules matter to them, in a fixed order:
// release, flowtables, by name, wildcards, accounting, events (whether connections announce their beginning and end: "yes", "no", or
// "listened to": those that begin while somebody listens), timestamps, forwarding ipv4, forwarding ipv6, tcp loose (whether a TCP connection
// may be picked up in its middle, as one that was evicted is), tcp timeout and udp timeout (the seconds without packets after which a flow
// leaves its flowtable), then the modules nf_flow_table, nf_flow_table_inet and nft_flow_offload: "yes" is loaded or built in, "no" is missing,
// "unknown" may be loaded when it is needed. What has to be tried is tried as Target does.
func (m *Manager) Facts(ctx context.Context) ([]Fact, error) {
	facts, err := m.mannerFacts(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range []struct {
		name, key string
		text      func(string) string
	}{
		{"accounting", accountingKey, isSet},
		{"events", mark.Events, announces},
		{"timestamps", mark.Timestamp, isSet},
		{"forwarding ipv4", mark.Forwarding, isSet},
		{"forwarding ipv6", mark.ForwardingV6, isSet},
		{"tcp loose", mark.Loose, isSet},
		{"tcp timeout", mark.TCPTimeout, inSeconds},
		{"udp timeout", mark.UDPTimeout, inSeconds},
	} {
		f, err := m.settingFact(ctx, s.name, s.key, s.text)
		if err != nil {
			return nil, err
		}
		facts = append(facts, f)
	}
	for _, name := range []string{"nf_flow_table", "nf_flow_table_inet", "nft_flow_offload"} {
		facts = append(facts, m.moduleFact(name))
	}
	return facts, nil
}

func isSet(value string) string     { return yesNo(value != "0") }
func inSeconds(value string) string { return value + " s" }

func announces(value string) string {
	if value == "2" {
		return "listened to"
	}
	return isSet(value)
}

func (m *Manager) moduleFact(name string) Fact {
	k, ok := m.kernel.(Modular)
	if !ok {
		return Fact{name, "unknown", "this Kernel has no modules"}
	}
	found := k.Module(name)
	f := Fact{name, "unknown", found.Evidence}
	switch found.State {
	case ModuleLoaded, ModuleBuiltIn:
		f.Answer = "yes"
	case ModuleMissing:
		f.Answer = "no"
	}
	return f
}

func (m *Manager) mannerFacts(ctx context.Context) ([]Fact, error) {
	k, ok := m.kernel.(Mannered)
	if !ok {
		t, err := m.Target(ctx)
		if err != nil {
			return nil, err
		}
		const evidence = "the Target says so"
		return []Fact{
			{"release", t.Kernel.Release, evidence},
			{"flowtables", "unknown", "not tried"},
			{"by name", yesNo(t.Kernel.ByName), evidence},
			{"wildcards", yesNo(t.Kernel.Wildcards), evidence},
		}, nil
	}
	found, err := k.Manners(ctx)
	if err != nil {
		return nil, fmt.Errorf("offload: %w", err)
	}
	return []Fact{
		{"release", found.Kernel.Release, "uname"},
		flowtablesFact(found.Flowtables),
		{"by name", yesNo(found.ByName.Yes), found.ByName.Evidence},
		{"wildcards", yesNo(found.Wildcards.Yes), found.Wildcards.Evidence},
	}, nil
}

// flowtablesFact is unknown where it could not be tried: no release tells, it depends on the kernel's configuration.
func flowtablesFact(f Finding) Fact {
	answer := yesNo(f.Yes)
	if !f.Known {
		answer = "unknown"
	}
	return Fact{"flowtables", answer, f.Evidence}
}

func (m *Manager) settingFact(ctx context.Context, name, key string, text func(string) string) (Fact, error) {
	k, ok := m.kernel.(Tunable)
	if !ok {
		return Fact{name, "unknown", "this Kernel has no settings"}, nil
	}
	value, err := k.Sysctl(ctx, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Fact{name, "unknown", key + " is not there to read: its module is not loaded, or /proc/sys is masked here, or there is no /proc"}, nil
	case errors.Is(err, fs.ErrPermission):
		return Fact{name, "unknown", err.Error()}, nil
	case err != nil:
		return Fact{}, fmt.Errorf("offload: %w", err)
	}
	return Fact{name, text(value), key + " = " + value}, nil
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
