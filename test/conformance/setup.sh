#!/bin/sh
# setup.sh: other people's filters and tools, which this package is held against. On Debian, as root.
# What is there is left alone; no service is started.
set -eu
PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

has() { command -v "$1" >/dev/null 2>&1; }
wanted=
has opendkim || wanted="$wanted opendkim"
has opendkim-genkey || wanted="$wanted opendkim-tools"
has miltertest || wanted="$wanted miltertest"
has gcc || wanted="$wanted gcc libc6-dev"
[ -e /usr/include/libmilter/mfapi.h ] || wanted="$wanted libmilter-dev"
/usr/bin/python3 -c 'import Milter' 2>/dev/null || wanted="$wanted python3-milter"
[ -n "$wanted" ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "setup.sh: needs root to get:$wanted" >&2
  exit 1
fi

policy=/usr/sbin/policy-rc.d made=
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
trap 'exit 1' INT TERM HUP
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  made=1
fi
apt-get -q -o DPkg::Lock::Timeout=300 update
# shellcheck disable=SC2086
apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends --no-upgrade $wanted
