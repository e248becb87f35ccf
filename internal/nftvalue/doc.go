// Package nftvalue reads the values of matches and sets in nft's spelling, and writes them: addresses, ports, marks, states, names.
package nftvalue
