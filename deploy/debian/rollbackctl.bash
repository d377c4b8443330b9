# bash completion of rollbackctl: what its own help lists.
_rollbackctl() {
	local word=${COMP_WORDS[COMP_CWORD]} help
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		help=$(rollbackctl --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p' | uniq)
	else
		help=$(rollbackctl "${COMP_WORDS[1]}" --help 2>/dev/null | sed -n -e "s/^  ${COMP_WORDS[1]} \\([a-z]*\\) .*/\\1/p" \
			-e 's/^  .*\(--[a-z-]*\).*/\1/p' | sort -u)
	fi
	mapfile -t COMPREPLY < <(compgen -W "$help" -- "$word")
	[ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}
complete -F _rollbackctl rollbackctl
