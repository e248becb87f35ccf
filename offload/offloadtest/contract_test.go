package offloadtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/go-fastpath/fastpath/flowtable"
	"github.com/go-fastpath/fastpath/internal/nlmsg"
	"github.com/go-fastpath/fastpath/ruleset"
)

// A row is one case of the contract between the imitated kernels and the real ones: steps on a machine with the devices d0,
// d1 and hwno0, whose driver refuses. Every step starts with what the one before left.
type row struct {
	name  string
	steps []step
	// want are the answers to the steps. A step without errors is "ok".
	want wants
	// exact rows are left out on kernels between the models, which may answer as the older or as the newer.
	exact bool
}

// A step is a batch, a declaration that the compiler makes a batch of, or a change of devices.
type step struct {
	batch func(*batch)
	spec  *ruleset.Spec
	link  string // "add d2", "del d0", "rename d0 d9"
	dry   bool   // without BATCH_END
	on    string // the socket that a batch comes by, which stays open; "" is one of its own, which is closed then
	close string // the socket to be closed
}

// A machine runs steps: an imitated kernel or a real one.
type machine interface {
	transact(t *testing.T, on string, b []byte, messages int) ([]nlmsg.Ack, []nlmsg.Message)
	close(t *testing.T, socket string)
	dump(t *testing.T) []ruleset.Message
	change(t *testing.T, command []string)
}

// A batch is made by hand. The sequence number of a message is its place; BATCH_BEGIN is 0.
type batch struct {
	*nlmsg.Builder
	messages   int
	flowtables bool
	generation uint32 // of the ruleset, when the step began
	pin        uint32
}

// fields writes attributes.
type fields func(*batch)

func (b *batch) add(msg, flags uint16, family byte, attributes ...fields) {
	b.messages++
	b.flowtables = b.flowtables || msg >= nlmsg.NFTMsgNewFlowtable && msg <= nlmsg.NFTMsgDelFlowtable || msg == nlmsg.NFTMsgDestroyFlowtable
	b.BeginNetfilter(nlmsg.NFTablesType(msg), nlmsg.FlagRequest|nlmsg.FlagAck|flags, uint32(b.messages), family, 0)
	for _, f := range attributes {
		f(b)
	}
	b.End()
}

// inet is add for the family inet.
func (b *batch) inet(msg, flags uint16, attributes ...fields) {
	b.add(msg, flags, nlmsg.FamilyInet, attributes...)
}

func str(typ uint16, v string) fields { return func(b *batch) { b.String(typ, v) } }
func num(typ uint16, v uint32) fields { return func(b *batch) { b.Uint32BE(typ, v) } }
func num64(typ uint16, v uint64) fields {
	return func(b *batch) { b.Uint64BE(typ, v) }
}
func raw(typ uint16, v string) fields { return func(b *batch) { b.Data(typ, []byte(v)) } }
func nest(typ uint16, inside ...fields) fields {
	return func(b *batch) {
		m := b.Nest(typ)
		for _, f := range inside {
			f(b)
		}
		b.EndNest(m)
	}
}

// bytes frames what do writes.
func (s *step) bytes(generation uint32) *batch {
	b := &batch{Builder: nlmsg.NewBuilder(nlmsg.Native(), nil), generation: generation}
	s.batch(b)
	body := slices.Clone(b.Bytes())
	pin, flowtables, messages := b.pin, b.flowtables, b.messages
	b = &batch{Builder: nlmsg.NewBuilder(nlmsg.Native(), nil), flowtables: flowtables, messages: messages}
	b.BeginNetfilter(nlmsg.NFTypeBatchBegin, nlmsg.FlagRequest, 0, 0, nlmsg.SubsysNFTables)
	if pin != 0 {
		b.Uint32BE(nlmsg.NFBatchGenID, pin)
	}
	b.End()
	b.Raw(body)
	if !s.dry {
		b.BeginNetfilter(nlmsg.NFTypeBatchEnd, nlmsg.FlagRequest, uint32(messages+1), 0, nlmsg.SubsysNFTables)
		b.End()
	}
	return b
}

// A transcript is what a row showed: the answers to each step, and what is there at the end.
type transcript struct {
	answers, state string
	echoes         string // of all steps
	flowtables     bool
}

func (r *row) run(t *testing.T, m machine) transcript {
	t.Helper()
	var answers []string
	echoes, flowtables := "", false
	for i := range r.steps {
		s := &r.steps[i]
		switch {
		case s.link != "":
			m.change(t, strings.Fields(s.link))
			continue
		case s.close != "":
			m.close(t, s.close)
			continue
		case s.spec != nil:
			b := compile(t, m, s.spec)
			bytes := b.Bytes()
			if s.dry {
				bytes = b.DryRun()
			}
			flowtables = flowtables || hasFlowtables(s.spec)
			acks, sent := m.transact(t, s.on, bytes, b.Messages())
			answers, echoes = append(answers, answerText(bytes, acks)), echoes+echoText(t, sent)
		default:
			b := s.bytes(generationOf(t, m))
			flowtables = flowtables || b.flowtables
			acks, sent := m.transact(t, s.on, b.Bytes(), b.messages+2)
			answers, echoes = append(answers, answerText(b.Bytes(), acks)), echoes+echoText(t, sent)
		}
	}
	return transcript{strings.Join(answers, " | "), stateText(t, m.dump(t)), echoes, flowtables}
}

func hasFlowtables(spec *ruleset.Spec) bool {
	return slices.ContainsFunc(spec.Tables, func(t ruleset.Table) bool { return len(t.Flowtables) > 0 })
}

func generationOf(t *testing.T, m machine) uint32 { return loaded(t, m).Generation() }

func loaded(t *testing.T, m machine) *ruleset.Loaded {
	t.Helper()
	l, err := ruleset.Load("", func(yield func(ruleset.Message, error) bool) {
		for _, x := range m.dump(t) {
			if !yield(x, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	return l
}

// compile makes a batch of a declaration, as a Manager would, with every device listed.
func compile(t *testing.T, m machine, spec *ruleset.Spec) *ruleset.Batch {
	t.Helper()
	resolved, err := spec.Resolve(nil)
	require.NoError(t, err)
	plan, err := ruleset.Diff(loaded(t, m), resolved)
	require.NoError(t, err)
	b, err := plan.Batch(nil)
	require.NoError(t, err)
	return b
}

// answerText is each refused message by number, errno and attribute at fault.
func answerText(bytes []byte, acks []nlmsg.Ack) string {
	o := nlmsg.Native()
	messages := map[uint32][]byte{}
	for b := bytes; len(b) > 0; {
		m, rest, err := nlmsg.NextMessage(o, b)
		if err != nil {
			break
		}
		messages[m.Seq] = b[:len(b)-len(rest)]
		b = rest
	}
	var errors []string
	for _, a := range acks {
		if a.Errno == 0 {
			continue
		}
		text := fmt.Sprintf("%d:%s", a.Seq, errnoName(a.Errno))
		if a.Offset != 0 {
			at := nlmsg.AttrAt(o, messages[a.Seq], a.Offset)
			if at == "" { // of messages whose attributes nlmsg does not name
				at = fmt.Sprint(a.Offset)
			}
			at, _, _ = strings.Cut(at, " ")
			text += "@" + at[strings.LastIndex(at, ".")+1:]
		}
		errors = append(errors, text)
	}
	switch {
	case len(acks) == 0:
		return "silence"
	case len(errors) == 0:
		return "ok"
	}
	return strings.Join(errors, " ")
}

func errnoName(errno int32) string {
	names := map[int32]string{ePERM: "EPERM", eNOENT: "ENOENT", e2BIG: "E2BIG", eBUSY: "EBUSY", eEXIST: "EEXIST", eINVAL: "EINVAL", eNFILE: "ENFILE",
		eFBIG: "EFBIG", eMLINK: "EMLINK", eRANGE: "ERANGE", eRESTART: "ERESTART", eOPNOTSUPP: "EOPNOTSUPP"}
	if name, ok := names[errno]; ok {
		return name
	}
	return fmt.Sprint(errno)
}

// onFake is an imitated kernel as a machine.
type onFake struct {
	k       *Kernel
	sockets map[string]uint32
}

func (m onFake) transact(_ *testing.T, on string, b []byte, _ int) ([]nlmsg.Ack, []nlmsg.Message) {
	m.k.mu.Lock()
	defer m.k.mu.Unlock()
	if on == "" {
		return m.k.transactOnce(b)
	}
	if m.sockets[on] == 0 {
		m.sockets[on] = m.k.socket()
	}
	return m.k.transact(m.sockets[on], b)
}

func (m onFake) close(_ *testing.T, socket string) {
	m.k.mu.Lock()
	defer m.k.mu.Unlock()
	m.k.closeSocket(m.sockets[socket])
}

func (m onFake) dump(t *testing.T) []ruleset.Message {
	var list []ruleset.Message
	for x, err := range m.k.Dump(t.Context()) {
		require.NoError(t, err)
		list = append(list, x)
	}
	return list
}

func (m onFake) change(t *testing.T, command []string) {
	switch command[0] {
	case "add":
		m.k.AddLink(flowtable.Link{Name: command[1]})
	case "del":
		m.k.DelLink(command[1])
	case "rename":
		m.k.RenameLink(command[1], command[2])
	default:
		t.Fatalf("unknown change %v", command)
	}
}

// newFake is the machine of a row.
func newFake(t *testing.T, m model) onFake {
	target := modelTargets[m]
	k := New(t, target("lo", "d0", "d1", "hwno0"))
	k.Refuse("hwno0")
	return onFake{k, map[string]uint32{}}
}

// The models by name, and Targets of them.
var (
	modelNames   = [...]string{"6.1", "6.12", "6.18", "7.2", "7.3"}
	modelTargets = [len(modelNames)]func(...string) *flowtable.Target{Linux61, Linux612, Linux618, Linux72, Linux73}
)

// wants are answers by the model. An empty one is as that of the model before.
type wants [len(modelNames)]string

// TestContract holds every row against every model: the answers that are written beside it.
func TestContract(t *testing.T) {
	for m, name := range modelNames {
		t.Run(name, func(t *testing.T) {
			held := 0
			for _, r := range rows() {
				got := r.run(t, newFake(t, model(m)))
				if assert.Equal(t, r.wanted(model(m)), got.answers, r.name) {
					held++
				}
			}
			t.Logf("imitated %s: %d of %d rows hold", name, held, len(rows()))
		})
	}
}

func (r *row) wanted(m model) string {
	for ; m > linux61 && r.want[m] == ""; m-- {
	}
	return r.want[m]
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
