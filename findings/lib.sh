# Sourced by the scripts beside it: a folder that goes when they end, packages of pinned versions in it, a network namespace of their own.
# shellcheck shell=bash
set -euo pipefail

if [ "${IN_NAMESPACE:-}" != yes ]; then
	for tool in unshare ip dpkg-deb apt-get; do
		command -v "$tool" >/dev/null || { echo "needs $tool, root, and Debian 12"; exit 2; }
	done
	dir=$(mktemp -d)
	trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
	chmod 755 "$dir"
fi

# debian NAME=VERSION...: unpack packages of Debian 12 below $dir, without installing them.
debian() {
	mkdir -p "$dir/root"
	(cd "$dir" && apt-get -q download "$@" >download.log 2>&1) || { cat "$dir/download.log"; echo "a pinned package is not to be had any more"; exit 2; }
	for package in "$dir"/*.deb; do dpkg-deb -x "$package" "$dir/root"; done
}

# modules MODULE@VERSION...: build the Go program of standard input with these modules, as $dir/program.
modules() {
	mkdir -p "$dir/go"
	cat >"$dir/go/main.go"
	(cd "$dir/go" && export GOMODCACHE="$dir/modules" GOFLAGS=-modcacherw GOWORK=off && go mod init example.org/finding &&
		go get "$@" && go mod tidy && go build -o "$dir/program" .) >"$dir/build.log" 2>&1 || { cat "$dir/build.log"; exit 2; }
}

# in_namespace: begin the script again in a network namespace of its own; what stands behind it runs there only.
in_namespace() {
	if [ "${IN_NAMESPACE:-}" != yes ]; then
		export dir IN_NAMESPACE=yes
		unshare --net bash "$0"
		exit $?
	fi
	export PATH="$dir/root/usr/sbin:$dir/root/usr/bin:$PATH"
	export LD_LIBRARY_PATH="$dir/root/usr/lib/$(uname -m)-linux-gnu"
	export XTABLES_LIBDIR="$LD_LIBRARY_PATH/xtables"
	ip link set lo up
}

# outside: true in the first half of a script, which gets packages.
outside() { [ "${IN_NAMESPACE:-}" != yes ]; }

# tracked: have the namespace track connections.
tracked() {
	nft -f - <<-'NFT'
		table inet track {
			chain input {
				type filter hook input priority filter; policy accept;
				ct state new counter
			}
		}
	NFT
}

# same WHAT GOT WANTED: what is claimed; the script fails if it is not so any more.
same() {
	printf '%s:\n%s\n' "$1" "$2" | sed '2,$s/^/    /'
	[ "$2" = "$3" ] || { printf 'CHANGED: this was\n%s\n' "$3"; exit 1; }
}

nft_pinned=(nftables=1.0.6-2+deb12u2 libnftables1=1.0.6-2+deb12u2 libnftnl11=1.2.4-2)
conntrack_pinned=(conntrack=1:1.4.7-1+b2 libnetfilter-conntrack3=1.0.9-3)
iptables_pinned=(iptables=1.8.9-2 libip4tc2=1.8.9-2 libip6tc2=1.8.9-2 libxtables12=1.8.9-2)
