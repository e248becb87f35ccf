package offloadtest

import (
	"context"
	"slices"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/offload"
)

var (
	_ offload.Mannered = (*Kernel)(nil)
	_ offload.Modular  = (*Kernel)(nil)
	_ offload.Thrifty  = (*Kernel)(nil)
	_ offload.Tabled   = (*Kernel)(nil)
	_ offload.Placed   = (*Kernel)(nil)
)

// Manners are those of the Target that New was given, as if they had been tried.
func (k *Kernel) Manners(ctx context.Context) (offload.Manners, error) {
	if err := ctx.Err(); err != nil {
		return offload.Manners{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	found := func(yes bool) offload.Finding {
		return offload.Finding{Known: true, Yes: yes, Evidence: "imitated Linux " + k.manner.Release}
	}
	return offload.Manners{
		Kernel: k.manner, Flowtables: found(true), ByName: found(k.manner.ByName), Wildcards: found(k.manner.Wildcards),
	}, nil
}

// modules are those that the imitated kernel is made of.
var modules = []string{"nf_tables", "nf_conntrack", "nf_flow_table", "nf_flow_table_inet", "nft_flow_offload"}

// Module has what nf_tables, connections and flowtables need built in, and is missing any other.
func (k *Kernel) Module(name string) offload.Module {
	if slices.Contains(modules, name) {
		return offload.Module{State: offload.ModuleBuiltIn, Evidence: "offloadtest imitates it"}
	}
	return offload.Module{State: offload.ModuleMissing, Evidence: "offloadtest does not imitate it"}
}

// TargetOf is Target, without the links' TCOffload unless features, and without default routes
// unless defaultRoutes.
func (k *Kernel) TargetOf(ctx context.Context, features, defaultRoutes bool) (*flowtable.Target, error) {
	t, err := k.Target(ctx)
	if err != nil {
		return nil, err
	}
	if !features {
		for i := range t.Links {
			t.Links[i].TCOffload = ""
		}
	}
	if !defaultRoutes {
		t.DefaultRoutes = nil
	}
	return t, nil
}

// NetNS is "": no other process can find this kernel.
func (k *Kernel) NetNS() string { return "" }
