package ruleset

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-fastpath/fastpath/internal/mark"
	"github.com/go-fastpath/fastpath/internal/nftvalue"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// A Logging writes packets to the kernel log, or to an nflog group. Safe for concurrent reading.
type Logging struct {
	Prefix string  `json:"prefix,omitempty"` // at most 127 bytes
	Level  string  `json:"level,omitempty"`  // "emerg" to "debug"; zero is "warn", as in nft; not with Group
	Group  *uint16 `json:"group,omitempty"`
}

// Log writes packets to the kernel log.
func Log(prefix string) Statement { return Statement{Log: &Logging{Prefix: prefix}} }

// maxLogPrefix is the longest prefix in bytes (NF_LOG_PREFIXLEN without the NUL).
const maxLogPrefix = 127

func (v *validator) checkLog(p place, l *Logging) {
	v.addStatement(p, "log.prefix", checkLength("the prefix", l.Prefix, maxLogPrefix))
	v.addStatement(p, "log.prefix", mark.CheckText("the prefix", l.Prefix))
	if strings.Contains(l.Prefix, "$") {
		v.addStatement(p, "log.prefix", errors.New(`the prefix holds "$", where nft reads a variable; leave it out`))
	}
	levels := []string{"", "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}
	switch {
	case !slices.Contains(levels, l.Level):
		v.addStatement(p, "log.level", fmt.Errorf("unknown level %q; write one of %s", l.Level, strings.Join(levels[1:], ", ")))
	case l.Level != "" && l.Group != nil:
		v.addStatement(p, "log", errors.New("a level belongs to the kernel log, a group to nflog; set one of them"))
	}
}

func (e *encoder) log(l *Logging) {
	elem, data := e.expr("log")
	if l.Prefix != "" {
		e.b.String(nlmsg.NFTALogPrefix, l.Prefix)
	}
	if l.Group != nil {
		e.b.Uint16BE(nlmsg.NFTALogGroup, *l.Group)
	}
	if l.Level != "" {
		level, ok := logLevel(l.Level)
		if !ok {
			e.fail(fmt.Errorf("unknown log level %q", l.Level))
		}
		e.b.Uint32BE(nlmsg.NFTALogLevel, level)
	}
	e.endExpr(elem, data)
}

// logLevel is a level as syslog numbers it (include/uapi/linux/netfilter/nf_tables.h, enum nft_log_level).
func logLevel(name string) (uint32, bool) {
	for i, n := range [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"} {
		if n == name {
			return uint32(i), true
		}
	}
	return 0, false
}

// logText leaves the level out where it is nft's own, as nft does.
func logText(l *Logging) string {
	text := "log"
	if l.Prefix != "" {
		text += " prefix " + nftvalue.Quote(l.Prefix)
	}
	if l.Group != nil {
		return text + " group " + strconv.Itoa(int(*l.Group))
	}
	if l.Level != "" && l.Level != nftvalue.DefaultLogLevel {
		text += " level " + l.Level
	}
	return text
}

// logJSON is nil for a plain log.
func logJSON(l *Logging) any {
	log := jsonObject{}
	if l.Prefix != "" {
		log["prefix"] = l.Prefix
	}
	if l.Group != nil {
		log["group"] = *l.Group
	}
	if l.Level != "" && l.Level != nftvalue.DefaultLogLevel {
		log["level"] = l.Level
	}
	if len(log) == 0 {
		return nil
	}
	return log
}

func (l *Logging) digest(d digest) digest {
	d = d.text(l.Prefix).text(l.Level).truth(l.Group != nil)
	if l.Group != nil {
		d = d.number(uint64(*l.Group))
	}
	return d
}
