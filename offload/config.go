package offload

import (
	"context"
	"iter"
	"log/slog"

	"github.com/go-fastpath/fastpath/conntrack"
	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/ruleset"
)

// Config says what a Manager works on. A nil *Config and its zero value are the recommended settings: this machine's kernel,
// in the caller's network namespace. It is only read.
type Config struct {
	// NetNS is the network namespace: "" is the calling thread's, a name is one under /run/netns, and a path is taken as it
	// is, such as /proc/self/fd/7. Open holds it open, until Close or until its name is deleted: then calls fail, and Run ends, with an
	// error that matches ErrNamespaceGone. What has no name (the calling thread's, /proc/1/ns/net) is held until Close. It means nothing to
	// a Kernel.
	NetNS string
	// Kernel is what is read and written; nil is this machine's. Close closes it.
	Kernel Kernel
	// Adopt takes over tables of a declared name that bear no owner's mark, or another's, instead of refusing them: each is replaced
	// as a whole, with all that is in it, for kernels set the comment that is the mark only on tables which they create.
	Adopt bool
	// Watchdog is the command that watches over the changes of ApplyConfirm: a program that calls the function Watchdog, usually this one, as
	// []string{"/proc/self/exe", "watchdog"}. Empty refuses ApplyConfirm.
	Watchdog []string
	// NoEvict leaves flows in the fast path that a plan forbids or excludes. They meet no rule there until they end.
	NoEvict bool
	// Conflicts says what becomes of conflicts with what others have in the kernel. Zero is to warn.
	Conflicts ConflictMode
	// Conntrack is where connections are read, and evicted when a plan forbids them; nil is this machine's table in NetNS, or that
	// of a Kernel which has one (Tracked, as offloadtest's). Close closes it.
	Conntrack conntrack.Source
	// Logger is told what is applied and what had to be left out; nil tells nobody.
	Logger *slog.Logger
	// Run says how Manager.Run behaves.
	Run RunConfig
}

// A Kernel is the seam under a Manager: this machine (OpenKernel), or an imitation of one for tests. It is safe for concurrent use.
// What it can do beside this are Tunable and the interfaces that follow there.
type Kernel interface {
	// Target reads what decides how flowtables bind to devices.
	Target(ctx context.Context) (*flowtable.Target, error)
	// Dump yields NEWGEN, then tables, chains, sets, elements, rules and flowtables of all families, of one generation; it may
	// leave out the elements of tables without an owner's mark. An error is the last pair.
	Dump(ctx context.Context) iter.Seq2[ruleset.Message, error]
	// GenerationID is the ruleset's generation (NFTA_GEN_ID): every commit of anyone in the namespace moves it.
	GenerationID(ctx context.Context) (uint32, error)
	// Flowtables yields NEWGEN and the flowtables of all families, of one generation. Up to Linux 6.15 a device that is
	// unregistered leaves its flowtable without a new generation. An error is the last pair.
	Flowtables(ctx context.Context) iter.Seq2[ruleset.Message, error]
	// Commit sends a batch as one transaction, and returns what is echoed of messages that ask for it (NLM_F_ECHO), in order; a
	// Kernel that does not echo is only slower to plan for. What is refused is a *ruleset.CommitError.
	Commit(ctx context.Context, b *ruleset.Batch) (echoes []ruleset.Message, err error)
	// Check has a batch validated and taken back. Errors are as those of Commit.
	Check(ctx context.Context, b *ruleset.Batch) error
	Close() error
}
