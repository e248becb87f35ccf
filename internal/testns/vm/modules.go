package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// wantedModules are loaded at boot with all they depend on. A kernel that has
// one built in is fine, a kernel that does not have it at all is an error.
func wantedModules() []string {
	return strings.Fields(`
		virtio_pci virtio_console
		nf_tables nf_conntrack nf_conntrack_netlink nf_nat nf_flow_table nf_flow_table_inet nft_flow_offload
		nft_ct nft_chain_nat nft_nat nft_masq nft_redir nft_limit nft_log nft_quota nft_numgen nft_hash nft_connlimit
		nft_reject_inet nft_fib_inet nft_socket nft_tproxy nft_dup_netdev nft_fwd_netdev
		nf_log_syslog nfnetlink_log nf_conntrack_ftp
		veth dummy 8021q bridge br_netfilter bonding macvlan vrf tun ifb ipip sit ip6_tunnel
		ppp_generic ppp_async ppp_synctty pppox pppoe wireguard
		sch_ingress sch_netem cls_flower act_ct`)
}

// optionalModules are loaded where a kernel has them, and before the others:
// crc32c is needed by libcrc32c through the crypto API, which modules.dep does not tell.
func optionalModules() []string {
	return strings.Fields(`crc32c_generic crc32c_intel nfnetlink_hook nf_flow_table_ipv4 nf_flow_table_ipv6 nft_counter nft_objref nft_synproxy nft_reject_netdev`)
}

// moduleName is the name of a module file without folder and suffixes.
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// moduleOrder reads modules.dep and modules.builtin below base and returns the
// files of the modules and of what they need, each after its dependencies.
func moduleOrder(base string, wanted, optional []string) ([]string, error) {
	file, deps, err := readDeps(filepath.Join(base, "modules.dep"))
	if err != nil {
		return nil, err
	}
	builtin, err := readBuiltin(filepath.Join(base, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	var order, missing []string
	seen := map[string]bool{}
	var add func(string)
	add = func(f string) {
		if seen[f] {
			return
		}
		seen[f] = true
		for _, d := range deps[f] {
			add(d)
		}
		order = append(order, f)
	}
	for _, m := range optional {
		if f := file[m]; f != "" {
			add(f)
		}
	}
	for _, m := range wanted {
		switch f := file[m]; {
		case f != "":
			add(f)
		case !builtin[m]:
			missing = append(missing, m)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("modules not found: %s", strings.Join(missing, " "))
	}
	return order, nil
}

// readDeps returns the file of each module and, per file, all files it needs.
// depmod lists them so that the last has to be loaded first.
func readDeps(path string) (file map[string]string, deps map[string][]string, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	file, deps = map[string]string{}, map[string][]string{}
	for _, line := range strings.Split(string(b), "\n") {
		f, rest, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		file[moduleName(f)] = f
		fields := strings.Fields(rest)
		for i := len(fields) - 1; i >= 0; i-- {
			deps[f] = append(deps[f], fields[i])
		}
	}
	return file, deps, nil
}

func readBuiltin(path string) (map[string]bool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, f := range strings.Fields(string(b)) {
		names[moduleName(f)] = true
	}
	return names, nil
}
