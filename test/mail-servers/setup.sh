#!/bin/sh
# setup.sh: what the tests with real mail servers need, on Debian, as root.
#
# Postfix, HAProxy and the libraries are installed. Sendmail cannot be, because Debian allows one mail server
# per machine: its packages are only unpacked, into .mta/sendmail of the repository or into
# $TSMILTER_SENDMAIL_ROOT. Run it as often as you like: what is there is left alone.
set -eu

repo=$(cd "$(dirname "$0")/../.." && pwd)
root=${TSMILTER_SENDMAIL_ROOT:-$repo/.mta/sendmail}
sendmail=$root/usr/libexec/sendmail/sendmail
cf=$root/usr/share/sendmail/cf/m4/cf.m4
PATH=$PATH:/usr/sbin:/sbin
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

has() { command -v "$1" >/dev/null 2>&1; }
unpacked() { [ -x "$sendmail" ] && [ -f "$cf" ]; }
loads() { unpacked && ! ldd "$sendmail" | grep -q 'not found'; }

# A version that is not to be had on the mirrors any more ends in a 404, so the lists of packages are
# renewed before anything is fetched, once.
updated=
fetch() {
  if [ -z "$updated" ]; then
    apt-get -q -o DPkg::Lock::Timeout=300 update
    updated=1
  fi
  apt-get -q -o DPkg::Lock::Timeout=300 "$@"
}

policy=/usr/sbin/policy-rc.d made_policy= work=
cleanup() {
  [ -z "$made_policy" ] || rm -f "$policy"
  [ -z "$work" ] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

wanted=
has postconf || wanted="$wanted postfix"
has m4 || wanted="$wanted m4"
has openssl || wanted="$wanted openssl"
has unshare || wanted="$wanted util-linux"
has haproxy || wanted="$wanted haproxy"

missing_right() {
  [ "$(id -u)" != 0 ] || return 0
  echo "setup.sh: needs root to get:$1" >&2
  exit 1
}

install() {
  # A package's own server must not start: the tests run private ones.
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made_policy=1
  fi
  fetch install -y --no-install-recommends --no-upgrade "$@"
}

if [ -n "$wanted" ]; then
  missing_right "$wanted"
  # Postfix asks how it shall be set up. Not at all: no system-wide configuration is used here.
  if has debconf-set-selections; then
    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
  fi
  # shellcheck disable=SC2086
  install $wanted
fi

if ! loads; then
  missing_right ' sendmail'
  work=$(mktemp -d)
  chmod 755 "$work"
  # Needed also when only a library is missing: the package knows the libraries' names of this release.
  (cd "$work" && fetch -o APT::Sandbox::User=root download sendmail-bin sendmail-cf)
  updated=1
  mkdir -p "$root"
  for package in "$work"/*.deb; do dpkg -x "$package" "$root"; done
  # With the set-gid bit glibc would take away a part of the environment.
  chmod g-s "$sendmail"
fi

if ! loads; then
  libraries=$(dpkg-deb -f "$work"/sendmail-bin_*.deb Depends |
    tr ',' '\n' | sed 's/[|(].*//; s/ //g' | grep '^lib')
  # shellcheck disable=SC2086
  install $libraries
fi

if ! loads; then
  echo 'setup.sh: Sendmail lacks a library:' >&2
  ldd "$sendmail" | grep 'not found' >&2
  exit 1
fi

echo "Postfix $(postconf -d -h mail_version), Sendmail in $root"
