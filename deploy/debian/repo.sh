#!/bin/sh
# A local apt repository, build/repo, of the package that `make deb` made: repo.sh DEB, called by `make repo`. It is not signed, so
# the line for apt says that it is trusted; sign it (gpg --clearsign -o InRelease Release) before it leaves this machine.
set -eu
cd "$(dirname "$0")/../.."
out=build/repo

rm -rf "$out"
mkdir -p "$out"
cp "$1" "$out/"
(
	cd "$out"
	apt-ftparchive packages . >Packages
	gzip -9nk Packages
	apt-ftparchive -o APT::FTPArchive::Release::Suite=./ -o APT::FTPArchive::Release::Label=rollbackd \
		-o APT::FTPArchive::Release::Architectures="$(dpkg --print-architecture)" release . >../Release.new
	mv ../Release.new Release
	echo "deb [trusted=yes] file:$PWD ./" >rollbackd.list
)
echo "$out: cp $out/rollbackd.list /etc/apt/sources.list.d/ && apt-get update && apt-get install rollbackd"
