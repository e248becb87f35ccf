package offload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/go-fastpath/fastpath/ruleset"
)

// Errors of Linux by number, because syscall's constants are those of the system that this program was built for.
const (
	eperm      = 1
	enoent     = 2
	enomem     = 12
	eacces     = 13
	ebusy      = 16
	eexist     = 17
	einval     = 22
	efbig      = 27
	eopnotsupp = 95
)

// explain turns a refusal into an *ApplyError; other errors get the doing in front. nil stays nil. It looks around only now,
// after the failure, and never asks a driver again.
func (m *Manager) explain(ctx context.Context, doing string, batch *ruleset.Batch, err error) error {
	var refused *ruleset.CommitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &refused) || len(refused.Refusals) == 0:
		return fmt.Errorf("offload: %s: %w", doing, err)
	}
	first := slices.MinFunc(refused.Refusals, func(a, b ruleset.Refusal) int { return cmp.Compare(a.Message, b.Message) })
	e := &ApplyError{
		Errno:      syscall.Errno(first.Errno),
		Attr:       batch.Attribute(first.Message, first.Offset),
		KernelText: first.Text,
		More:       len(refused.Refusals) - 1,
	}
	if op, ok := batch.Operation(first.Message); ok {
		e.Operation = op
		m.explainOperation(ctx, e)
	} else {
		e.explainBatch()
	}
	return fmt.Errorf("offload: %s: %w", doing, e)
}

// explainBatch is for a batch that was refused as a whole, before any message was looked at, or at the commit.
func (e *ApplyError) explainBatch() {
	switch e.Errno {
	case eperm, eacces:
		e.because(fs.ErrPermission, "", "run as root, give the program CAP_NET_ADMIN in the network namespace (setcap cap_net_admin+ep), or start it under `unshare -rn`")
	case eopnotsupp:
		e.because(errors.ErrUnsupported, "the kernel has no nf_tables", "load the module nf_tables, or boot a kernel with CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET")
	case enomem:
		e.Next = "free memory, or apply fewer rules and set elements at a time"
	default:
		e.Next = "plan and apply again"
	}
}

func (e *ApplyError) because(reason error, detail, next string) {
	e.Reason, e.Detail, e.Next = reason, detail, next
}

func (m *Manager) explainOperation(ctx context.Context, e *ApplyError) {
	op := e.Operation
	switch {
	case e.Errno == eperm || e.Errno == eacces:
		e.because(fs.ErrPermission, "", fmt.Sprintf("a program's socket holds the table (`nft list table %s %s` shows `flags owner` and the program, `nft list tables` does not): "+
			"nobody else can change or delete it; end that program, or use another table name", op.Family, op.Table))
	case op.Verb == ruleset.VerbDelete && e.Errno == enoent:
		e.because(ErrConflict, "someone else deleted it", "plan again")
	case op.Kind == ruleset.KindTable && e.Errno == eexist:
		e.because(ErrConflict, "the table exists already", "make the plan with Manager.Plan, which reads what is there")
	case e.tableIsGone(ctx, m):
		e.because(ErrNoTable, fmt.Sprintf("table %s %s", op.Family, op.Table), "plan again: the table is then created anew")
	case op.Kind == ruleset.KindFlowtable:
		m.explainFlowtable(ctx, e)
	case op.Kind == ruleset.KindRule:
		m.explainRule(ctx, e)
	}
	if e.Next == "" {
		e.Next = nextByErrno(op, e.Errno)
	}
}

// tableIsGone looks for the table of an operation that was not found, unless the batch itself makes it.
func (e *ApplyError) tableIsGone(ctx context.Context, m *Manager) bool {
	if e.Errno != enoent || !pointsAtTable(e.Attr) {
		return false
	}
	have, err := m.load(ctx, "")
	return err == nil && !slices.ContainsFunc(have.Tables(), func(t ruleset.LoadedTable) bool {
		return t.Family == e.Operation.Family && t.Name == e.Operation.Table
	})
}

// pointsAtTable reports whether the kernel's finger is on the name of the table itself (every kernel from 6.1 points there).
func pointsAtTable(attr string) bool {
	path, _, _ := strings.Cut(attr, " ")
	return !strings.Contains(path, ".") && strings.HasSuffix(path, "_TABLE")
}

func (m *Manager) explainRule(ctx context.Context, e *ApplyError) {
	rule, _ := e.Operation.Rule()
	flowAdd := rule.Offloads()
	raw := slices.ContainsFunc(rule.Do, func(s ruleset.Statement) bool { return s.Raw != nil })
	switch {
	case flowAdd && e.Errno == enoent && m.lacksFlowtables(ctx, e.Operation.Family):
		e.noFlowtables()
	case raw:
		e.Next = "look at the rule's raw expressions, which are passed on as they are: " + nextByErrno(e.Operation, e.Errno)
	case flowAdd && e.Errno == eopnotsupp:
		e.because(errors.ErrUnsupported, "flow add outside the forward hook", "use it only in chains that are reached from forward base chains alone")
	}
}

// nextByErrno is the advice where nothing more is known.
func nextByErrno(op ruleset.Operation, errno syscall.Errno) string {
	switch errno {
	case enoent:
		if op.Kind == ruleset.KindRule || op.Kind == ruleset.KindChain {
			return "the kernel lacks a statement, a chain type or an object that it names; look at its configuration (CONFIG_NFT_*, modules nft_*) and at the names"
		}
		return "look for the object that it names; the kernel may lack a module (nft_*, nf_flow_table*)"
	case eopnotsupp:
		return "this kernel does not support it here; leave it out or use a newer kernel"
	case einval:
		return "this kernel does not know it or does not take these values; leave it out or use a newer kernel"
	case ebusy:
		return "something still refers to it; remove that first"
	case eexist:
		return "it exists already or overlaps with something that does; look with `nft list ruleset`"
	case efbig:
		return fmt.Sprintf("too many in one message; split the %s", op.Kind)
	case enomem:
		return "free memory, or apply fewer rules and set elements at a time"
	}
	return "look at the operation with `nft list ruleset` beside it"
}
