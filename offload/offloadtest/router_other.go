//go:build !linux

package offloadtest

import (
	"time"

	"github.com/go-fastpath/fastpath/conntrack"
)

// A Router is a client, a router and a server in network namespaces of a Linux kernel. Safe for concurrent use.
type Router struct{}

// NewRouter skips the test: network namespaces and flowtables are Linux's.
func NewRouter(tb RouterTB) *Router {
	tb.Helper()
	tb.Skipf("offloadtest: a Router needs Linux")
	return &Router{}
}

// NetNS is the router's namespace, as offload.Config takes it.
func (r *Router) NetNS() string { return "" }

// Talk opens a connection from the client to the server.
func (r *Router) Talk(string) conntrack.Tuple { return conntrack.Tuple{} }

// Reaches demands that a connection of Talk is on a path within a time.
func (r *Router) Reaches(conntrack.Tuple, conntrack.Path, time.Duration) {}
