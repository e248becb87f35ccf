package judge

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// What a connection carried is compared in the order of the rules, which need not be this machine's.
func TestCompareMeterInTheOrderOfTheRules(t *testing.T) {
	for _, c := range []struct {
		order nlmsg.Order
		big   bool
		limit []byte
	}{
		{nlmsg.LittleEndian, false, binary.LittleEndian.AppendUint64(nil, 255)},
		{nlmsg.LittleEndian, true, binary.BigEndian.AppendUint64(nil, 255)},
		{nlmsg.BigEndian, true, binary.BigEndian.AppendUint64(nil, 255)},
	} {
		x := &run{rules: &Ruleset{order: c.order}}
		x.registers[0].meter = &meter{least: 256, big: c.big}
		got, known := x.compareMeter(&step{sreg: nlmsg.Reg1, key: nlmsg.CmpNeq, a: c.limit})
		assert.True(t, known, "%v", c.order)
		assert.Equal(t, know(true), got, "%v", c.order)
	}
}
