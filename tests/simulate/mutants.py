#!/usr/bin/python3
"""Breaks one rule of the engine at a time and tells which history finds it: mutants.py [--seeds=N] [WORD…]

Each mutant is a file or two with one place changed, compiled and linked with the simulator as `make simulate` makes it. A
rule whose mutant lives through all histories is one that the simulator cannot see: exit code 1."""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

BLOCK = 100     # histories at a time, until one is red
SIMULATE = f"build/{os.environ.get('MODE', 'release')}/tests/simulate/simulate"

# The rule, the file, what stands there, what takes its place. What stands there is found exactly once. A rule that two doors
# keep has those three once more: either of them alone holds.
ASKED_ANEW = ("handlers/engine/advance.c", "	if (l->met)\n		return false;", "	if (l->met || !l->met)\n		return false;")
MUTANTS = [
    ("at or below the target counts as there", "handlers/checks/judge.c",
     "return t.at_most ? pct <= t.pct : pct == t.pct;", "return pct == t.pct;"),
    ("above 0 % the checks are asked first", "handlers/incident/open.c",
     "	if (inc->pct_wanted > 0 || below) {", "	if (below) {", *ASKED_ANEW),
    ("nobody can tell: the target is 0", "handlers/engine/record_asking.c",
     "	w->inc.pct_wanted = 0;\n	return r < 0 ? r : begin", "	return r < 0 ? r : begin"),
    ("nobody can tell: people are paged", "handlers/engine/record_asking.c",
     "record_page(w, ANNOUNCE_THERE_UNKNOWN, text)", "0"),
    ("never more than is there", "handlers/engine/record_asking.c",
     "	w->inc.pct_wanted = round_target(&f);\n", "	(void)f;\n"),
    ("a trigger that meets a live incident begins a round", "handlers/incident/open.c",
     "file_is_above(inc, t, there) ? EV_TRIGGER : EV_ASK", "file_is_above(inc, t, there) ? EV_TRIGGER : 0"),
    ("a rollback that finds it there begins a run", "handlers/incident/move.c",
     "(to == INC_ROLLED_BACK && ev != EV_CONFIRMED && inc->already_there)", "(to == INC_ROLLED_BACK && false)"),
    ("above the target it is applied, whatever the file says", "handlers/engine/round.c",
     "	case STATUS_NO:\n", "	case STATUS_NO:\n		if (f->plan->rollout.flags_file && !file_is_above(f))\n			return ASKED_THERE;\n"),
    ("by the config in force", "handlers/incident/open.c",
     "	inc->config = strdup(r == 0 ? sha : old);", "	inc->config = strdup(old);"),
    ("a sample is younger than the last act", "handlers/checks/prom_query.c",
     "	if (of > q->ask.since_mono_us)", "	if (of > q->ask.since_mono_us || of)"),
    ("an answer was asked for after the last act", "handlers/engine/record_round.c",
     "	if (w->ch->evidence_since_us != w->inc.evidence_since_us)\n		return 0;", ""),
    ("an answer with warnings is unknown", "alertmanager/prometheus.c",
     "	int r = fail_warnings(root, say);", "	(void)fail_warnings;\n	int r = 0;"),
    ("only 2xx is an answer", "server/core/answer.c",
     "return r->error == 0 && r->status >= 200 && r->status <= 299", "return r->error == 0"),
    ("a missing instance is unknown", "handlers/checks/judge.c",
     "	const double *trouble = NULL;\n	char should[16], odd[32];", "	const double *trouble = NULL;\n	char should[16], odd[32];\n	instances = -1;"),
    ("an act that was superseded is waited for", "handlers/engine/record_late.c",
     "	*ret |= elsewhere > 0;\n", ""),
    ("ours again after theirs", "handlers/engine/record_late.c",
     "		r = act_once_more(w, &open);", "		(void)act_once_more;"),
    ("a failed step is done again", "handlers/engine/retry.c",
     "	if (step->state != STEP_FAILED || ", "	if (step->state != STEP_IN_DOUBT || "),
    ("what did not last is applied again", "handlers/engine/record_round.c",
     "	if (w->inc.state == INC_FAILED && (above || in_doubt))", "	if (w->inc.state == INC_FAILED && in_doubt)"),
    ("0 % is applied again while nobody can tell", "handlers/engine/record_round.c",
     "	if (w->inc.state == INC_FAILED && (above || in_doubt))", "	(void)in_doubt;\n	if (w->inc.state == INC_FAILED && above)"),
    ("the file before what reads it", "handlers/engine/file_first.c",
     "	return k->lowers && k->acts && changes_percentage(step) &&", "	return k->lowers && !k->acts && changes_percentage(step) &&"),
    ("a file that rose is written again", "handlers/engine/file_first.c",
     "	if (file_rose(s, flags))", "	if (file_rose(s, flags) && !flags)"),
    ("late above 0 % only after a round", "handlers/engine/file_first.c",
     "	return (inc->state == INC_VERIFYING || inc->state == INC_FAILED) && inc->pct_wanted > 0 &&",
     "	return (inc->state == INC_VERIFYING || inc->state == INC_FAILED) && inc->pct_wanted > 10000 &&"),
    ("asked anew after a start", *ASKED_ANEW),
    ("above 0 % nothing is repeated after a start", "handlers/engine/acts.c",
     "	if (kind_of(&l->inc)->lowers && l->inc.pct_wanted > 0 && s != &l->slot[SLOT_FOLLOWUP])",
     "	if (kind_of(&l->inc)->lowers && l->inc.pct_wanted > 10000 && s != &l->slot[SLOT_FOLLOWUP])"),
    ("what ended is stale at first", "handlers/incident/episode.c",
     "	return EPISODE_STALE;", "	return EPISODE_NEW;"),
    ("a stale alert lives when it keeps coming", "handlers/incident/episode.c",
     "f->called_active || keeps_coming(known, f))", "f->called_active || (keeps_coming(known, f) && !known))"),
    ("a stale alert lives when it is called active", "handlers/incident/episode.c",
     "f->called_active || keeps_coming(known, f))", "keeps_coming(known, f))"),
    ("a later start is another episode", "handlers/incident/episode.c",
     "f->starts_at_us > known->last_at_us ? EPISODE_NEW", "f->starts_at_us > known->last_at_us ? EPISODE_COPY"),
    ("a resolved ends all that began before", "handlers/incident/take.c",
     "		ended++;\n", "		ended++;\n		break;\n"),
    ("a sender's clock that was set back", "handlers/incident/episode.c",
     "	if (ends_at_us)\n		return same &&", "	if (ends_at_us)\n		return !ends_at_us && same &&"),
    ("an end of other times is told anew", "handlers/incident/take.c",
     "int r = known ? alert_again", "int r = known || !known ? alert_again"),
    ("a copy tells of a clock that was set back", "handlers/incident/take.c",
     "r = alert_copy(t->tx, t->id, told_us, kept", "r = alert_copy(t->tx, t->id, known->told_start_us, kept"),
    ("only what is over is called off", "handlers/engine/calm.c",
     "	bool over = a == ACTIVITY_OVER ||", "	bool over = a != ACTIVITY_NOBODY ||"),
    ("deadlines keep their time when the clock is set", "db/deadlines.c",
     "	int r = move_all(tx, by);\n", "	int r = move_all(tx, 0);\n"),
    ("time is compared as the disk counts it", "db/deadlines.c",
     "	return jump(db, wall - boot) ? boot + db->clock.offset_us : wall;", "	return jump(db, wall - boot) ? wall : wall;"),
]


def sh(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def changed(path, old, new):
    """The file's text with that change, and its line."""
    text = pathlib.Path(path).read_text()
    if text.count(old) != 1:
        sys.exit(f"{path} has {text.count(old)} times: {old}")
    return text.replace(old, new), text[:text.index(old)].count("\n") + 1


def compiled(path, text, plan, where):
    """The object of that file as text, and the one that it takes the place of."""
    obj = f"{os.path.dirname(SIMULATE).removesuffix('/tests/simulate')}/{path.removesuffix('.c')}.o"
    command = next(line for line in plan if line.endswith(f"-c -o {obj} {path}"))
    mutant = pathlib.Path(where, os.path.basename(path))
    mutant.write_text(text)
    command = command.removesuffix(f"-o {obj} {path}").replace("-MMD -MP", "").replace(" -Werror", "")
    sh("sh", "-c", f"{command} -w -o {mutant}.o {mutant}")
    return f"{mutant}.o", obj


def build(files, where):
    """The simulator with those files as texts."""
    plan = sh("make", "-n", *(f"-W{path}" for path in files), SIMULATE).replace("\\\n", " ").splitlines()
    link = next(line for line in plan if f" -o {SIMULATE} " in line).replace(f" -o {SIMULATE} ", f" -o {where}/simulate ")
    for path, text in files.items():
        ours, obj = compiled(path, text, plan, where)
        link = link.replace(f" {obj} ", f" {ours} ")
    sh("sh", "-c", link)
    return f"{where}/simulate"


def first_red(simulate, seeds):
    """The first history that finds it, and what it says; None."""
    for first in range(1, seeds + 1, BLOCK):
        out = subprocess.run([simulate, f"--first={first}", f"--seeds={min(BLOCK, seeds + 1 - first)}"], capture_output=True, text=True).stdout
        red = sorted((int(n), why) for n, why in re.findall(r"^seed (\d+): (.*)$", out, re.M))
        if red or "ended by signal" in out:
            return red[0] if red else (first, "it died")
    return None


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--seeds", type=int, default=2000)
    p.add_argument("words", nargs="*")
    a = p.parse_args()
    alive = 0
    sh("make", SIMULATE)
    for rule, *places in MUTANTS:
        if a.words and not any(w in rule for w in a.words):
            continue
        changes = {path: changed(path, old, new) for path, old, new in zip(*[iter(places)] * 3)}
        with tempfile.TemporaryDirectory(dir="build") as where:
            found = first_red(build({path: text for path, (text, _) in changes.items()}, where), a.seeds)
        at = ", ".join(f"{path}:{line}" for path, (_, line) in changes.items())
        alive += not found
        print(f"{rule} ({at}): " + (f"{found[0]}: {found[1]}" if found else f"NONE in {a.seeds}"), flush=True)
    sys.exit(1 if alive else 0)


main()
