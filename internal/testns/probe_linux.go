package testns

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"sync"
)

// ProbeTable is the table of family inet that Router.Watch makes in the router.
const ProbeTable = "testns_probe"

// A Forwarded is what the router's forward hook saw of one flow, whatever addresses were translated. Packets on the fast path pass
// it by. It is a plain value.
type Forwarded struct{ Original, Reply Counter }

// Sub is what was seen since before.
func (f Forwarded) Sub(before Forwarded) Forwarded {
	return Forwarded{Original: f.Original.Sub(before.Original), Reply: f.Reply.Sub(before.Reply)}
}

// probe is the state of the watch chain of a router.
type probe struct {
	mu      sync.Mutex
	watched map[Tuple]int // number of the flow, which its rules bear as comment
}

// Watch begins to count packets of flows in the router's forward hook: by a chain of its own table testns_probe, behind all usual
// ones (priority filter + 30), so that what others drop is not counted. Flows already watched stay as they are. Each call that adds
// flows is one transaction and raises the generation of the ruleset. The rules match the flow's original tuple in conntrack, so
// untracked packets are not counted.
func (r *Router) Watch(ctx context.Context, flows ...Tuple) error {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	r.probe.mu.Lock()
	defer r.probe.mu.Unlock()
	added := map[Tuple]int{}
	var text strings.Builder
	fmt.Fprintf(&text, "add table inet %s\nadd chain inet %s watch { type filter hook forward priority filter + 30; policy accept; }\n",
		ProbeTable, ProbeTable)
	for _, t := range flows {
		if _, ok := r.probe.watched[t]; ok {
			continue
		}
		if _, ok := added[t]; ok {
			continue
		}
		number := len(r.probe.watched) + len(added)
		added[t] = number
		for _, direction := range []string{"original", "reply"} {
			fmt.Fprintf(&text, "add rule inet %s watch %s\n", ProbeTable, watchRule(t, direction, number))
		}
	}
	if len(added) == 0 {
		return nil
	}
	if err := r.NS.NFT(ctx, text.String()); err != nil {
		return fmt.Errorf("testns: watch flows: %w", err)
	}
	if r.probe.watched == nil {
		r.probe.watched = map[Tuple]int{}
	}
	for t, number := range added {
		r.probe.watched[t] = number
	}
	return nil
}

// watchRule is the rule that counts one direction of a flow.
func watchRule(t Tuple, direction string, number int) string {
	ip, nfproto := "ip", "ipv4"
	if t.Family() == IPv6 {
		ip, nfproto = "ip6", "ipv6"
	}
	return fmt.Sprintf("meta nfproto %s meta l4proto %s ct direction %s ct original %s saddr %s ct original %s daddr %s "+
		"ct original proto-src %d ct original proto-dst %d counter comment %q",
		nfproto, t.Network, direction, ip, t.Source.Addr(), ip, t.Destination.Addr(),
		t.Source.Port(), t.Destination.Port(), watchComment(direction, number))
}

func watchComment(direction string, number int) string {
	return fmt.Sprintf("%d %s", number, direction)
}

// Forwarded is how much of a watched flow the router's forward hook saw since Watch. The counters of others may be gone with a flush.
func (r *Router) Forwarded(ctx context.Context, t Tuple) (Forwarded, error) {
	r.probe.mu.Lock()
	number, ok := r.probe.watched[t]
	r.probe.mu.Unlock()
	if !ok {
		return Forwarded{}, fmt.Errorf("testns: %v is not watched: call Watch first", t)
	}
	all, err := r.forwarded(ctx, map[Tuple]int{t: number})
	return all[t], err
}

// ForwardedAll is Forwarded of every watched flow, by one call of the tool.
func (r *Router) ForwardedAll(ctx context.Context) (map[Tuple]Forwarded, error) {
	r.probe.mu.Lock()
	watched := maps.Clone(r.probe.watched)
	r.probe.mu.Unlock()
	if len(watched) == 0 {
		return nil, nil
	}
	return r.forwarded(ctx, watched)
}

// forwarded reads the counters of these flows.
func (r *Router) forwarded(ctx context.Context, watched map[Tuple]int) (map[Tuple]Forwarded, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	out, err := r.NS.Run(ctx, "", "nft", "-j", "list", "chain", "inet", ProbeTable, "watch")
	if err != nil {
		return nil, fmt.Errorf("%w (was the ruleset flushed?)", err)
	}
	counters, err := parseCounters([]byte(out))
	if err != nil {
		return nil, err
	}
	all := make(map[Tuple]Forwarded, len(watched))
	for t, number := range watched {
		original, ok1 := counters[watchComment("original", number)]
		reply, ok2 := counters[watchComment("reply", number)]
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("testns: the counters of %v are gone from table %s:\n%s", t, ProbeTable, out)
		}
		all[t] = Forwarded{Original: original, Reply: reply}
	}
	return all, nil
}

// parseCounters reads the counters of rules by the rules' comments out of `nft -j list chain`. What it does not know is skipped.
func parseCounters(data []byte) (map[string]Counter, error) {
	var list struct {
		Nftables []struct {
			Rule *struct {
				Comment string            `json:"comment"`
				Expr    []json.RawMessage `json:"expr"`
			} `json:"rule"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("testns: read nft's JSON: %w", err)
	}
	counters := map[string]Counter{}
	for _, object := range list.Nftables {
		if object.Rule == nil {
			continue
		}
		for _, raw := range object.Rule.Expr {
			var expr struct{ Counter *Counter }
			if json.Unmarshal(raw, &expr) == nil && expr.Counter != nil {
				counters[object.Rule.Comment] = *expr.Counter
			}
		}
	}
	return counters, nil
}
