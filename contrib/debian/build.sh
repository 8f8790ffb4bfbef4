#!/bin/bash
# build.sh [DIRECTORY [VERSION]]: makes the Debian package tsmilter_VERSION_ARCHITECTURE.deb in the directory, build/ if
# none is named, and writes its path. VERSION is that of package.json if it is not given. No root, no debhelper: dpkg-deb,
# Node with npm, and the npm registry, from which the dependencies come without their install scripts.
#
# --no-build before these takes dist/ as it is.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../.." && pwd)

compile=1
[ "${1:-}" != --no-build ] || { compile= && shift; }
directory=${1:-$repo/build}
version=${2:-$(node -p 'require(process.argv[1]).version' "$repo/package.json")}
architecture=$(dpkg --print-architecture)
# The time of all files (dpkg-deb(1)), so that one commit makes one package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$repo" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH
umask 022

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
root=$work/root
library=$root/usr/lib/tsmilter
documents=$root/usr/share/doc/tsmilter

[ -z "$compile" ] || node "$repo/scripts/build.js" >&2

# The program, and the packages it uses. Those that are optional elsewhere are a part of it (docs/decisions/packages.md).
install -d "$library"
cp -R "$repo/bin" "$repo/dist" "$repo/config.schema.json" "$library/"
(cd "$library" && node "$here/dependencies.js" "$repo" &&
  npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
rm -f "$library/package-lock.json" "$library/node_modules/.package-lock.json"
# What other packages have beside their program is of no use here: sources, types, pages, settings of editors, builds for
# another C library. Licences stay.
(cd "$library/node_modules" && find . -type f ! -iname '*licen[cs]e*' ! -iname 'notice*' \( \
  -name '.*' -o -name '*.musl.node' -o -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' \
  -o -name '*.md' -o -name '*.markdown' -o -name '*.html' -o -name '*.sln' -o -name '*.[ch]' -o -name '*.cc' \
  -o -name '*.cpp' -o -path './*/.*/*' \) -delete)
find "$library/node_modules" -name .bin -prune -exec rm -r {} +
find "$library/node_modules" -mindepth 1 -type d -empty -delete
install -d "$root/usr/bin"
ln -s ../lib/tsmilter/bin/tsmilter.js "$root/usr/bin/tsmilter"

# The units are those of contrib/systemd. What is different on Debian stands in drop-ins.
units=$root/usr/lib/systemd/system
for unit in tsmilter.service tsmilter.socket; do
  install -D -m 644 "$repo/contrib/systemd/$unit" "$units/$unit"
  install -D -m 644 "$here/$unit.conf" "$units/$unit.d/10-debian.conf"
done

# Filters of the administrator, beside the configuration, find the package by its name.
install -D -m 644 "$here/tsmilter.yaml" "$root/etc/tsmilter/tsmilter.yaml"
install -d "$root/etc/tsmilter/node_modules"
ln -s /usr/lib/tsmilter "$root/etc/tsmilter/node_modules/tsmilter"

install -D -m 644 "$repo/examples/tsmilter.yaml" "$documents/examples/tsmilter.yaml"
node "$here/copyright.js" "$library" "$repo/LICENSE" >"$documents/copyright"
gzip -9n <"$repo/CHANGELOG.md" >"$documents/CHANGELOG.md.gz"
maintainer=$(sed -n 's/^Maintainer: //p' "$here/control")
gzip -9n >"$documents/changelog.gz" <<END
tsmilter ($version) unstable; urgency=medium

  * /usr/share/doc/tsmilter/CHANGELOG.md.gz says what has changed.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
install -d "$root/usr/share/man/man1"
gzip -9n <"$here/tsmilter.1" >"$root/usr/share/man/man1/tsmilter.1.gz"
install -D -m 644 "$here/lintian-overrides" "$root/usr/share/lintian/overrides/tsmilter"

# Modes do not depend on where the files came from.
chmod -R u=rwX,go=rX "$root"
find "$library" -type f ! -path "$library/bin/*" -exec chmod a-x {} +

install -d "$root/DEBIAN"
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" \
  -e "s/@SIZE@/$(du -k -s --apparent-size "$root" | cut -f 1)/" "$here/control" >"$root/DEBIAN/control"
echo /etc/tsmilter/tsmilter.yaml >"$root/DEBIAN/conffiles"
(cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path './etc/*' -printf '%P\0' | sort -z |
  xargs -0 md5sum) >"$root/DEBIAN/md5sums"
for script in postinst prerm postrm; do install -m 755 "$here/$script" "$root/DEBIAN/$script"; done

mkdir -p "$directory"
package=$directory/tsmilter_${version}_$architecture.deb
dpkg-deb --root-owner-group --build "$root" "$package" >&2
echo "$package"
