package ruleset

import "slices"

// WithoutFlowtables is a deep copy of the Spec that does all of it but offload: without flowtables, policies and `flow add`. It is
// what is in force while the fast path is switched off.
//
// A rule ends where its `flow add` stood: for a packet whose connection is not offloaded by it, kernels end the rule there too (NFT_BREAK,
// net/netfilter/nft_flow_offload.c). A rule of which nothing but matches and limits is left goes. The chain of an Inline policy that is
// still jumped to stays, empty. Sets stay as they are, so that live ones keep their elements. A Raw statement that offloads goes
// as a whole. With a policy goes what its exclusions' rules log and count. Of a nil Spec it is nil.
func (s *Spec) WithoutFlowtables() *Spec {
	if s == nil {
		return nil
	}
	c := cloneSpec(s)
	for i := range c.Tables {
		t := &c.Tables[i]
		for j := range t.Chains {
			t.Chains[j].Rules = withoutFlowAdd(t.Chains[j].Rules)
		}
		t.Chains = append(t.Chains, t.emptied()...)
		t.Flowtables, t.Offload = nil, nil
	}
	return &c
}

// withoutFlowAdd cuts rules at their `flow add`. It changes the list.
func withoutFlowAdd(rules []Rule) []Rule {
	kept := rules[:0]
	for _, r := range rules {
		at := r.flowAdd()
		if at >= 0 {
			r.Do = r.Do[:at:at]
		}
		if at < 0 || slices.ContainsFunc(r.Do, func(s Statement) bool { return s.Match == nil && s.Limit == nil }) {
			kept = append(kept, r)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// emptied are the chains of inline policies that the table's own chains jump to.
func (t *Table) emptied() []Chain {
	jumped := map[string]bool{}
	for i := range t.Chains {
		for j := range t.Chains[i].Rules {
			for _, s := range t.Chains[i].Rules[j].Do {
				for _, name := range s.targets() {
					jumped[name] = true
				}
			}
		}
	}
	var chains []Chain
	for i := range t.Offload {
		if p := &t.Offload[i]; p.Inline && jumped[p.chain()] {
			chains = append(chains, Chain{Name: p.chain()})
		}
	}
	return chains
}
