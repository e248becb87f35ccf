package testns

import (
	"context"
	"fmt"
)

// window is how many datagrams of a bulk transfer are under way: few enough for any socket buffer.
const window = 16

// Counts is the outcome of a bulk transfer, in bytes of TCP or UDP payload without the server's short answers. They differ when UDP
// datagrams were lost. It is a plain value.
type Counts struct {
	Sent     int64 // by the side that sends, for Exchange by the client
	Received int64 // intact, by the other side, for Exchange back at the client
}

// Upload sends n bytes to the server, which counts those that arrive intact. Over UDP they go in datagrams of 1200 bytes.
func (f *Flow) Upload(ctx context.Context, n int64) (Counts, error) {
	return f.bulk(ctx, "upload", n, f.uploadTCP, f.uploadUDP)
}

// Download asks the server for n bytes and counts those that arrive intact. Over UDP they come in datagrams of 1200 bytes.
func (f *Flow) Download(ctx context.Context, n int64) (Counts, error) {
	return f.bulk(ctx, "download", n, f.downloadTCP, f.downloadUDP)
}

// Exchange sends n bytes to the server, which sends them back meanwhile: the same load both ways.
func (f *Flow) Exchange(ctx context.Context, n int64) (Counts, error) {
	return f.bulk(ctx, "exchange", n, f.exchangeAllTCP, f.exchangeAllUDP)
}

// A transfer moves n bytes, at least MinSize.
type transfer func(ctx context.Context, n uint64) (Counts, error)

func (f *Flow) bulk(ctx context.Context, what string, n int64, tcp, udp transfer) (Counts, error) {
	ctx, end, err := f.begin(ctx)
	if err != nil {
		return Counts{}, err
	}
	defer end()
	move := tcp
	if f.udp != nil {
		move = udp
	}
	f.seq++
	counts, err := move(ctx, uint64(max(n, MinSize)))
	if err != nil {
		return counts, f.fail(ctx, fmt.Sprintf("%s of %d bytes", what, n), err)
	}
	return counts, nil
}

func (f *Flow) uploadTCP(_ context.Context, n uint64) (Counts, error) {
	if _, err := f.tcp.Write(content(header{op: opSink, size: n, seq: f.seq}, MinSize)); err != nil {
		return Counts{}, err
	}
	sent, err := writeContent(f.tcp, f.seq, n-MinSize)
	counts := Counts{Sent: int64(MinSize + sent)}
	if err != nil {
		return counts, err
	}
	h, err := f.answerTCP(f.seq)
	counts.Received = int64(h.size)
	return counts, err
}

func (f *Flow) downloadTCP(_ context.Context, n uint64) (Counts, error) {
	if _, err := f.tcp.Write(content(header{op: opSource, size: n, seq: f.seq}, MinSize)); err != nil {
		return Counts{}, err
	}
	if _, err := f.answerTCP(f.seq); err != nil {
		return Counts{Sent: int64(n)}, err
	}
	good, err := readContent(f.tcp, f.seq, n-MinSize)
	return Counts{Sent: int64(n), Received: int64(MinSize + good)}, err
}

func (f *Flow) exchangeAllTCP(_ context.Context, n uint64) (Counts, error) {
	if _, err := f.exchangeTCP(f.seq, n, nil); err != nil {
		return Counts{Sent: int64(n)}, err
	}
	return Counts{Sent: int64(n), Received: int64(n)}, nil
}

// uploadUDP sends windows of datagrams and asks after each how much arrived: that keeps buffers from overflowing.
func (f *Flow) uploadUDP(ctx context.Context, n uint64) (Counts, error) {
	before, err := f.sunk(ctx)
	if err != nil {
		return Counts{}, err
	}
	var counts Counts
	for i, size := range datagramSizes(n) {
		f.seq++
		if _, err := f.udp.Write(content(header{op: opSink, size: uint64(size), seq: f.seq}, size)); err != nil {
			return counts, err
		}
		counts.Sent += int64(size)
		if i%window == window-1 {
			if _, err := f.sunk(ctx); err != nil {
				return counts, err
			}
		}
	}
	after, err := f.sunk(ctx)
	counts.Received = int64(after - before)
	return counts, err
}

// sunk asks how many bytes of this flow the server has swallowed.
func (f *Flow) sunk(ctx context.Context) (uint64, error) {
	f.seq++
	h, _, err := f.askUDP(ctx, content(header{op: opCount, seq: f.seq}, MinSize))
	return h.size, err
}

func (f *Flow) downloadUDP(ctx context.Context, n uint64) (Counts, error) {
	var counts Counts
	for n > 0 {
		part := min(n, window*datagram)
		n -= part
		f.seq++
		if _, err := f.udp.Write(content(header{op: opSource, size: part, seq: f.seq}, MinSize)); err != nil {
			return counts, err
		}
		sizes := datagramSizes(part)
		for _, size := range sizes {
			counts.Sent += int64(size)
		}
		got, err := f.collect(ctx, len(sizes))
		counts.Received += got
		if err != nil {
			return counts, err
		}
	}
	return counts, nil
}

func (f *Flow) exchangeAllUDP(ctx context.Context, n uint64) (Counts, error) {
	var counts Counts
	sizes := datagramSizes(n)
	for len(sizes) > 0 {
		now := sizes[:min(window, len(sizes))]
		sizes = sizes[len(now):]
		f.seq++
		for _, size := range now {
			if _, err := f.udp.Write(content(header{op: opEcho, size: uint64(size), seq: f.seq}, size)); err != nil {
				return counts, err
			}
			counts.Sent += int64(size)
		}
		got, err := f.collect(ctx, len(now))
		counts.Received += got
		if err != nil {
			return counts, err
		}
	}
	return counts, nil
}

// collect receives up to n datagrams of the present request and counts their bytes. A second of silence means the rest is lost.
func (f *Flow) collect(ctx context.Context, n int) (int64, error) {
	var got int64
	for range n {
		_, size, err := f.receiveUDP(ctx, f.seq)
		if isTimeout(err) && !expired(ctx) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got += int64(size)
	}
	return got, nil
}
