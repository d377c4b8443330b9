"""What is shipped as text: what the pages promise (test_docs.py runs them), and the channels' jq programs."""
import json
import re
import subprocess

import pytest
from harness import BUILD, ROOT, Slack, alert, config, ctl

OPERATIONS = (ROOT / "deploy/docs/operations.md").read_text()


def test_the_backup_of_the_page_holds_what_happened(daemon_of, service, folder):
    d = daemon_of(config(service))
    [r] = d.post(alert())
    d.wait_state(r["incident"], "rolled_back")
    command = re.search(r"^(sqlite3 .*)$", OPERATIONS, re.M)[1]
    copy = folder / "copy.db"
    subprocess.run(["sh", "-ec", command.replace("/var/lib/rollbackd", str(d.state)).replace("/var/backups/rollbackd.db", str(copy))], check=True)
    [i] = d.post(alert("Later"))                   # after the backup
    assert d.stop() == 0
    for name in ("rollbackd.db", "rollbackd.db-wal", "rollbackd.db-shm"):
        (d.state / name).unlink(missing_ok=True)
    copy.rename(d.state / "rollbackd.db")
    d.start()
    assert [(i["id"], i["state"]) for i in d.incidents()] == [(1, "rolled_back")]
    assert {a["labels"]["alertname"] for a in d.incident(1)["alerts"]} == {alert()["labels"]["alertname"]}


def shipped_program(kind):
    """The C string constants of a kind, as the compiler joins them."""
    source = (ROOT / "handlers" / "notify" / "programs.c").read_text()
    literal = r'"((?:[^"\\]|\\.)*)"'
    macro = source[source.index("#define SLACK_ESCAPE"):source.index("const char *const")]
    body = re.search(rf"\[{kind}\] =(.*?),\n(?:\t\[|}})", source, re.S)[1]
    parts = (re.findall(literal, macro) if "SLACK_ESCAPE" in body else []) + re.findall(literal, body)
    return "".join(json.loads(f'"{p}"') for p in parts)


def run_program(program, text):
    sent = {"program": program, "input": {"text": text, "title": "t", "what": "rolled_back", "event": "incident", "id": "1.1",
                                          "number": 1, "link": "https://r/incidents/1", "at": "2026-11-28T00:00:00Z", "late": None,
                                          "incident": {"id": 1}}}
    r = subprocess.run([str(BUILD / "rollbackd"), "--run-program"], input=json.dumps(sent), capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stderr
    return json.loads(r.stdout)


@pytest.mark.parametrize("text", ["<!channel> <!here> <!everyone>", "@everyone @here @channel @all", "<@U123> <#C1|x>", "`*_~ &amp; <b>",
                                  "x" * 10000, "été 🎉 \u200b", "[INCIDENT] a\n- b: c\n"])
def test_the_slack_program_is_accepted_and_pings_nobody(text):
    body = run_program(shipped_program("CHANNEL_SLACK"), text)
    assert Slack.refuse("POST", {"Content-Type": "application/json"}, json.dumps(body).encode()) is None
    assert "<" not in body["text"].replace("&lt;", "") and not re.search(r"@(everyone|here|channel|all)", body["text"])
    for block in body["blocks"]:
        if block["type"] == "section":
            assert block["text"]["type"] == "plain_text" and not re.search(r"@(everyone|here|channel|all)", block["text"]["text"])


def test_a_program_that_never_ends_is_ended():
    sent = json.dumps({"program": "def f: f; f", "input": None})
    r = subprocess.run([str(BUILD / "rollbackd"), "--run-program"], input=sent, capture_output=True, text=True, timeout=60)
    assert r.returncode != 0 and r.stdout == ""


def test_the_table_of_exports_has_every_series_that_is_asked_for():
    asked = set()
    for file in (ROOT / "deploy").rglob("*"):
        if file.suffix in (".yml", ".json") and file.parts[-2] in ("deploy", "prometheus", "dashboards"):
            asked |= set(re.findall(r"\b((?:cst|legacy)_[a-z0-9_]*(?:_total|_bucket|_bytes|_sum|_percentage|_generation))\b", file.read_text()))
    asked -= {"cst_rollback", "get_cst_percentage"}
    assert len(asked) > 20, asked
    table = (ROOT / "deploy/prometheus/README.md").read_text().split("must export")[1].split("## ")[0]
    named = set(re.findall(r"`([a-z0-9_]+)", table))
    named |= {name.replace("cst_", "legacy_", 1) for row in table.splitlines() if "the same with `legacy_`" in row
              for name in re.findall(r"`(cst_[a-z0-9_]+)", row)}
    assert asked <= named, asked - named
    assert "process_start_time_seconds" in named


def test_the_playbook_for_the_others_label_rolls_back(daemon_of, service, folder):
    [line] = re.findall(r"^(playbooks: .*labelled-true.*)$", (ROOT / "deploy/docs/alerts.md").read_text(), re.M)
    d = daemon_of(config(service, playbooks=line), start=False)
    (folder / "alert.json").write_text(json.dumps({"alerts": [alert(action=None, auto_rollback="true")]}))
    said = ctl(d, "check-alert", "--config.file", d.config, folder / "alert.json")
    assert said.returncode == 0 and "roll back to 0" in said.stdout, said
