package testns

import (
	"context"
	"crypto/ecdh"
	"encoding/base64"
	"fmt"
	"strconv"
)

// tunnel sets up both ends of a WireGuard tunnel over the addresses that underlay gives the link.
func (r *Router) tunnel(ctx context.Context, h *host) error {
	router, peer := wireGuardKey(1), wireGuardKey(2)
	if err := setPeer(ctx, r.NS, h.stack.layers(h.device).Logical, router, peer, h.underlay(2)); err != nil {
		return err
	}
	return setPeer(ctx, h.ns, h.stack.layers(hostDevice).Logical, peer, router, h.underlay(1))
}

func setPeer(ctx context.Context, ns *Namespace, device string, own, peer *ecdh.PrivateKey, endpoint string) error {
	_, err := ns.Run(ctx, base64.StdEncoding.EncodeToString(own.Bytes()), "wg", "set", device,
		"listen-port", strconv.Itoa(wireGuardPort), "private-key", "/dev/stdin",
		"peer", base64.StdEncoding.EncodeToString(peer.PublicKey().Bytes()), "allowed-ips", "0.0.0.0/0,::/0",
		"endpoint", fmt.Sprintf("%s:%d", endpoint, wireGuardPort))
	return err
}

// wireGuardKey is a key that nobody needs to guess.
func wireGuardKey(number byte) *ecdh.PrivateKey {
	secret := make([]byte, 32)
	secret[0], secret[31] = number<<3, 64 // as the curve wants them
	key, err := ecdh.X25519().NewPrivateKey(secret)
	if err != nil {
		return nil // 32 bytes are always a key
	}
	return key
}

// underlay is the address of the router (1) or of the host (2) below a tunnel.
func (h *host) underlay(number int) string {
	return fmt.Sprintf("%s.%d.%d", underlayNetwork, h.number, number)
}
