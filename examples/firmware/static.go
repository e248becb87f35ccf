package main

import (
	"bytes"
	"fmt"

	"github.com/go-fastpath/fastpath/ruleset"
)

// staticFile is the ruleset as an nft file that may be loaded again: it replaces the tables that are there.
func staticFile(r *ruleset.Resolved) ([]byte, error) {
	if err := refuseRaw(r); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprint(&b, "#!/usr/sbin/nft -f\n# Made by firmware build. All or nothing: before Linux 6.16 a device that is missing refuses the whole file.\n\n")
	for _, t := range r.Spec().Tables {
		fmt.Fprintf(&b, "table %s %s\ndelete table %s %s\n\n", t.Family, t.Name, t.Family, t.Name)
	}
	err := r.WriteNFT(&b)
	return b.Bytes(), err
}

// refuseRaw refuses statements whose text only nft could check.
func refuseRaw(r *ruleset.Resolved) error {
	plan, err := ruleset.Diff(nil, r)
	if err != nil {
		return err
	}
	for _, op := range plan.Operations() {
		rule, _ := op.Rule()
		for _, s := range rule.Do {
			if s.Raw != nil {
				return fmt.Errorf("%s: nobody has checked that nft takes %q: leave -nft out and load the image", op, s.Raw.Text)
			}
		}
	}
	return nil
}
