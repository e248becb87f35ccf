//go:build linux

package main

import (
	"time"

	"github.com/go-fastpath/fastpath/offload"
	"github.com/go-fastpath/fastpath/ruleset"
)

// An Object is what somebody wants, and what became of it: the shape of a Kubernetes custom resource, without Kubernetes. It is a
// plain value.
type Object struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	Spec       Desired  `json:"spec"`
}

// What an Object says that it is.
const (
	apiVersion = "fastpath.example.org/v1alpha1"
	kind       = "FastPath"
)

// Metadata tell objects and their versions apart. It is a plain value.
type Metadata struct {
	Name string `json:"name"`
	// Generation moves with each change of the Spec. An API server counts it; here whoever writes the file may.
	Generation int64 `json:"generation,omitempty"`
}

// Desired is the wish. A ruleset.Spec goes into a custom resource as it is. It is a plain value.
type Desired struct {
	// Ruleset to keep attached. Its owner is the object's name, unless it names one.
	Ruleset ruleset.Spec `json:"ruleset"`
	// Observe reports what would be done, and writes nothing.
	Observe bool `json:"observe,omitempty"`
}

// Observed is what became of an Object: its status, which the controller alone writes. It is a plain value.
type Observed struct {
	ObservedGeneration int64       `json:"observedGeneration,omitempty"`
	Owner              string      `json:"owner,omitempty"` // of the tables; what is to be removed when the object is gone
	Conditions         []Condition `json:"conditions,omitempty"`
	// Run is where the reconcile loop of the library stands: devices, flowtables, drift.
	Run *offload.Status `json:"run,omitempty"`
}

// A Condition is one answer about an object, in the form of Kubernetes' metav1.Condition. It is a plain value.
type Condition struct {
	Type               string    `json:"type"`
	Status             string    `json:"status"` // True, False, Unknown
	Reason             string    `json:"reason"`
	Message            string    `json:"message"`
	ObservedGeneration int64     `json:"observedGeneration,omitempty"`
	LastTransitionTime time.Time `json:"lastTransitionTime"`
}
