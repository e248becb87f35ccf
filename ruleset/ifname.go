package ruleset

import (
	"fmt"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
)

// ifName reads a device name, or a prefix that ends in "*".
func (r *valueReader) ifName(word string) (span, error) {
	name, prefix := strings.CutSuffix(word, "*")
	if !prefix {
		if err := flowtable.CheckDevice(word); err != nil {
			return span{}, err
		}
	} else if name == "" {
		return span{}, fmt.Errorf("%q matches every device; leave the match out", word)
	} else if err := flowtable.CheckDevicePrefix(name); err != nil {
		return span{}, err
	}
	b := r.text(name)
	return span{low: b, high: b, prefix: prefix}, nil
}
