#!/bin/sh
# Manual pages whose lists are the programs' own: pages.sh PROGRAMS-DIR MAN-DIR. "@help@" and the like in a page is what the
# program says.
set -eu
programs=$1
out=$2
here=$(dirname "$0")

# Text as troff shows it, line by line.
plain() {
	echo .nf
	sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\\([.']\\)/\\\\\\&\\1/"
	echo .fi
}

page() { # PAGE TO COMMAND...: "@help@" becomes what the command says
	from=$here/$1 to=$out/$2
	shift 2
	mkdir -p "$(dirname "$to")"
	sed '/^@help@$/,$d' "$from" >"$to"
	"$@" | plain >>"$to"
	sed '1,/^@help@$/d' "$from" >>"$to"
	chmod 644 "$to"
}

page rollbackctl.1 man1/rollbackctl.1 "$programs/rollbackctl" --help
page rollbackd.8 man8/rollbackd.8 "$programs/rollbackd" --help
page rollbackd.yml.5 man5/rollbackd.yml.5 "$programs/rollbackd" --help-config
