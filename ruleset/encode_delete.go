package ruleset

import (
	"fmt"

	"github.com/go-fastpath/fastpath/internal/nlmsg"
)

// remove writes a deletion: of a whole object by its name, of a rule by its handle, of elements, or of devices.
func (e *encoder) remove(op *Operation) {
	switch x := op.object.(type) {
	case *elements:
		if x.all {
			e.deleteNamed(op, nlmsg.NFTMsgDelSetElem, nlmsg.NFTASetElemListTable, nlmsg.NFTASetElemListSet)
			return
		}
		e.elements(op, nlmsg.NFTMsgDelSetElem, newSetBody(x.set), x.ranges, false)
		return
	case *boundFlowtable:
		e.moreDevices(op, nlmsg.NFTMsgDelFlowtable, 0, x.spec.Name, x.devices)
		return
	}
	switch op.Kind {
	case KindTable:
		e.deleteTable(op)
	case KindRule:
		e.deleteRule(op)
	case KindChain:
		e.deleteNamed(op, nlmsg.NFTMsgDelChain, nlmsg.NFTAChainTable, nlmsg.NFTAChainName)
	case KindSet:
		e.deleteNamed(op, nlmsg.NFTMsgDelSet, nlmsg.NFTASetTable, nlmsg.NFTASetName)
	case KindFlowtable:
		e.deleteNamed(op, nlmsg.NFTMsgDelFlowtable, nlmsg.NFTAFlowtableTable, nlmsg.NFTAFlowtableName)
	default:
		e.fail(fmt.Errorf("cannot encode the deletion of a %s", op.Kind))
	}
}

func (e *encoder) deleteTable(op *Operation) {
	if !op.Family.known() {
		e.fail(fmt.Errorf("this library does not know the %s; delete the table by hand", op.Family))
		return
	}
	e.begin(op, nlmsg.NFTMsgDelTable, 0)
	e.b.String(nlmsg.NFTATableName, op.Table)
	e.end()
}

func (e *encoder) deleteNamed(op *Operation, msg, table, name uint16) {
	e.begin(op, msg, 0)
	e.b.String(table, op.Table)
	e.b.String(name, op.Name)
	e.end()
}

// deleteRule deletes one rule, or all of a chain.
func (e *encoder) deleteRule(op *Operation) {
	e.begin(op, nlmsg.NFTMsgDelRule, 0)
	e.b.String(nlmsg.NFTARuleTable, op.Table)
	e.b.String(nlmsg.NFTARuleChain, op.Name)
	if op.Handle != 0 {
		e.b.Uint64BE(nlmsg.NFTARuleHandle, op.Handle)
	}
	e.end()
}
