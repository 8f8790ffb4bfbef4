#!/bin/bash
# test.sh [--no-build] [SUITE...]: makes the Debian package and the next version of it, and tries them in fresh roots of
# Debian (trixie and bookworm if none is named, side by side): docs/debian.md to the letter, mail, an upgrade under load,
# removal and purge (debian.test.ts). As root, on Debian. The repository has to be built with its tests. --no-build takes
# the packages of the last run.
#
# Debian 12 has no Node that is new enough. There a package with the oldest Node of nodejs.org stands in for NodeSource's.
# A root that cannot be had here is skipped, with a line that says why.
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
packages=$repo/build/debian
# Small is for those that are published.
export DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1

# What runs in the root that release.sh makes.
inside() {
  local suite=$1 machine=/tmp/machine/root
  # What the machine under test changes goes into a layer of its own, which ends with this.
  mkdir -p /tmp/machine/{changes,work} "$machine"
  mount -t overlay -o lowerdir=/,upperdir=/tmp/machine/changes,workdir=/tmp/machine/work overlay "$machine"
  mount --rbind /dev "$machine/dev"
  mount -t proc proc "$machine/proc"
  if [ -e /etc/resolv.conf ]; then
    touch "$machine/etc/resolv.conf"
    mount --bind /etc/resolv.conf "$machine/etc/resolv.conf"
  fi
  # As bare as a root is at first, but for archives of Debian, so that the rest needs no network.
  chroot "$machine" sh -euc '
    rm -f /usr/sbin/policy-rc.d
    {
      apt-get purge -y --autoremove nodejs postfix haproxy
      apt-get update
      apt-get install -y --download-only postfix nodejs adduser
    } >/tmp/prepare 2>&1 || { tail -n 20 /tmp/prepare >&2; exit 1; }
  '
  # Port 25 of this machine is of no concern: the network is a loopback device of its own, set up by SIOCSIFFLAGS.
  exec unshare --net sh -euc '
    perl -MSocket -e "socket(my \$s, AF_INET, SOCK_DGRAM, 0); my \$up = pack(\"a16sx22\", \"lo\", 0x41); ioctl(\$s, 0x8914, \$up) or die \$!"
    node=node
    [ ! -e "build/debian/$1/node" ] || node=build/debian/$1/node
    exec env TSMILTER_DEBIAN_MACHINE="$2" TSMILTER_DEBIAN_SUITE="$1" TSMILTER_DEBIAN_PACKAGES=build/debian \
      "$node" scripts/test.js --no-build --quiet packaging/debian
  ' sh "$suite" "$machine"
}

make_packages() {
  rm -rf "$packages"
  mkdir -p "$packages"
  local first
  first=$("$repo/contrib/debian/build.sh" --no-build "$packages" 2>"$packages/log") || {
    tail -n 20 "$packages/log" >&2
    return 1
  }
  # The next version is the same program.
  dpkg-deb -R "$first" "$packages/next"
  sed -i 's/^Version: .*/&+next/' "$packages/next/DEBIAN/control"
  dpkg-deb --root-owner-group --build "$packages/next" "${first%_*.deb}+next_${first##*_}" >/dev/null
  rm -r "$packages/next"
}

# NodeSource's packages are Node's own builds, as are those of the npm registry.
make_node() {
  local root=$packages/bookworm/root
  mkdir -p "$root/DEBIAN" "$root/usr/bin"
  cp "$(cd / && npx --yes node@20.19.0 -p process.execPath)" "$root/usr/bin/node"
  cp "$root/usr/bin/node" "$packages/bookworm/node"
  cat >"$root/DEBIAN/control" <<END
Package: nodejs
Version: 20.19.0-1nodesource1
Architecture: $(dpkg --print-architecture)
Maintainer: nobody <nobody@example.org>
Depends: libc6, libgcc-s1, libstdc++6
Description: Node of nodejs.org
END
  dpkg-deb --root-owner-group --build "$root" "$packages/bookworm/nodejs.deb" >/dev/null
  rm -r "$root"
}

if [ "${1:-}" = --inside ]; then inside "$2"; fi
build=1
[ "${1:-}" != --no-build ] || { build= && shift; }
[ $# -gt 0 ] || set -- trixie bookworm
if [ -n "$build" ] || ! ls "$packages"/*.deb >/dev/null 2>&1; then make_packages; fi
for suite; do
  mkdir -p "$packages/$suite"
  rm -f "$packages/$suite/measured"
done
if [ -d "$packages/bookworm" ] && [ ! -e "$packages/bookworm/nodejs.deb" ]; then make_node; fi

declare -A running
for suite; do
  # A test ends with this script, however that ends.
  setpriv --pdeathsig TERM "$repo/test/releases/release.sh" "$suite" test/packaging/test.sh --inside "$suite" \
    </dev/null >"$packages/$suite/log" 2>&1 &
  running[$suite]=$!
done
failed=0
for suite; do
  status=0
  wait "${running[$suite]}" || status=$?
  echo "-- $suite"
  cat "$packages/$suite/log"
  [ ! -e "$packages/$suite/measured" ] || cat "$packages/$suite/measured"
  case $status in
    0) ;;
    77) echo "skipped: $suite cannot be had here" ;;
    *) failed=1 ;;
  esac
done
exit "$failed"
