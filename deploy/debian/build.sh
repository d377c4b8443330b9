#!/bin/sh
# Builds build/deb/rollbackd_VERSION_ARCH.deb from what `make install` puts into a directory. Called by `make deb`.
set -eu
cd "$(dirname "$0")/../.."
here=deploy/debian
version=$1
arch=$(dpkg --print-architecture)
out=build/deb
root=$out/root

rm -rf "$out"
mkdir -p "$root/DEBIAN"
make --no-print-directory install DESTDIR="$root" PREFIX=/usr MODE=release
strip --remove-section=.comment "$root/usr/bin/rollbackd" "$root/usr/bin/rollbackctl" \
	"$root/usr/libexec/rollbackd/rollbackd-run"
install -D -m 640 $here/rollbackd.yml "$root/etc/rollbackd/rollbackd.yml"
chmod 750 "$root/etc/rollbackd"
install -D -m 644 $here/default "$root/etc/default/rollbackd"
install -D -m 644 $here/copyright "$root/usr/share/doc/rollbackd/copyright"
gzip -9n <$here/changelog >"$out/changelog.gz"
install -D -m 644 "$out/changelog.gz" "$root/usr/share/doc/rollbackd/changelog.gz"
gzip -9n "$root"/usr/share/man/man?/*
install -D -m 644 $here/lintian-overrides "$root/usr/share/lintian/overrides/rollbackd"

# The libraries that the programs are linked with, with the versions they need.
mkdir -p "$out/debian"
printf 'Source: rollbackd\n\nPackage: rollbackd\nArchitecture: any\n' >"$out/debian/control"
libraries=$(cd "$out" && dpkg-shlibdeps -O root/usr/bin/rollbackd root/usr/bin/rollbackctl root/usr/libexec/rollbackd/rollbackd-run 2>/dev/null | sed 's/^shlibs:Depends=//')
size=$(du -sk --exclude=DEBIAN "$root" | cut -f1)

cat >"$root/DEBIAN/control" <<EOF
Package: rollbackd
Version: $version
Architecture: $arch
Maintainer: rollbackd maintainers <maintainers@rollbackd.example>
Installed-Size: $size
Depends: $libraries, ca-certificates, passwd, procps, tzdata, systemd | systemd-standalone-sysusers
Recommends: polkitd
Section: admin
Priority: optional
Description: rolls back a canary when Alertmanager says so
 rollbackd receives Prometheus Alertmanager's webhooks, lowers the percentage of
 a staged rollout, verifies that the service really follows, records the
 incident and tells the chat. It also carries the rollout plan: stages,
 criteria, approvals, checklists and reports.
EOF
printf '%s\n' /etc/default/rollbackd /etc/rollbackd/rollbackd.yml >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
	install -m 755 $here/$script "$root/DEBIAN/$script"
done
(cd "$root" && for d in usr lib; do [ ! -d $d ] || find $d -type f -exec md5sum {} +; done) >"$root/DEBIAN/md5sums"
dpkg-deb --root-owner-group --build "$root" "$out/rollbackd_${version}_$arch.deb" >/dev/null
echo "$out/rollbackd_${version}_$arch.deb"
