package ruleset

// forwardCases are the statements of filter chains.
func forwardCases(f Family) []ruleCase {
	all := []ruleCase{
		{"meta l4proto tcp", R(L4Proto.Is(TCP))},
		{"meta l4proto { tcp, udp }", R(L4Proto.Is(TCP, UDP))},
		{"meta l4proto != { tcp, udp }", R(L4Proto.Not(TCP, UDP))},
		{"meta l4proto != 47", R(L4Proto.Not("47"))},
		{"meta l4proto { tcp, udp, icmp, 47 }", R(L4Proto.Is("gre", "icmp", UDP, TCP))},
		{`iifname "eth0"`, R(IIFName.Is("eth0"))},
		{`iifname != "eth0"`, R(IIFName.Not("eth0"))},
		{`iifname "ppp*"`, R(IIFName.Is("ppp*"))},
		{`oifname != "ppp*"`, R(OIFName.Not("ppp*"))},
		{`iifname "abcdefghijklmno"`, R(IIFName.Is("abcdefghijklmno"))},
		{`iifname "pppp*"`, R(IIFName.Is("pppp*"))},
		{`iifname { "eth0", "wan" }`, R(IIFName.Is("wan", "eth0"))},
		{`iifname != { "eth0", "wan" }`, R(IIFName.Not("eth0", "wan"))},
		{`iifname { "eth0", "ppp*" }`, R(IIFName.Is("eth0", "ppp*"))},
		{`oifname { "ppp*", "wan", "eth1" }`, R(OIFName.Is("ppp*", "wan", "eth1"))},
		{"oifname @names", R(OIFName.In("names"))},
		{"oifname != @names", R(OIFName.NotIn("names"))},
		{"iifname @prefixes", R(IIFName.In("prefixes"))},
		{"tcp dport 443", R(TCPDport.Is(443))},
		{"tcp dport != 443", R(TCPDport.Not(443))},
		{"tcp dport 1024-65535", R(TCPDport.Between(1024, 65535))},
		{"tcp dport 0-1023", R(TCPDport.Between(0, 1023))},
		{"udp sport != 1024-2047", R(WordField(UDPSport).Not("1024-2047"))},
		{"tcp dport { 80, 443 }", R(TCPDport.Is(443, 80))},
		{"tcp dport { 80, 1024-2047 }", R(WordField(TCPDport).Is("1024-2047", "80"))},
		{"tcp dport { 80, 1024-65535 }", R(WordField(TCPDport).Is("80", "1024-65535"))},
		{"tcp dport { 0-5, 80 }", R(WordField(TCPDport).Is("80", "0-5"))},
		{"tcp dport { 1-5, 6-8, 80 }", R(WordField(TCPDport).Is("1-5", "6-8", "80"))},
		{"udp dport != { 80, 1024-2047 }", R(WordField(UDPDport).Not("80", "1024-2047"))},
		{"tcp sport @ports", R(TCPSport.In("ports"))},
		{"udp dport != @portranges", R(UDPDport.NotIn("portranges"))},
		{"meta l4proto { tcp, udp } th dport 53", R(L4Proto.Is(TCP, UDP), THDport.Is(53))},
		{"meta l4proto { tcp, udp } th sport 1024-65535", R(L4Proto.Is(TCP, UDP), THSport.Between(1024, 65535))},
		{"meta l4proto { tcp, udp } th dport { 53, 853 }", R(L4Proto.Is(TCP, UDP), THDport.Is(53, 853))},
		{"meta l4proto tcp tcp dport 80", R(L4Proto.Is(TCP), TCPDport.Is(80))},
		{"meta l4proto != tcp udp dport 80", R(L4Proto.Not(TCP), UDPDport.Is(80))},
		{"tcp sport 99 tcp dport 80", R(TCPSport.Is(99), TCPDport.Is(80))},
		{"tcp sport 1-99 tcp dport 80", R(TCPSport.Between(1, 99), TCPDport.Is(80))},
		{"ct state established", R(CTState.Is(Established))},
		{"ct state established,related", R(CTState.Is(Established, Related))},
		{"ct state new,invalid,untracked", R(CTState.Is(New, Invalid, Untracked))},
		{"ct state ! established", R(CTState.Not(Established))},
		{"ct state ! established,related", R(CTState.Not(Established, Related))},
		{"ct status assured", R(CTStatus.Is("assured"))},
		{"ct status snat,dnat", R(CTStatus.Is("snat", "dnat"))},
		{"ct status ! assured", R(CTStatus.Not("assured"))},
		{"ct status ! snat,dnat", R(CTStatus.Not("dnat", "snat"))},
		{"ct status expected,seen-reply,confirmed,dying", R(CTStatus.Is("expected", "seen-reply", "confirmed", "dying"))},
		{"ct mark 0x10", R(CTMark.Is(0x10))},
		{"ct mark != 0x10", R(WordField(CTMark).Not("0x10"))},
		{"ct mark { 0x10, 0x20 }", R(CTMark.Is(0x20, 0x10))},
		{"ct mark & 0xff == 0x10", R(CTMark.Has(0x10, 0xff))},
		{"ct mark & 0xff != 0x10", R(CTMark.HasNot(0x10, 0xff))},
		{"ct mark & 0x100 == 0x0", R(CTMark.Has(0, 0x100))},
		{"meta mark 16", R(MetaMark.Is(16))},
		{"meta mark & 0xff00 == 0x1200", R(MetaMark.Has(0x1200, 0xff00))},
		{"meta mark & 0xff { 0x10, 0x20 }", R(Statement{Match: &Match{Field: Field(MetaMark), Is: []string{"0x10", "32"}, Mask: "0xff"}})},
		{"meta mark & 0xff != { 0x10, 0x20 }", R(Statement{Match: &Match{Field: Field(MetaMark), Not: []string{"0x10", "32"}, Mask: "0xff"}})},
		{`ct helper "ftp"`, R(CTHelper.Is("ftp"))},
		{`ct helper != "Q.931"`, R(CTHelper.Not("Q.931"))},
		{`ct helper { "netbios-ns", "sip" }`, R(CTHelper.Is("sip", "netbios-ns"))},
		{"ct zone 5", R(CTZone.Is("5"))},
		{"ct zone != 65535", R(CTZone.Not("65535"))},
		{"ct zone { 0, 1, 256 }", R(CTZone.Is("256", "1", "0"))},
		{"meta ipsec exists", R(MetaIPsec.Is("exists"))},
		{"meta ipsec missing", R(MetaIPsec.Is("missing"))},
		{"rt ipsec exists", R(RTIPsec.Is("exists"))},
		{"rt ipsec != exists", R(RTIPsec.Not("exists"))},
		{"tcp flags syn", R(TCPFlags.Is("syn"))},
		{"tcp flags fin,rst", R(TCPFlags.Is("fin", "rst"))},
		{"tcp flags ! syn", R(TCPFlags.Not("syn"))},
		{"meta l4proto tcp tcp flags ! psh,ack,urg,ecn,cwr", R(L4Proto.Is(TCP), TCPFlags.Not("psh", "ack", "urg", "ecn", "cwr"))},
		{"ct direction original", R(CTDirection.Is(Original))},
		{"ct direction != reply", R(CTDirection.Not(Reply))},
		{"ct direction { original, reply }", R(CTDirection.Is(Original, Reply))},
		{"ct packets >= 30", R(CTPackets.AtLeast(30))},
		{"ct packets < 30", R(CTPackets.Below(30))},
		{"ct bytes >= 1099511627776", R(CTBytes.AtLeast(1 << 40))},
		{"ct original packets >= 30", R(CTOriginalPackets.AtLeast(30))},
		{"ct original bytes < 31", R(CTOriginalBytes.Below(31))},
		{"ct reply packets < 30", R(CTReplyPackets.Below(30))},
		{"ct reply bytes >= 5000", R(CTReplyBytes.AtLeast(5000))},
		{"counter", R(Counter())},
		{"limit rate 10/second", R(Limit(10, "second"))},
		{"limit rate 10/minute burst 7 packets", R(Statement{Limit: &Limiting{Rate: 10, Per: "minute", Burst: 7}})},
		{"limit rate over 10/hour", R(Statement{Limit: &Limiting{Rate: 10, Per: "hour", Over: true}})},
		{"limit rate 1/day", R(Limit(1, "day"))},
		{"limit rate 3/week", R(Limit(3, "week"))},
		{"log", R(Statement{Log: &Logging{}})},
		{`log prefix "hello "`, R(Log("hello "))},
		{`log prefix "x" level emerg`, R(Statement{Log: &Logging{Prefix: "x", Level: "emerg"}})},
		{"log level debug", R(Statement{Log: &Logging{Level: "debug"}})},
		{"log level warn", R(Statement{Log: &Logging{Level: "warn"}})},
		{"log group 5", R(Statement{Log: &Logging{Group: number16(5)}})},
		{`log prefix "y" group 0`, R(Statement{Log: &Logging{Prefix: "y", Group: number16(0)}})},
		{"ct mark set 0x10", R(CTMark.Set(0x10, 1<<32-1))},
		{"ct mark set 0x11", R(Statement{Set: &Mutation{Field: Field(CTMark), Value: "17"}})},
		{"ct mark set ct mark & 0xffffff00 | 0x10", R(CTMark.Set(0x10, 0xff))},
		{"ct mark set ct mark | 0x100000", R(CTMark.Set(1<<20, 1<<20))},
		{"ct mark set ct mark & 0xffffff00", R(CTMark.Set(0, 0xff))},
		{"meta mark set 0x1", R(MetaMark.Set(1, 1<<32-1))},
		{"meta mark set meta mark & 0xffff00ff | 0x1200", R(MetaMark.Set(0x1200, 0xff00))},
		{`counter comment "hello, world"`, R(Counter()).Note("hello, world")},
		{"jump regular", R(Jump("regular"))},
		{"ct state new jump regular", R(CTState.Is(New), Jump("regular"))},
		{"ct state invalid drop", R(CTState.Is(Invalid), Drop())},
		{"meta mark 1 return", R(MetaMark.Is(1), Return())},
		{`iifname "a" tcp dport 22 ct state new limit rate 3/minute log prefix "ssh " counter accept comment "all at once"`,
			R(IIFName.Is("a"), TCPDport.Is(22), CTState.Is(New), Limit(3, "minute"), Log("ssh "), Counter(), Accept()).Note("all at once")},
		{"meta mark 2 goto regular", R(MetaMark.Is(2), Goto("regular"))},
		{"accept", R(Accept())},
	}
	if f == Inet {
		all = append(all, inetCases()...)
	}
	return forFamily(f, all, fourCases(), sixCases())
}

func inetCases() []ruleCase {
	return []ruleCase{
		{"meta nfproto ipv4", R(NFProto.Is("ipv4"))},
		{"meta nfproto != ipv6", R(NFProto.Not("ipv6"))},
		{"meta nfproto ipv4 ip saddr 192.0.2.1", R(NFProto.Is("ipv4"), IPSaddr.Is("192.0.2.1"))},
		{"meta nfproto != ipv4 ip6 daddr ::1", R(NFProto.Not("ipv4"), IP6Daddr.Is("::1"))},
		{"meta nfproto ipv6 tcp dport 80", R(NFProto.Is("ipv6"), TCPDport.Is(80))},
		{"ip saddr 192.0.2.1 tcp dport 80", R(IPSaddr.Is("192.0.2.1"), TCPDport.Is(80))},
		{"tcp dport 80 ip saddr 192.0.2.1", R(TCPDport.Is(80), IPSaddr.Is("192.0.2.1"))},
	}
}

func fourCases() []ruleCase {
	return []ruleCase{
		{"ip saddr 192.0.2.1", R(IPSaddr.Is("192.0.2.1"))},
		{"ip daddr != 192.0.2.1", R(IPDaddr.Not("192.0.2.1"))},
		{"ip saddr 10.0.0.0/8", R(IPSaddr.Is("10.0.0.0/8"))},
		{"ip saddr 192.0.2.0/24", R(IPSaddr.Is("192.0.2.0/24"))},
		{"ip daddr 192.0.2.128/25", R(IPDaddr.Is("192.0.2.128/25"))},
		{"ip daddr != 172.16.0.0/12", R(IPDaddr.Not("172.16.0.0/12"))},
		{"ip saddr 192.0.2.7/32", R(IPSaddr.Is("192.0.2.7/32"))},
		{"ip saddr 0.0.0.0/0", R(IPSaddr.Is("0.0.0.0/0"))},
		{"ip saddr 10.0.0.1-10.0.0.9", R(IPSaddr.Is("10.0.0.1-10.0.0.9"))},
		{"ip daddr != 10.0.0.1-255.255.255.255", R(IPDaddr.Not("10.0.0.1-255.255.255.255"))},
		{"ip saddr { 10.0.0.1, 10.0.0.2 }", R(IPSaddr.Is("10.0.0.2", "10.0.0.1"))},
		{"ip saddr { 10.0.0.0/8, 192.168.0.0/16, 172.16.0.1 }", R(IPSaddr.Is("192.168.0.0/16", "10.0.0.0/8", "172.16.0.1"))},
		{"ip daddr != { 10.0.0.0/25, 10.0.0.128/25 }", R(IPDaddr.Not("10.0.0.128/25", "10.0.0.0/25"))},
		{"ip saddr { 0.0.0.0/1, 240.0.0.0/4 }", R(IPSaddr.Is("0.0.0.0/1", "240.0.0.0/4"))},
		{"ip saddr { 10.0.0.1-10.0.0.5, 10.0.0.9, 255.255.255.255 }", R(IPSaddr.Is("255.255.255.255", "10.0.0.9", "10.0.0.1-10.0.0.5"))},
		{"ip saddr @hosts", R(IPSaddr.In("hosts"))},
		{"ip daddr != @nets", R(IPDaddr.NotIn("nets"))},
		{"ip saddr @nets ip daddr @nets", R(IPSaddr.In("nets"), IPDaddr.In("nets"))},
		{"ip dscp ef", R(DSCP.Is(46))},
		{"ip dscp != cs1", R(WordField(DSCP).Not("cs1"))},
		{"ip dscp 10-20", R(DSCP.Between(10, 20))},
		{"ip dscp != 10-63", R(WordField(DSCP).Not("10-63"))},
		{"ip dscp { af11, ef }", R(DSCP.Is(46, 10))},
		{"ip dscp { 10-20, 46 }", R(WordField(DSCP).Is("46", "10-20"))},
	}
}

func sixCases() []ruleCase {
	return []ruleCase{
		{"ip6 saddr 2001:db8::1", R(IP6Saddr.Is("2001:db8::1"))},
		{"ip6 saddr 2001:db8::/32", R(IP6Saddr.Is("2001:db8::/32"))},
		{"ip6 daddr != 2001:db8::/33", R(IP6Daddr.Not("2001:db8::/33"))},
		{"ip6 daddr 2001:db8:1:2::/64", R(IP6Daddr.Is("2001:db8:1:2::/64"))},
		{"ip6 daddr 2001:db8::/127", R(IP6Daddr.Is("2001:db8::/127"))},
		{"ip6 saddr ::/0", R(IP6Saddr.Is("::/0"))},
		{"ip6 daddr 2001:db8::1-2001:db8::5", R(IP6Daddr.Is("2001:db8::1-2001:db8::5"))},
		{"ip6 daddr != 2001:db8::1-2001:db8::5", R(IP6Daddr.Not("2001:db8::1-2001:db8::5"))},
		{"ip6 saddr { ::1, fe80::1 }", R(IP6Saddr.Is("fe80::1", "::1"))},
		{"ip6 saddr { fe80::/10, 2001:db8::/32, ::1 }", R(IP6Saddr.Is("::1", "2001:db8::/32", "fe80::/10"))},
		{"ip6 saddr { ff00::/8, 2001:db8::7-2001:db8::9 }", R(IP6Saddr.Is("2001:db8::7-2001:db8::9", "ff00::/8"))},
		{"ip6 saddr @hosts6", R(IP6Saddr.In("hosts6"))},
		{"ip6 daddr != @nets6", R(IP6Daddr.NotIn("nets6"))},
		{"ip6 dscp ef", R(DSCP6.Is(46))},
		{"ip6 dscp != 10-20", R(WordField(DSCP6).Not("10-20"))},
		{"ip6 dscp 10-20", R(DSCP6.Between(10, 20))},
		{"ip6 dscp { af11, ef }", R(DSCP6.Is(10, 46))},
		{"ip6 dscp { 10-20, 47 }", R(WordField(DSCP6).Is("10-20", "47"))},
	}
}

// dstnatCases are the statements of a nat chain at prerouting.
func dstnatCases(f Family) []ruleCase {
	four, six := "dnat to", "dnat to"
	if f == Inet {
		four, six = "dnat ip to", "dnat ip6 to"
	}
	return forFamily(f, []ruleCase{
		{"tcp dport 8443 dnat to :443", R(TCPDport.Is(8443), DNAT("", 443))},
	}, []ruleCase{
		{four + " 192.0.2.1", R(DNAT("192.0.2.1", 0))},
		{"tcp dport 8443 " + four + " 192.168.1.20:443", R(TCPDport.Is(8443), DNAT("192.168.1.20", 443))},
		{"meta l4proto { tcp, udp } th dport 53 " + four + " 192.0.2.53:53", R(L4Proto.Is(TCP, UDP), THDport.Is(53), DNAT("192.0.2.53", 53))},
		{`iifname "ppp*" udp dport 1-5 counter ` + four + " 192.0.2.1:9", R(IIFName.Is("ppp*"), UDPDport.Between(1, 5), Counter(), DNAT("192.0.2.1", 9))},
	}, []ruleCase{
		{six + " 2001:db8::1", R(DNAT("2001:db8::1", 0))},
		{"tcp dport 80 " + six + " [2001:db8::1]:8080", R(TCPDport.Is(80), DNAT("2001:db8::1", 8080))},
	})
}

// srcnatCases are the statements of a nat chain at postrouting.
func srcnatCases(f Family) []ruleCase {
	four, six := "snat to", "snat to"
	if f == Inet {
		four, six = "snat ip to", "snat ip6 to"
	}
	return forFamily(f, []ruleCase{
		{`oifname "ppp*" masquerade`, R(OIFName.Is("ppp*"), Masquerade())},
		{"masquerade fully-random", R(Statement{Masquerade: &Masquerading{FullyRandom: true}})},
		{"udp sport 5 snat to :6", R(UDPSport.Is(5), SNAT("", 6))},
	}, []ruleCase{
		{"oifname @names ip saddr 192.168.0.0/16 masquerade", R(OIFName.In("names"), IPSaddr.Is("192.168.0.0/16"), Masquerade())},
		{four + " 203.0.113.1", R(SNAT("203.0.113.1", 0))},
		{"meta l4proto tcp " + four + " 203.0.113.1:1024", R(L4Proto.Is(TCP), SNAT("203.0.113.1", 1024))},
	}, []ruleCase{
		{six + " 2001:db8::9", R(SNAT("2001:db8::9", 0))},
	})
}

func number16(v uint16) *uint16 { return &v }
