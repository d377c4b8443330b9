#!/bin/sh
# Prints C: the files that a browser gets, as they are and compressed, for server/web/assets.h. The same files make the same text.
# usage: embed.sh NAME=FILE...
set -eu

type_of() {
	case $1 in
	*.css) echo 'text/css; charset=utf-8' ;;
	*.js) echo 'text/javascript; charset=utf-8' ;;
	*.svg) echo image/svg+xml ;;
	*) echo "nobody knows the type of $1" >&2 && exit 1 ;;
	esac
}

array() {
	printf 'static const unsigned char %s[] = {\n' "$1"
	od -An -v -tx1 | sed 's/ \(..\)/0x\1,/g'
	echo '0};'
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0
echo '/* Made by server/web/embed.sh. */'
echo '#include "server/web/assets.h"'
for pair in "$@"; do
	name=${pair%%=*} file=${pair#*=}
	gzip -9n <"$file" >"$work/packed"
	hash=$(sha256sum "$file" | cut -c1-16)
	array "plain_$n" <"$file"
	array "packed_$n" <"$work/packed"
	printf '\t{"%s", "/assets/%s", "%s", "W/\\"%s\\"", plain_%d, sizeof(plain_%d) - 1, packed_%d, sizeof(packed_%d) - 1},\n' \
		"$name" "${name%.*}-$hash.${name##*.}" "$(type_of "$name")" "$hash" $n $n $n $n >>"$work/rows"
	n=$((n + 1))
done
echo 'const struct asset assets[] = {'
cat "$work/rows"
printf '};\nconst size_t n_assets = %d;\n' $n
