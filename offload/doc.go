// Package offload keeps declared flowtables attached to a live kernel and tells what they carry.
//
// A Manager serves one network namespace: Plan compares a declaration with what the kernel holds, Apply commits the
// difference as one transaction, Run does both whenever devices, others or a new declaration demand it, Report folds the connections by the path that carries them. ApplyConfirm takes a change back that
// nobody confirms, and Uninstall leaves a machine as it was.
package offload
