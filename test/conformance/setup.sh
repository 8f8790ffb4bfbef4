#!/bin/sh
# setup.sh: other people's filters and tools, and Redis, which this package is held against. On Debian, as root.
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
# Alone it would bring MariaDB's client, for its reports.
has opendmarc || wanted="$wanted opendmarc dbconfig-no-thanks"
has spamass-milter || wanted="$wanted spamass-milter"
has spamd || wanted="$wanted spamd"
has clamd || wanted="$wanted clamav-daemon"
has clamav-milter || wanted="$wanted clamav-milter"
# Stores are held against a real server, Sentinels and a Cluster.
{ has redis-server && has redis-cli; } || wanted="$wanted redis-server redis-tools"
has haproxy || wanted="$wanted haproxy"
/usr/bin/python3 -c 'import dkim, nacl, authres' 2>/dev/null ||
  wanted="$wanted python3-dkim python3-nacl python3-authres"
has postsrsd || wanted="$wanted postsrsd"
# Debian's browser: what is left of hostile HTML is shown in it.
has chromium || wanted="$wanted chromium"
[ -e /usr/share/doc/sendmail-doc/libmilter/html/sample.html ] || wanted="$wanted sendmail-doc"
# The unit file is played with systemd's own lists of system calls.
has systemd-analyze || wanted="$wanted systemd"
ldconfig -p | grep -q 'libseccomp\.so\.2' || wanted="$wanted libseccomp2"
[ -x /usr/bin/python3 ] || wanted="$wanted python3"
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
# Small images leave out documentation, where libmilter's sample filter is.
# shellcheck disable=SC2086
apt-get -q -o DPkg::Lock::Timeout=300 -o 'DPkg::Options::=--path-include=/usr/share/doc/sendmail-doc/*' \
  install -y --no-install-recommends --no-upgrade $wanted
# The key for new rules is imported by gpg, where it is installed, and its agent would stay.
keys=/var/lib/spamassassin/sa-update-keys
if [ -d "$keys" ] && has gpgconf; then
  runuser -u debian-spamd -- gpgconf --homedir "$keys" --kill gpg-agent
fi
