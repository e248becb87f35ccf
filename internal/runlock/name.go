package runlock

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

// How the names of the tables begin; what follows is a hash of the owner, long enough that no two owners share it.
const (
	lockPrefix    = "fastpath_run_"
	requestPrefix = "fastpath_takeover_"
)

// Table is the name of an owner's lock, a table of family inet.
func Table(owner string) string { return lockPrefix + hash(owner) }

// Request is the name of the table that asks the holder of an owner's lock to leave.
func Request(owner string) string { return requestPrefix + hash(owner) }

func hash(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return fmt.Sprintf("%x", sum[:16])
}

// isHash reports whether hash could have made a text: others may give a table any name that begins like ours.
func isHash(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

// Is reports whether a table of family inet is a lock or a request: by its name, because a socket owns it, and because it is empty.
// It is nobody's ruleset, and goes without a new generation.
func Is(name string, flags, use uint32) bool {
	return Reserved(name) && flags&FlagOwner != 0 && use == 0
}

// Reserved reports whether a name is one of a lock or a request: no Spec has such a table.
func Reserved(name string) bool {
	return strings.HasPrefix(name, lockPrefix) || strings.HasPrefix(name, requestPrefix)
}

// FlagOwner is NFT_TABLE_F_OWNER: the table belongs to the socket that made it (Linux 5.12). FlagPersist, NFT_TABLE_F_PERSIST, keeps it
// when the socket is closed (Linux 6.9).
const (
	FlagOwner   = 1 << 1
	FlagPersist = 1 << 2
)

const (
	shownOwner    = 40 // characters of an owner in a comment
	commentPrefix = "fastpath run of "
	byProcess     = ", process "
	since         = ", since "
)

// Comment is for people who read `nft list ruleset`: whose lock it is, which process holds it, since when.
func Comment(owner string, process int, at string) string {
	shown := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '?'
		}
		return r
	}, owner)
	if len(shown) > shownOwner {
		shown = shown[:shownOwner] + "..."
	}
	return fmt.Sprintf("%s%s%s%d%s%s", commentPrefix, shown, byProcess, process, since, at)
}

// processOf is the process that a comment names; 0 if it names none. Whoever made the table wrote it: it may lie.
func processOf(comment string) int {
	i := strings.LastIndex(comment, byProcess)
	if i < 0 {
		return 0
	}
	n, digits := uint64(0), 0
	for _, c := range []byte(comment[i+len(byProcess):]) {
		if c < '0' || c > '9' || digits > 9 {
			break
		}
		n, digits = n*10+uint64(c-'0'), digits+1
	}
	if n > 1<<22 { // PID_MAX_LIMIT of 64-bit kernels (include/linux/threads.h)
		return 0
	}
	return int(n)
}
