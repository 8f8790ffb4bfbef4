#!/bin/bash
# release.sh SUITE COMMAND...: runs a command on another release of Debian (trixie, sid), in a root of its own,
# with that release's Node and mail servers. As root, on Debian.
#
# The root is made by debootstrap in .mta/releases/SUITE and kept; remove that directory to have it made anew. The
# repository is bound in, built as it is here. All else that the command does stays in the root, and every mount
# and process of it ends with this script, however it ends.
#
# Exit code 77: this cannot be done here; one line says why.
set -euo pipefail

repo=$(cd "$(dirname "$0")/../.." && pwd)
# The command may become another user, who has to be able to read it.
inside=/srv/tsmilter
PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

skip() {
  echo "release.sh: $*" >&2
  exit 77
}

# Everything below runs in namespaces for mounts and processes: no mount is seen outside, and when its process 1
# ends, the kernel ends the rest. Process 1 is ended with this script, also if that is killed.
in_namespaces() {
  (
    # A shell has commands in the background ignore these.
    trap - INT QUIT
    exec setpriv --pdeathsig KILL \
      unshare --mount --pid --fork --kill-child --propagation private "$@"
  ) <&0 &
  running=$!
  local status=0
  wait "$running" || status=$?
  running=
  return "$status"
}
running= work=
cleanup() {
  [ -z "$running" ] || { kill -KILL "$running" && wait "$running"; } 2>/dev/null || true
  [ -z "$work" ] || rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# A mirror of the machine's own apt that has the release.
mirror_of() {
  local uri
  while read -r uri; do
    if /usr/lib/apt/apt-helper -q download-file "${uri%/}/dists/$1/InRelease" "$work/InRelease" >/dev/null 2>&1; then
      echo "$uri"
      return
    fi
  done < <(
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
      grep -E '^https?:' | awk '!seen[$0]++'
  )
  return 1
}

# debootstrap mounts /proc in what it makes, and leaves it there when it is interrupted.
make_root() {
  local suite=$1 mirror
  command -v apt-get >/dev/null || skip 'a root of another release is made on Debian only'
  mirror=$(mirror_of "$suite") || skip "the mirror of this machine has no release $suite"
  if ! command -v debootstrap >/dev/null; then
    apt-get -q -o DPkg::Lock::Timeout=300 update
    apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends debootstrap
  fi
  echo "release.sh: making a root of $suite"
  in_namespaces --mount-proc \
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$work/root" "$mirror" \
    </dev/null >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    return 1
  }
  # No service starts, and the list of an archive that stands still is good enough.
  printf '#!/bin/sh\nexit 101\n' >"$work/root/usr/sbin/policy-rc.d"
  chmod 755 "$work/root/usr/sbin/policy-rc.d"
  printf 'Acquire::Check-Valid-Until "false";\nAPT::Install-Recommends "false";\n' \
    >"$work/root/etc/apt/apt.conf.d/90release"
  enter "$work/root" sh -euc '
    apt-get -q update
    apt-get -q install -y nodejs procps
    test/mail-servers/setup.sh
    apt-get clean
  ' </dev/null >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    return 1
  }
}

# The command in the root. /tmp is new each time; `/` is a mount, which unshare(1) needs to set its propagation.
# Process 1 is the shell, which waits for what is left behind by others; the command in its place would not.
enter() {
  local root=$1
  shift
  in_namespaces /bin/sh -euc '
    root=$1 repo=$2 inside=$3
    shift 3
    mount --bind "$root" "$root"
    mkdir -p "$root$inside"
    mount --bind "$repo" "$root$inside"
    mount --rbind /dev "$root/dev"
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=1777 tmp "$root/tmp"
    [ ! -e /etc/resolv.conf ] || mount --bind "$(readlink -f /etc/resolv.conf)" "$root/etc/resolv.conf"
    exec chroot "$root" /usr/bin/env -u TMPDIR HOME=/root TSMILTER_SENDMAIL_ROOT=/opt/sendmail \
      PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      /bin/sh -c "cd \"\$0\"; \"\$@\"; exit \$?" "$inside" "$@"
  ' sh "$root" "$repo" "$inside" "$@"
}

[ $# -ge 2 ] || {
  echo 'usage: release.sh SUITE COMMAND...' >&2
  exit 64
}
suite=$1
shift
[ "$(id -u)" = 0 ] || skip 'a root of another release needs root: use sudo'
unshare --mount true 2>/dev/null || skip 'namespaces are not allowed here: in a container use --privileged'

roots=$repo/.mta/releases
root=$roots/$suite
mkdir -p "$roots"
if [ ! -e "$root/.complete" ]; then
  exec {lock}>"$roots/$suite.lock"
  flock "$lock"
  if [ ! -e "$root/.complete" ]; then
    work=$(mktemp -d "$roots/$suite.XXXXXX")
    chmod 755 "$work"
    make_root "$suite" >&2
    touch "$work/root/.complete"
    rm -rf --one-file-system "$root"
    mv "$work/root" "$root"
  fi
  exec {lock}>&-
fi
enter "$root" "$@"
