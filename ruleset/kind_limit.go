package ruleset

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A Limiting matches at most Rate packets per unit of time, or, with Over, those beyond. Safe for concurrent reading.
type Limiting struct {
	Rate  uint64 `json:"rate"`
	Per   string `json:"per"`             // "second", "minute", "hour", "day" or "week"
	Burst uint32 `json:"burst,omitempty"` // packets; zero is 5, as in nft
	Over  bool   `json:"over,omitempty"`
}

// Limit matches at most rate packets per unit: "second", "minute", "hour", "day", "week".
func Limit(rate uint64, per string) Statement {
	return Statement{Limit: &Limiting{Rate: rate, Per: per}}
}

// seconds is the length of a unit of time of nft's limits; 0 if nft knows none of that name.
func seconds(unit string) uint64 {
	switch unit {
	case "second":
		return 1
	case "minute":
		return 60
	case "hour":
		return 60 * 60
	case "day":
		return 24 * 60 * 60
	case "week":
		return 7 * 24 * 60 * 60
	}
	return 0
}

// checkLimit keeps to what the kernel computes with: it divides the unit in nanoseconds by the rate and multiplies by the burst
// (net/netfilter/nft_limit.c).
func (v *validator) checkLimit(p place, l *Limiting) {
	nanoseconds := seconds(l.Per) * 1e9
	switch {
	case nanoseconds == 0:
		v.addStatement(p, "limit.per", fmt.Errorf(`unknown unit of time %q; write "second", "minute", "hour", "day" or "week"`, l.Per))
		return
	case l.Rate == 0:
		v.addStatement(p, "limit.rate", errors.New("the rate is 0, which the kernel refuses; write 1 or more"))
		return
	case l.Rate > nanoseconds:
		v.addStatement(p, "limit.rate", fmt.Errorf("the rate is more than one packet a nanosecond; write at most %d a %s", nanoseconds, l.Per))
		return
	}
	if high, _ := bits.Mul64(nanoseconds/l.Rate, uint64(l.Burst)); high != 0 {
		v.addStatement(p, "limit.burst", errors.New("the burst takes longer than the kernel can count to (EOVERFLOW); write a smaller one"))
	}
}

func (l *Limiting) digest(d digest) digest {
	return d.number(l.Rate).text(l.Per).number(uint64(l.Burst)).truth(l.Over)
}

// limit counts packets per unit of time, in seconds.
func (e *encoder) limit(l *Limiting) {
	unit := seconds(l.Per)
	if unit == 0 {
		e.fail(fmt.Errorf("unknown unit of time %q", l.Per))
	}
	burst, flags := l.Burst, uint32(0)
	if burst == 0 {
		burst = nftvalue.DefaultBurst
	}
	if l.Over {
		flags = nlmsg.LimitInverted
	}
	elem, data := e.expr("limit")
	e.b.Uint64BE(nlmsg.NFTALimitRate, l.Rate)
	e.b.Uint64BE(nlmsg.NFTALimitUnit, unit)
	e.b.Uint32BE(nlmsg.NFTALimitBurst, burst)
	e.b.Uint32BE(nlmsg.NFTALimitType, nlmsg.LimitPackets)
	e.b.Uint32BE(nlmsg.NFTALimitFlags, flags)
	e.endExpr(elem, data)
}

// limitText leaves the burst out where it is nft's own, as nft does.
func limitText(l *Limiting) string {
	over := ""
	if l.Over {
		over = "over "
	}
	text := fmt.Sprintf("limit rate %s%d/%s", over, l.Rate, l.Per)
	if l.Burst != 0 && l.Burst != nftvalue.DefaultBurst {
		text += fmt.Sprintf(" burst %d packets", l.Burst)
	}
	return text
}

func limitJSON(l *Limiting) jsonObject {
	limit := jsonObject{"rate": l.Rate, "per": l.Per, "burst": nftvalue.DefaultBurst}
	if l.Burst != 0 {
		limit["burst"] = l.Burst
	}
	if l.Over {
		limit["inv"] = true
	}
	return limit
}
