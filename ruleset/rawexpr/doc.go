// Package rawexpr makes Raw statements of expressions of github.com/google/nftables. Only on Linux, for
// google/nftables builds nowhere else.
package rawexpr
