package ruleset

import "regexp"

// A difference is a way in which our declaration of a ruleset lists otherwise than nft's own text of it. The patterns take what every nft
// since 1.0.6 lists, also where there is no /etc/protocols: "6" for "tcp".
type difference struct {
	// theirs matches in a line of nft's listing of the file in testdata/shapes; ours takes its place, which may be several lines, or none at all.
	theirs *regexp.Regexp
	ours   string
	why    string
}

// kind tells what is said in another way from what cannot be said.
func (d *difference) kind() string {
	if d.ours == "" {
		return "Cannot"
	}
	return "Otherwise"
}

// What is declared in another way, to the same effect.
var (
	stateSet   = difference{regexp.MustCompile(`ct state \{ established, related \}`), "ct state established,related", "a set of states is one test of bits"}
	stateMap   = difference{regexp.MustCompile(`^ct state vmap \{ established : accept, related : accept \}(.*)$`), "ct state established accept$1\nct state related accept$1", "a verdict map of two states is two rules: the model has no maps"}
	ipProtocol = difference{regexp.MustCompile(`^ip protocol (tcp|6|\{ tcp, udp \}|\{ 17, 6 \})`), "meta nfproto ipv4 meta l4proto $1",
		"`ip protocol` reads the IPv4 header; `meta nfproto` and `meta l4proto` ask for the same"}
	ipProtocol4 = difference{regexp.MustCompile(`^ip protocol (tcp|6|\{ tcp, udp \}|\{ 17, 6 \})`), "meta l4proto $1", "`ip protocol` reads the IPv4 header; `meta l4proto` asks for the same"}
	byIndex     = difference{regexp.MustCompile(`\b([io])if "`), `${1}ifname "`,
		"`iif` and `oif` compare the index that a device has when the ruleset is loaded; the model compares names, which outlive the device"}
	moreThan   = difference{regexp.MustCompile(`ct packets > 20`), "ct packets >= 21", "thresholds are `at least` and `below`"}
	meterRange = difference{regexp.MustCompile(`ct original packets 1-6`), "ct original packets >= 1 ct original packets < 7", "a range of a counter is two thresholds"}
	rejects    = difference{regexp.MustCompile(`^(meta l4proto (?:tcp|6) )?reject(?: with [a-z -]+?)?( comment .*)?$`), "${1}drop$2", "`reject` is `drop`: nobody is told"}
	typeofSets = difference{regexp.MustCompile(`^typeof ip [sd]addr$`), "type ipv4_addr", "sets are declared by their type"}
)

// What cannot be declared. The caller's own expressions (ruleset/rawexpr) can carry each of them that needs neither a set nor an object.
var (
	icmp         = difference{regexp.MustCompile(`^.*\bicmp(v6)? type .*$`), "", "types and codes of ICMP, alone and concatenated"}
	clampMSS     = difference{regexp.MustCompile(`^.*\btcp option maxseg size set .*$`), "", "the clamping of TCP's MSS"}
	tcpFlagsMask = difference{regexp.MustCompile(`^tcp flags (syn / fin,syn,rst,ack|& .*== syn) .*$`), "", "`tcp flags` under a mask"}
	packetLength = difference{regexp.MustCompile(`^.*\bmeta length .*$`), "", "`meta length`"}
	dynamicSets  = difference{regexp.MustCompile(`^(flags dynamic|size \d+)$`), "", "sets that packets fill (`flags dynamic`); no packet fills these"}
	comments     = difference{regexp.MustCompile(`^comment ".*"$`), "", "comments of chains and sets"}
)

// An undeclaredCase is a shape that our model cannot express, or must not.
type undeclaredCase struct {
	shape, why string
	file       string // in testdata/shapes, if it is written there
}

func undeclared() []undeclaredCase {
	return []undeclaredCase{
		{"foomuuri, its 70th test, with a flowtable",
			"its skeleton is verdict maps (of devices, pairs of devices, families and states) and sets that packets fill with a limit for each address, besides " +
				"`fib`, concatenated ICMP types and `log flags`: the model has no maps, and what were left would not be the ruleset", ""},
		{"nakato/nixos-bpir3-example, issue 7 (2023): `flow add` in an input chain", "refused by Validate, as by kernels", "input-chain.nft"},
	}
}
