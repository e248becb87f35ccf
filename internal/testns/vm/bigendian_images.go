package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// images is where the guest finds what buildImages made.
const images = "/images"

// imageSpecs are the Specs that are built for another processor, below the module's folder, and the devices of their appliances.
func imageSpecs() []struct{ name, spec, devices string } {
	return []struct{ name, spec, devices string }{
		{"every", "internal/testns/vm/imagetest/testdata/every.json", "lan0 wan0"},
		{"firmware-router", "examples/firmware/router.json", "lan0 wan0 ppp0"},
		{"dialup", "cmd/flowctl/dialup.json", "lan0 ppp0"},
		{"numbered", "cmd/flowctl/numbered.json", "lan0 lan1 wan0 wan1"},
		{"plain", "cmd/flowctl/plain.json", "lan0"},
		{"pods", "cmd/flowctl/pods.json", "overlay.pods pod0a pod0b"},
		{"router", "cmd/flowctl/router.json", "lan0 wan0"},
		{"zones", "cmd/flowctl/zones.json", "port1 port2"},
	}
}

// buildImages builds every Spec on this machine for a kernel, as an nft file and as an image for either byte order, and the loader for
// the kernel's processor. It returns what the guest needs: path there -> path below dir.
func (m *Module) buildImages(ctx context.Context, c *Cache, k *Kernel, dir string) (map[string]string, error) {
	firmware := filepath.Join(dir, "firmware")
	if err := m.buildProgram(ctx, c, amd64(), m.Path+"/examples/firmware", firmware); err != nil {
		return nil, err
	}
	files := map[string]string{images + "/loader": filepath.Join(dir, "loader")}
	if err := m.buildProgram(ctx, c, k.processor(), m.Path+"/examples/firmware/loader", files[images+"/loader"]); err != nil {
		return nil, err
	}
	for _, s := range imageSpecs() {
		list := filepath.Join(dir, s.name+".devices")
		if err := os.WriteFile(list, []byte(s.devices), 0o644); err != nil {
			return nil, err
		}
		files[images+"/"+s.name+".devices"] = list
		for _, order := range []string{"little", "big"} {
			base := s.name + "." + order
			nft, image := filepath.Join(dir, base+".nft"), filepath.Join(dir, base+".image")
			_, err := command(ctx, m.Dir, firmware, "build", "-order", order, "-kernel", k.Label, "-devices", strings.ReplaceAll(s.devices, " ", ","),
				"-nft", nft, "-image", image, s.spec)
			if err != nil {
				return nil, fmt.Errorf("image of %s: %w", s.name, err)
			}
			files[images+"/"+base+".nft"], files[images+"/"+base+".image"] = nft, image
		}
	}
	return files, nil
}
