// Package judge tells what a ruleset makes of the packets of a connection, and whether a change forbids it or keeps it off
// the fast path: such a connection has to leave its flowtable, because nothing else would make it meet the new rules.
//
// It interprets the expressions of nf_tables as far as a connection's entry tells what they see. What it does not tell (the
// packet's mark, TCP flags, a rate) may be either way, and both ways are followed.
package judge
