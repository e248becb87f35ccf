//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"time"

	"github.com/go-fastpath/fastpath/offload"
)

// A Reconciler brings the wished and the observed together, object by object. What happens between two calls of Reconcile, such as
// devices that come and go, is the business of the library's own loop: Reconcile only writes down what that says. It is for one
// goroutine.
type Reconciler struct {
	objects folder
	// open opens a Manager of the kernel that an object is for.
	open opener
	// takeover asks another controller to leave. Who was asked to leave itself does not ask back.
	takeover bool
	// changed asks for another Reconcile of an object. It is called from other goroutines.
	changed func(name string)
	agents  map[string]*agent
}

type opener func(ctx context.Context, cfg offload.RunConfig) (*offload.Manager, error)

// Reconcile looks at one object once: it starts, updates or ends what keeps it attached, and writes its status. It may be called at
// any time and any number of times. After an error it is to be called again later.
func (r *Reconciler) Reconcile(ctx context.Context, name string) error {
	object, err := r.objects.get(name)
	if errors.Is(err, fs.ErrNotExist) {
		return r.remove(ctx, name)
	}
	if err == nil {
		err = check(object)
	}
	if invalid := (invalidError{}); errors.As(err, &invalid) {
		// What runs for it already runs on. Nothing is to be tried again before the object changes.
		return r.report(name, object, &Condition{Type: accepted, Status: "False", Reason: "Invalid", Message: err.Error()})
	}
	if err != nil {
		return err
	}
	if err = r.run(ctx, object); err != nil {
		return errors.Join(err, r.report(name, object, &Condition{Type: programmed, Status: "False", Reason: reasonOf(err), Message: err.Error()}))
	}
	return r.report(name, object, nil)
}

// check finds mistakes in what is wished, and fills in the owner.
func check(object *Object) error {
	object.Spec.Ruleset.Owner = cmp.Or(object.Spec.Ruleset.Owner, object.Metadata.Name)
	if err := object.Spec.Ruleset.Validate(); err != nil {
		return invalidError{err}
	}
	return nil
}

// run has an agent work at what is wished now.
func (r *Reconciler) run(ctx context.Context, object *Object) error {
	name := object.Metadata.Name
	a := r.agents[name]
	if a != nil && (a.over() || a.desired.Observe != object.Spec.Observe || a.desired.Ruleset.Owner != object.Spec.Ruleset.Owner) {
		if err := r.end(ctx, name, object.Spec.Ruleset.Owner); err != nil {
			return err
		}
		a = nil
	}
	if a == nil {
		manager, err := r.open(ctx, offload.RunConfig{Observe: object.Spec.Observe, Takeover: r.takeover})
		if err != nil {
			return err
		}
		r.agents[name] = start(ctx, manager, object.Spec, func() { r.changed(name) })
		return nil
	}
	if reflect.DeepEqual(a.desired, object.Spec) {
		return nil
	}
	if err := a.manager.Update(&object.Spec.Ruleset); err != nil {
		return err
	}
	a.desired = object.Spec
	return nil
}

// end ends an object's agent. Where the owner is another from now on, the tables of the earlier one go.
func (r *Reconciler) end(ctx context.Context, name, owner string) error {
	a := r.agents[name]
	delete(r.agents, name)
	err := a.close()
	if errors.Is(err, offload.ErrTakenOver) {
		r.takeover = false
	}
	if err == nil && a.desired.Ruleset.Owner != owner && !a.desired.Observe {
		err = r.uninstall(ctx, a.desired.Ruleset.Owner)
	}
	return err
}

// remove takes the tables of an object that is gone out of the kernel. Its status is what remembers them: also an object that
// was deleted while no controller ran is cleaned up after.
func (r *Reconciler) remove(ctx context.Context, name string) error {
	if a := r.agents[name]; a != nil {
		delete(r.agents, name)
		if err := a.close(); err != nil && !errors.Is(err, offload.ErrTakenOver) {
			return err
		}
	}
	was, err := r.objects.status(name)
	if err != nil {
		return err
	}
	if was.Owner != "" {
		if err := r.uninstall(ctx, was.Owner); err != nil {
			return err
		}
	}
	return r.objects.forget(name)
}

func (r *Reconciler) uninstall(ctx context.Context, owner string) error {
	manager, err := r.open(ctx, offload.RunConfig{})
	if err != nil {
		return err
	}
	_, err = manager.Uninstall(ctx, owner)
	return errors.Join(err, manager.Close())
}

// report writes an object's status: what the library's loop says, and, if anything is, what is wrong.
func (r *Reconciler) report(name string, object *Object, wrong *Condition) error {
	was, err := r.objects.status(name)
	if err != nil {
		return err
	}
	now := Observed{ObservedGeneration: was.ObservedGeneration, Owner: was.Owner, Run: was.Run}
	if object != nil {
		now.ObservedGeneration = object.Metadata.Generation
	}
	if a := r.agents[name]; a != nil {
		now.Run = a.newest.Load()
		if !a.desired.Observe {
			now.Owner = a.desired.Ruleset.Owner
		}
	}
	conditions := conditionsOf(now.Run)
	if wrong != nil {
		conditions = slices.DeleteFunc(conditions, func(c Condition) bool { return c.Type == wrong.Type })
		conditions = append(conditions, *wrong)
	}
	now.Conditions = merge(was.Conditions, conditions, now.ObservedGeneration, time.Now().UTC())
	return r.objects.setStatus(name, now)
}

// reasonOf is a word for what went wrong.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, offload.ErrRunning):
		return "OwnerBusy"
	case errors.Is(err, offload.ErrTakenOver):
		return "TakenOver"
	case errors.Is(err, fs.ErrPermission):
		return "Forbidden"
	case errors.Is(err, errors.ErrUnsupported):
		return "Unsupported"
	}
	return "Failed"
}

// close ends all agents. What they applied stays in force: a controller that restarts leaves no gap.
func (r *Reconciler) close() error {
	var err error
	for name, a := range r.agents {
		if e := a.close(); e != nil {
			err = errors.Join(err, fmt.Errorf("object %s: %w", name, e))
		}
	}
	clear(r.agents)
	return err
}
