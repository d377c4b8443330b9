#!/bin/sh
# Manual pages and completion whose lists are the programs' own: pages.sh PROGRAMS-DIR SHARE-DIR. "@help@" in a page is what the
# program says, "@commands@" what is made of rollbackctl's table of commands.
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

table() { # KIND: what is made of the table of commands
	"$programs/rollbackctl" --dump-commands | python3 "$here/tables.py" "$1"
}

page() { # PAGE MARK: standard input stands where the page says @MARK@
	to=$out/man/man${1##*.}/$1
	mkdir -p "$(dirname "$to")"
	sed "/^@$2@\$/,\$d" "$here/$1" >"$to"
	cat >>"$to"
	sed "1,/^@$2@\$/d" "$here/$1" >>"$to"
	chmod 644 "$to"
}

completion() { # KIND FILE
	mkdir -p "$(dirname "$out/$2")"
	table "$1" >"$out/$2"
	chmod 644 "$out/$2"
}

table roff | page rollbackctl.1 commands
"$programs/rollbackd" --help | plain | page rollbackd.8 help
"$programs/rollbackd" --help-config | plain | page rollbackd.yml.5 help
completion bash bash-completion/completions/rollbackctl
completion zsh zsh/vendor-completions/_rollbackctl
completion fish fish/vendor_completions.d/rollbackctl.fish
