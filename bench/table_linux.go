package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/internal/testns"
)

// The connections of the big table have one of these marks; a mask finds a tenth or all of them.
const (
	markAll   = 1 << 0
	markTenth = 1 << 1
)

// standIn takes the place of OFFLOAD, which only a flowtable can set: one of a hundred connections has it.
const standIn = conntrack.Assured

// bigTable is a namespace with so many connections, which stay for a day.
func bigTable(ctx context.Context, flows int) (*testns.Namespace, error) {
	ns, err := testns.New("bench-table")
	if err != nil {
		return nil, err
	}
	err = ns.SetSysctl("net.netfilter.nf_conntrack_acct", "1")
	if err == nil {
		err = ns.Do(func() error { return makeConnections(ctx, flows) })
	}
	if err == nil {
		err = requireCount(ns, flows)
	}
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	return ns, nil
}

// requireCount fails where a connection is missing: creations ask for no acknowledgement.
func requireCount(ns *testns.Namespace, flows int) error {
	count, err := ns.Sysctl("net.netfilter.nf_conntrack_count")
	if err == nil && count != fmt.Sprint(flows) {
		err = fmt.Errorf("the namespace has %s connections, meant to have %d: is net.netfilter.nf_conntrack_max too small?", count, flows)
	}
	return err
}

// makeConnections asks ctnetlink of the thread's namespace for connections, some hundred with each send.
func makeConnections(ctx context.Context, flows int) error {
	const chunk = 256
	fd, err := dialRaw()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := nlmsg.NewBuilder(nlmsg.Native(), nil)
	for first := 0; first < flows; first += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		b.Reset()
		for i := first; i < min(first+chunk, flows); i++ {
			appendConnection(b, i)
		}
		if err := unix.Sendto(fd, b.Bytes(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
			return fmt.Errorf("make connections by ctnetlink: %w", err)
		}
	}
	return nil
}

// appendConnection encodes the creation of the i-th connection: UDP with an answer and TCP in turn.
func appendConnection(b *nlmsg.Builder, i int) {
	const day = 24 * 60 * 60
	src, dst := address(i).As4(), [4]byte{192, 0, 2, 1}
	proto, status, mark := uint8(conntrack.UDP), conntrack.Confirmed|conntrack.SeenReply, uint32(markAll)
	if i%2 == 1 {
		proto = conntrack.TCP
	}
	if i%10 == 0 {
		mark |= markTenth
	}
	if i%100 == 0 {
		status |= standIn
	}
	b.BeginNetfilter(nlmsg.SubsysCTNetlink<<8|nlmsg.CTNew, nlmsg.FlagRequest|nlmsg.FlagCreate|nlmsg.FlagExcl, 0, nlmsg.FamilyIPv4, 0)
	appendTuple(b, nlmsg.CTATupleOrig, proto, src, dst, 1024, 53)
	appendTuple(b, nlmsg.CTATupleReply, proto, dst, src, 53, 1024)
	b.Uint32BE(nlmsg.CTAStatus, uint32(status))
	b.Uint32BE(nlmsg.CTATimeout, day)
	b.Uint32BE(nlmsg.CTAMark, mark)
	if proto == conntrack.TCP {
		info := b.Nest(nlmsg.CTAProtoInfo)
		tcp := b.Nest(nlmsg.CTAProtoInfoTCP)
		b.Uint8(nlmsg.CTAProtoInfoState, uint8(conntrack.TCPEstablished&0xff))
		b.EndNest(tcp)
		b.EndNest(info)
	}
	b.End()
}

func appendTuple(b *nlmsg.Builder, typ uint16, proto uint8, src, dst [4]byte, sport, dport uint16) {
	tuple := b.Nest(typ)
	ip := b.Nest(nlmsg.CTATupleIP)
	b.Data(nlmsg.CTAIPv4Src, src[:])
	b.Data(nlmsg.CTAIPv4Dst, dst[:])
	b.EndNest(ip)
	l4 := b.Nest(nlmsg.CTATupleProto)
	b.Uint8(nlmsg.CTAProtoNum, proto)
	b.Uint16BE(nlmsg.CTAProtoSrcPort, sport)
	b.Uint16BE(nlmsg.CTAProtoDstPort, dport)
	b.EndNest(l4)
	b.EndNest(tuple)
}
