package ruleset

// Field is what a Match tests, in nft's spelling.
type Field string

// The fields.
const (
	fieldNFProto    Field = "meta nfproto"
	fieldL4Proto    Field = "meta l4proto"
	fieldIIFName    Field = "iifname"
	fieldOIFName    Field = "oifname"
	fieldMetaMark   Field = "meta mark"
	fieldIPSaddr    Field = "ip saddr"
	fieldIPDaddr    Field = "ip daddr"
	fieldIP6Saddr   Field = "ip6 saddr"
	fieldIP6Daddr   Field = "ip6 daddr"
	fieldIPDSCP     Field = "ip dscp"
	fieldIP6DSCP    Field = "ip6 dscp"
	fieldTCPSport   Field = "tcp sport"
	fieldTCPDport   Field = "tcp dport"
	fieldUDPSport   Field = "udp sport"
	fieldUDPDport   Field = "udp dport"
	fieldTHSport    Field = "th sport"
	fieldTHDport    Field = "th dport"
	fieldTCPFlags   Field = "tcp flags"
	fieldMetaIPsec  Field = "meta ipsec"
	fieldRTIPsec    Field = "rt ipsec"
	fieldCTState    Field = "ct state"
	fieldCTStatus   Field = "ct status"
	fieldCTMark     Field = "ct mark"
	fieldCTDir      Field = "ct direction"
	fieldCTHelper   Field = "ct helper"
	fieldCTZone     Field = "ct zone"
	fieldCTPackets  Field = "ct packets"
	fieldCTBytes    Field = "ct bytes"
	fieldOrigPkts   Field = "ct original packets"
	fieldOrigBytes  Field = "ct original bytes"
	fieldReplyPkts  Field = "ct reply packets"
	fieldReplyBytes Field = "ct reply bytes"
)

// The typed fields of rules. A verb on a field makes a Statement: L4Proto.Is(TCP, UDP).
const (
	NFProto           WordField   = WordField(fieldNFProto)   // "ipv4", "ipv6"
	L4Proto           WordField   = WordField(fieldL4Proto)   // TCP, UDP, "icmp", "gre", "47"
	IIFName           WordField   = WordField(fieldIIFName)   // device name, or prefix "ppp*"
	OIFName           WordField   = WordField(fieldOIFName)   // device name, or prefix "ppp*"
	IPSaddr           WordField   = WordField(fieldIPSaddr)   // address, prefix or range
	IPDaddr           WordField   = WordField(fieldIPDaddr)   // address, prefix or range
	IP6Saddr          WordField   = WordField(fieldIP6Saddr)  // address, prefix or range
	IP6Daddr          WordField   = WordField(fieldIP6Daddr)  // address, prefix or range
	CTState           WordField   = WordField(fieldCTState)   // Established, Related, New, Invalid, Untracked
	CTStatus          WordField   = WordField(fieldCTStatus)  // "assured", "snat", "dnat", "seen-reply", ...
	CTDirection       WordField   = WordField(fieldCTDir)     // Original, Reply
	CTHelper          WordField   = WordField(fieldCTHelper)  // "ftp", "sip": the helper of the connection that this one was expected by
	CTZone            WordField   = WordField(fieldCTZone)    // "0" to "65535", of the connection
	TCPFlags          WordField   = WordField(fieldTCPFlags)  // "fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr": any of them is set
	MetaIPsec         WordField   = WordField(fieldMetaIPsec) // "exists", "missing": the packet came out of an IPsec tunnel
	RTIPsec           WordField   = WordField(fieldRTIPsec)   // "exists", "missing": the packet goes into an IPsec tunnel
	TCPSport          NumberField = NumberField(fieldTCPSport)
	TCPDport          NumberField = NumberField(fieldTCPDport)
	UDPSport          NumberField = NumberField(fieldUDPSport)
	UDPDport          NumberField = NumberField(fieldUDPDport)
	THSport           NumberField = NumberField(fieldTHSport) // TCP or UDP, after L4Proto.Is(TCP, UDP)
	THDport           NumberField = NumberField(fieldTHDport)
	DSCP              NumberField = NumberField(fieldIPDSCP)  // 0 to 63, IPv4
	DSCP6             NumberField = NumberField(fieldIP6DSCP) // 0 to 63, IPv6
	CTMark            MarkField   = MarkField(fieldCTMark)
	MetaMark          MarkField   = MarkField(fieldMetaMark)
	CTPackets         MeterField  = MeterField(fieldCTPackets) // both directions together
	CTBytes           MeterField  = MeterField(fieldCTBytes)
	CTOriginalPackets MeterField  = MeterField(fieldOrigPkts)
	CTOriginalBytes   MeterField  = MeterField(fieldOrigBytes)
	CTReplyPackets    MeterField  = MeterField(fieldReplyPkts)
	CTReplyBytes      MeterField  = MeterField(fieldReplyBytes)
)

// Values of the word fields that rules use most.
const (
	TCP         = "tcp"
	UDP         = "udp"
	New         = "new"
	Established = "established"
	Related     = "related"
	Invalid     = "invalid"
	Untracked   = "untracked"
	Original    = "original"
	Reply       = "reply"
)
