package main

import (
	"bufio"
	"io"
	"sync"
	"time"
)

// A steadyWriter gathers what is written and passes it on a few times a second, so that a million lines are no million system calls and
// a single one does not wait for others. Safe for concurrent use.
type steadyWriter struct {
	mu    sync.Mutex
	buf   *bufio.Writer
	end   chan struct{}
	ended sync.WaitGroup
}

const passOnEvery = 100 * time.Millisecond

func newSteadyWriter(to io.Writer) *steadyWriter {
	w := &steadyWriter{buf: bufio.NewWriterSize(to, 1<<16), end: make(chan struct{})}
	w.ended.Go(w.passOn)
	return w
}

// Write fails with the first failure of what is behind.
func (w *steadyWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *steadyWriter) passOn() {
	ticker := time.NewTicker(passOnEvery)
	defer ticker.Stop()
	for {
		select {
		case <-w.end:
			return
		case <-ticker.C:
			_ = w.flush() // the next Write fails, too
		}
	}
}

func (w *steadyWriter) flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Flush()
}

// Close passes on the rest.
func (w *steadyWriter) Close() error {
	close(w.end)
	w.ended.Wait()
	return w.flush()
}
