#!/usr/bin/python3
"""What is made of rollbackctl's own table of commands (rollbackctl --dump-commands, on standard input): tables.py KIND, where KIND is
roff (the commands of the manual page), bash, zsh or fish (completion)."""
import json
import sys


def synopsis(command):
    words = [command["name"], command["verb"], command["args"]]
    words += [f"--{o['name']} {o['value']}" for o in command["options"] if o["needed"]]
    return " ".join(w for w in words if w)


def flags(option):
    return [f"--{option['name']}"] + ([f"-{option['letter']}"] if option["letter"] else [])


def choices(option):
    """The words among which a value is one, as far as they are known."""
    return [w for w in (option["value"] or "").split("|") if w and w[0].islower()]


def is_file(option):
    return (option["value"] or "").split("|")[0] in ("FILE", "DIR")


def takes_file(command):
    return "FILE" in command["args"] or "RULES" in command["args"]


def names(commands):
    return list(dict.fromkeys(c["name"] for c in commands))


def verbs(commands, name):
    return [c for c in commands if c["name"] == name and c["verb"]]


# --- the manual page ---

def roff_text(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in ("'", ".") else text


def roff_option(option):
    value = " " + option["value"] if option["value"] else ""
    letter = f"-{option['letter']}, " if option["letter"] else ""
    return f".TP\n.B {roff_text(letter + '--' + option['name'] + value)}\n{roff_text(option['help'])}"


def roff(table):
    out = [".nh", ".ad l", ".SH COMMANDS"]
    for c in table["commands"]:
        out += [".TP", f".B {roff_text(synopsis(c))}", roff_text(c["help"]) + "."]
        out += [roff_text(c["more"])] if c["more"] else []
        if c["options"]:
            out += [".RS", *[roff_option(o) for o in c["options"]], ".RE"]
        out += [".IP", "Example: " + roff_text(c["example"])]
    out += [".SH OPTIONS", "They may stand anywhere.", *[roff_option(o) for o in table["options"]]]
    return out


# --- completion ---

def bash(table):
    commands, options = table["commands"], table["options"]
    everything = {f: o for c in [{"options": options}, *commands] for o in c["options"] for f in flags(o)}
    valued = "|".join(f for f, o in everything.items() if o["value"])
    out = ["# bash completion of rollbackctl, made of its own table of commands.", "_rollbackctl() {",
           "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= verb= words= files= i", "\tCOMPREPLY=()",
           "\tfor ((i = 1; i < COMP_CWORD; i++)); do", "\t\tcase ${COMP_WORDS[i]} in", f"\t\t{valued}) ((i++)) ;;", "\t\t-*) ;;",
           "\t\t*) [ -n \"$command\" ] && verb=${verb:-${COMP_WORDS[i]}} || command=${COMP_WORDS[i]} ;;", "\t\tesac", "\tdone",
           "\tcase $before in"]
    for f, o in everything.items():
        if o["value"]:
            out.append(f"\t{f}) " + (f"words='{' '.join(choices(o))}'" if choices(o) else "files=1" if is_file(o) else "return") + " ;;")
    out += ["\t*)", "\t\tcase $command/$verb in", f"\t\t/*) words='{' '.join(names(commands))}' ;;"]
    for c in commands:
        if c["verb"]:
            out.append(f"\t\t{c['name']}/{c['verb']}) words='{words_of(c)}'{' files=1' if takes_file(c) else ''} ;;")
    for name in names(commands):
        own = [c for c in commands if c["name"] == name and not c["verb"]]
        more = [c["verb"] for c in verbs(commands, name)]
        words = " ".join([*more, *[words_of(c) for c in own]]).strip()
        out.append(f"\t\t{name}/*) words='{words}'{' files=1' if any(map(takes_file, own)) else ''} ;;")
    shared = " ".join(f"--{o['name']}" for o in options)
    out += ["\t\tesac", f"\t\t[[ $word != -* ]] || words+=' {shared}' ;;", "\tesac",
            "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\"; [ -z \"$files\" ] || compgen -f -- \"$word\")", "}",
            "complete -F _rollbackctl rollbackctl"]
    return out


def words_of(command):
    return " ".join(f"--{o['name']}" for o in command["options"])


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def described(word, text):
    """For zsh's _describe: a colon ends the word."""
    return quoted(word.replace(":", "\\:") + ":" + text)


def zsh(table):
    commands, options = table["commands"], table["options"]
    everything = {f: o for c in [{"options": options}, *commands] for o in c["options"] for f in flags(o)}
    valued = "|".join(f for f, o in everything.items() if o["value"])
    out = ["#compdef rollbackctl", "# zsh completion of rollbackctl, made of its own table of commands.", "_rollbackctl() {",
           "\tlocal command verb i", "\tlocal -a found", "\tfor ((i = 2; i < CURRENT; i++)); do", "\t\tcase $words[i] in",
           f"\t\t({valued}) ((i++)) ;;", "\t\t(-*) ;;", "\t\t(*) [[ -n $command ]] && verb=${verb:-$words[i]} || command=$words[i] ;;",
           "\t\tesac", "\tdone", "\tcase $words[CURRENT-1] in"]
    for f, o in everything.items():
        if o["value"]:
            says = f"found=({' '.join(choices(o))}); _describe value found" if choices(o) else "_files" if is_file(o) else f"_message {quoted(o['value'])}"
            out.append(f"\t({f}) {says}; return ;;")
    out += ["\tesac", "\tcase $command/$verb in"]
    first = [described(n, next(c["help"] for c in commands if c["name"] == n)) for n in names(commands)]
    out.append(f"\t(/*) found=({' '.join(first)}) ;;")
    for c in commands:
        if c["verb"]:
            out.append(f"\t({c['name']}/{c['verb']}) found=({zsh_options(c['options'])}){'; _files' if takes_file(c) else ''} ;;")
    for name in names(commands):
        own = [c for c in commands if c["name"] == name and not c["verb"]]
        more = " ".join([described(c["verb"], c["help"]) for c in verbs(commands, name)] + [zsh_options(c["options"]) for c in own])
        out.append(f"\t({name}/*) found=({more}){'; _files' if any(map(takes_file, own)) else ''} ;;")
    out += ["\tesac", f"\t[[ $words[CURRENT] != -* ]] || found+=({zsh_options(options)})", "\t_describe rollbackctl found", "}",
            "if [[ $funcstack[1] = _rollbackctl ]]; then", "\t_rollbackctl \"$@\"", "else", "\tcompdef _rollbackctl rollbackctl", "fi"]
    return out


def zsh_options(options):
    return " ".join(described(f"--{o['name']}", o["help"]) for o in options)


def fish_option(option, condition):
    line = f"complete -c rollbackctl{condition} -l {option['name']}" + (f" -s {option['letter']}" if option["letter"] else "")
    if is_file(option):
        line += " -r -F"
    elif option["value"]:
        line += " -x" + (f" -a '{' '.join(choices(option))}'" if choices(option) else "")
    return line + f" -d {fish_quoted(option['help'])}"


def fish_quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def fish(table):
    commands, options = table["commands"], table["options"]
    valued = sorted({f for c in [{"options": options}, *commands] for o in c["options"] if o["value"] for f in flags(o)})
    out = ["# fish completion of rollbackctl, made of its own table of commands.",
           "function __rollbackctl_words # the words so far, without options and their values", "\tset -l skip 0",
           "\tfor word in (commandline -opc)[2..-1]", "\t\tif test $skip = 1", "\t\t\tset skip 0",
           f"\t\telse if contains -- $word {' '.join(valued)}", "\t\t\tset skip 1", "\t\telse if not string match -q -- '-*' $word",
           "\t\t\techo $word", "\t\tend", "\tend", "end",
           "function __rollbackctl_at # COMMAND [VERB...]: there, and at one of the verbs", "\tset -l words (__rollbackctl_words)",
           "\ttest \"$words[1]\" = $argv[1]; and contains -- \"$words[2]\" $argv[2..-1]", "end",
           "function __rollbackctl_before # COMMAND [VERB...]: there, and at none of the verbs", "\tset -l words (__rollbackctl_words)",
           "\ttest \"$words[1]\" = $argv[1]; and not contains -- \"$words[2]\" $argv[2..-1]", "end", "complete -c rollbackctl -f",
           *[fish_option(o, "") for o in options]]
    for name in names(commands):
        mine = verbs(commands, name)
        help_ = next(c["help"] for c in commands if c["name"] == name)
        out.append(f"complete -c rollbackctl -n 'not count (__rollbackctl_words) >/dev/null' -a {name} -d {fish_quoted(help_)}")
        before = f" -n '__rollbackctl_before {' '.join([name, *[c['verb'] for c in mine]])}'"
        out += [f"complete -c rollbackctl -n '__rollbackctl_at {name} \"\"' -a {c['verb']} -d {fish_quoted(c['help'])}" for c in mine]
        for c in [c for c in commands if c["name"] == name]:
            where = f" -n '__rollbackctl_at {name} {c['verb']}'" if c["verb"] else before
            out += [fish_option(o, where) for o in c["options"]]
            out += [f"complete -c rollbackctl{where} -F"] if takes_file(c) else []
    return out


if __name__ == "__main__":
    kinds = {"roff": roff, "bash": bash, "zsh": zsh, "fish": fish}
    print("\n".join(kinds[sys.argv[1]](json.load(sys.stdin))))
