package nftvalue

import (
	"fmt"
	"strings"

	"github.com/go-fastpath/fastpath/flowtable"
)

// ifName reads a device name, or a prefix that ends in "*".
func (r *Reader) ifName(word string) (Span, error) {
	name, prefix := strings.CutSuffix(word, "*")
	if !prefix {
		if err := flowtable.CheckDevice(word); err != nil {
			return Span{}, err
		}
	} else if name == "" {
		return Span{}, fmt.Errorf("%q matches every device; leave the match out", word)
	} else if err := flowtable.CheckDevicePrefix(name); err != nil {
		return Span{}, err
	}
	b := r.text(name)
	return Span{Low: b, High: b, Prefix: prefix}, nil
}
