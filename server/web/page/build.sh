#!/bin/sh
# What browsers get of the script, by make: build.sh npm | types | bundle. All of npm stands below build/page, which looks like this
# folder, so that the packages are found from the sources.
set -eu
cd "$(dirname "$0")/../../.."
here=server/web/page
there=build/page

command -v npm >/dev/null || {
	echo "the page's script needs nodejs and npm (make deps-page); make PAGE=no builds without both" >&2
	exit 1
}
mkdir -p $there
case $1 in
npm)
	cp $here/package.json $here/package-lock.json $here/.npmrc $there
	ln -sfn ../../$here/src $there/src
	(cd $there && npm ci --loglevel=error)
	;;
types)
	cp $here/tsconfig.json $there
	(cd $there && node_modules/.bin/tsc -p .)
	;;
bundle)
	cp $here/tsconfig.json $there
	rm -rf $there/out.new
	(cd $there && node_modules/.bin/esbuild src/page.tsx --bundle --minify --target=es2021 --format=esm --legal-comments=none \
		--preserve-symlinks --loader:.css=text --outdir=out.new --log-level=warning)
	mkdir -p $there/out
	mv -f $there/out.new/* $there/out
	;;
esac
