#!/bin/sh
# The shape of the C code: headers that stand together in one file, in any order; one name, one meaning; files and rooms that can be
# taken in; asserts at the doors, each said once. CC and CFLAGS are those of the build.
set -eu
cd "$(dirname "$0")/.."

: "${CC:=cc}" "${CFLAGS:=-std=gnu17 -I. -D_GNU_SOURCE}"
LINES_MAX=600
MODULES_MAX=20
ASSERTS_LEAST=15 # per thousand lines

rooms='server db alertmanager handlers'
# shellcheck disable=SC2086 # lists of folders
sources=$(find $rooms -name '*.[ch]' | sort)
headers=$(echo "$sources" | grep '\.h$')
bad=0

complain() {
	echo "$1"
	bad=1
}

# --- headers ---

together() {
	# shellcheck disable=SC2086 # a compiler with its wrapper, a list of flags
	sed 's/.*/#include "&"/' | $CC $CFLAGS -Werror -fsyntax-only -x c - 2>&1
}
said=$(echo "$headers" | together) || complain "the headers do not stand together in one file:
$said"
said=$(echo "$headers" | sort -r | together) || complain "a header needs others before it:
$said"

# --- comments: no page is cited that is not here ---

# shellcheck disable=SC2086 # a list of files
cited=$(grep -nE '\((interface|reference|rollout plan)[,:]|\b(interface|architecture|libraries|delivery|commands)\.md' $sources tests/unit/*.[ch] tests/e2e/*.py || true)
[ -z "$cited" ] || complain "a page is cited that is not in the tree:
$cited"

# --- names: what a header calls so is called so nowhere else ---

tags() {
	# shellcheck disable=SC2086 # a list of files
	grep -hoE '^[[:space:]]*(static )?(const )?(struct|enum|union) [a-z_0-9]+ \{' $1 | sed -E 's/.*(struct|enum|union) ([a-z_0-9]+) \{/\2/' | sort
}
all=$(tags "$sources" | uniq -d)
public=$(tags "$headers" | uniq)
for tag in $public; do
	echo "$all" | grep -qx "$tag" || continue
	# shellcheck disable=SC2086 # a list of files
	complain "\"$tag\" has two meanings: $(grep -lE "^[[:space:]]*(static )?(const )?(struct|enum|union) $tag \{" $sources | tr '\n' ' ')"
done

# --- kinds: what follows from one stands in the table of handlers/incident/kinds.c; db/ stores and filters it ---

asked=$(grep -nE '[!=]= KIND_[A-Z]+|KIND_[A-Z]+ [!=]=' -r server handlers --include='*.[ch]' || true)
[ -z "$asked" ] || complain "a kind is asked for instead of what follows from it:
$asked"

# --- the top level: given, and nothing else is committed there ---

given='Makefile README.md alertmanager db deploy handlers server tests'
more=$(git ls-files 2>/dev/null | sed 's|/.*||' | sort -u | grep -v '^\.' | grep -vxF "$(echo "$given" | tr ' ' '\n')" || true)
[ -z "$more" ] || complain "what stands at the top level is given: $more is not"

# --- counts in words: one and many are told apart in one place (text_many) ---

# shellcheck disable=SC2086 # a list of files
odd=$(grep -nE '== 1 \? "[^"]*" : "[^"]*s"|== 1 \? "[^"]*s" : "[a-z]*"|%[a-z]* [a-z]+\(s\)' $sources || true)
[ -z "$odd" ] || complain "one and many are told apart by hand instead of by text_many:
$odd"

# --- sizes ---

for f in $sources $(find tests -name '*.[ch]' -o -name '*.py' | sort); do
	n=$(wc -l <"$f")
	[ "$n" -le "$LINES_MAX" ] || complain "$f has $n lines, more than $LINES_MAX"
done
for room in $(echo "$sources" | sed 's|/[^/]*$||' | sort -u); do
	n=$(echo "$sources" | grep -cE "^$room/[^/]*\.c$" || true)
	[ "$n" -le "$MODULES_MAX" ] || complain "$room has $n modules, more than $MODULES_MAX"
done

# --- asserts ---

# shellcheck disable=SC2086 # a list of files
lines=$(cat $sources | wc -l) asserts=$(cat $sources | grep -cE '\bassert\(' || true)
density=$((asserts * 10000 / lines))
text="$asserts asserts in $lines lines: $((density / 10)).$((density % 10)) per thousand, $ASSERTS_LEAST are wanted"
echo "$text"
[ "$density" -ge $((ASSERTS_LEAST * 10)) ] || complain "too few asserts"

# What a function begins with is not asserted again further down in it.
# shellcheck disable=SC2086 # a list of files
twice=$(awk '
	/^}/ { split("", said) }
	/^\tassert\(.*\);$/ {
		n = split(substr($0, 9, length($0) - 10), part, / && /)
		for (i = 1; i <= n; i++)
			if (part[i] in said) print FILENAME ":" FNR ": " part[i]
			else said[part[i]]
	}' $sources)
[ -z "$twice" ] || complain "a function asserts the same twice:
$twice"
exit $bad
