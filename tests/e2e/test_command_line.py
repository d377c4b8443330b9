"""The words of rollbackctl: options, help, one line for a slip."""
import json
import shlex
import subprocess

from harness import BUILD, alert, config, ctl


def table():
    return json.loads(ctl(None, "--dump-commands").stdout)


def test_every_command_tells_its_options_with_an_example_in_80_columns():
    commands = table()["commands"]
    overview = ctl(None, "--help").stdout
    assert len(commands) > 30
    for c in commands:
        words = [c["name"], *([c["verb"]] if c["verb"] else [])]
        said = ctl(None, *words, "--help")
        assert said.returncode == 0 and said.stderr == "" and said.stdout.startswith("usage: rollbackctl " + " ".join(words)), words
        assert f"Example:\n    {c['example']}\n" in said.stdout and all(f"--{o['name']} " in said.stdout for o in c["options"]), words
        assert "\n  " + " ".join(words + [c["args"]]).strip() in overview, words
        assert said.stdout == ctl(None, "help", *words).stdout
        assert not [line for line in (said.stdout + overview).splitlines() if len(line) > 80 and c["example"] not in line]


def test_a_slip_is_one_line_that_says_what_is_wrong():
    for words, what in (("statsu", "did you mean status?"), ("--ulr x status", "did you mean --url?"), ("status --watc", "did you mean --watch?"),
                        ("incident resovle 1", "did you mean resolve?"), ("incident resolve", "ID is missing"), ("", "which command?"),
                        ("incident open shop", "--severity P0|P1|P2|P3 is missing"), ("status a b", "b is one word too many"),
                        ("status --force", "--force is no option of this"), ("incident x", "x is no incident's number"), ("notify", "needs test"),
                        ("--url", "--url needs a value"), ("status -o", "-o needs a value"), ("status --watch=3", "--watch takes no value"),
                        ("status -x", "unknown option -x"), ("rollback shop --stage two", '"two"'), ("stage set shop two", "two is no stage"),
                        ("report --daily --weekly", "one of --daily"), ("flags set shop X", "X sets nothing")):
        r = ctl(None, *words.split())
        assert r.returncode == 2 and r.stdout == "" and len(r.stderr.splitlines()) == 1 and what in r.stderr, (words, r)


def test_options_stand_anywhere_and_in_both_forms():
    for words in ("-o json --timeout 2s status", "status -ojson --timeout=2s", "status --output json --timeout 2s", "status --output=json --timeout 2s"):
        r = ctl(None, *words.split())       # nobody is there: the question was understood
        assert r.returncode == 3 and "does not answer" in r.stderr, (words, r)
    r = ctl(None, "--note", "half the nodes", "incident", "--timeout", "1s", "ack", "3")
    assert r.returncode == 3, r
    assert ctl(None, "note", "3", "--", "--all of them").returncode == 3


def test_every_example_with_json_answers_in_json_or_not_at_all(daemon_of, service, folder):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    answered = set()
    for c in table()["commands"]:
        words = shlex.split(c["example"].split(" > ")[0])[1:]
        words = [{"checkout": "shop", "12": "1", "--watch": "--utc", "--wait": "--utc"}.get(w, w) for w in words]
        said = subprocess.run([str(BUILD / "rollbackctl"), "--url", f"http://127.0.0.1:{d.port}", "-o", "json", *words], capture_output=True,
                              text=True, timeout=60, cwd=folder, env={"PATH": "/usr/bin:/bin"})
        assert said.returncode in (0, 1, 2, 3, 4) and (said.stdout or said.stderr), words
        if said.stdout:
            json.loads(said.stdout)
            answered.add((c["name"], c["verb"]))
    assert {("status", None), ("incidents", None), ("incident", None), ("incident", "ack"), ("incident", "report"), ("rollback", None), ("stage", None),
            ("flags", None), ("flags", "explain"), ("percentage", None), ("sla", None), ("report", None), ("freeze", None),
            ("check-config", None), ("check-web-config", None)} - answered == set()
