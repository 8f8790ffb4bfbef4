#!/bin/bash
# test.sh [--no-build]: makes the Debian package and the next version of it, and tries them in a fresh root of Debian 13:
# docs/debian.md to the letter, mail, an upgrade under load, removal and purge (debian.test.ts). As root, on Debian. The
# repository has to be built with tests, and --no-build takes packages that are there.
#
# Where such a root cannot be had, it is skipped, with a line that says why.
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
packages=$repo/build/debian
# Small is for those that are published.
export DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1

# The rest of this script, in the root that release.sh makes.
if [ "${1:-}" = --inside ]; then
  # What the machine under test changes goes into a layer of its own, which ends with this.
  machine=/tmp/machine/root
  mkdir -p /tmp/machine/{changes,work} "$machine"
  mount -t overlay -o lowerdir=/,upperdir=/tmp/machine/changes,workdir=/tmp/machine/work overlay "$machine"
  mount --rbind /dev "$machine/dev"
  mount -t proc proc "$machine/proc"
  [ ! -e /etc/resolv.conf ] || { touch "$machine/etc/resolv.conf" && mount --bind /etc/resolv.conf "$machine/etc/resolv.conf"; }
  # As bare as a root is at first, but for the archives of Debian, so that the rest needs no network.
  chroot "$machine" sh -euc '
    rm -f /usr/sbin/policy-rc.d
    {
      dpkg --purge haproxy
      apt-get purge -y --autoremove nodejs postfix
      apt-get update
      apt-get install -y --download-only postfix nodejs adduser
    } >/tmp/prepare 2>&1 || { tail -n 20 /tmp/prepare >&2; exit 1; }
  '
  # Port 25 of this machine is of no concern: the network is a loopback device of its own, set up by SIOCSIFFLAGS.
  exec unshare --net sh -euc '
    perl -MSocket -e "socket(my \$s, AF_INET, SOCK_DGRAM, 0); my \$up = pack(\"a16sx22\", \"lo\", 0x41); ioctl(\$s, 0x8914, \$up) or die \$!"
    exec env TSMILTER_DEBIAN_MACHINE="$1" TSMILTER_DEBIAN_PACKAGES="$2" \
      node scripts/test.js --no-build ${TSMILTER_VERBOSE---quiet} packaging/debian
  ' sh "$machine" build/debian
fi

if [ "${1:-}" != --no-build ] || ! ls "$packages"/*.deb >/dev/null 2>&1; then
  rm -rf "$packages"
  mkdir -p "$packages/next"
  first=$("$repo/contrib/debian/build.sh" --no-build "$packages" 2>"$packages/log") || {
    tail -n 20 "$packages/log" >&2
    exit 1
  }
  # The next version is the same program.
  dpkg-deb -R "$first" "$packages/next/root"
  sed -i 's/^Version: .*/&+next/' "$packages/next/root/DEBIAN/control"
  dpkg-deb --root-owner-group --build "$packages/next/root" "${first%_*.deb}+next_${first##*_}" >/dev/null
  rm -r "$packages/next"
fi

rm -f "$packages/measured"
status=0
"$repo/test/releases/release.sh" trixie test/packaging/test.sh --inside || status=$?
[ "$status" != 77 ] || { echo 'skipped: a root of Debian 13 cannot be had here' && status=0; }
[ ! -e "$packages/measured" ] || cat "$packages/measured"
exit "$status"
