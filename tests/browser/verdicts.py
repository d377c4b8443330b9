"""The ten verdicts, as a rollout each of one daemon: what somebody half awake may find."""
from browser import PHONE  # noqa: F401
from harness import Service, alert, config

ROLLOUT = """  - name: {name}
    title: {title}
    flags: {{file: {service.flags}, percentage: SHOP_PERCENTAGE}}
    apply:
      - {{command: [{command}], timeout: 200s}}
    verify:
      delay: {delay}
      every: 50ms
      passes: 2
      timeout: {timeout}
      checks:
        - {{http: {{url: "{url}", value: /rollout_percentage}}}}
    stages:
      - {{number: 1, name: Canary, percentage: 10}}
      - {{number: 2, name: Half, percentage: 50}}
"""
PLAYBOOKS = """playbooks:
  - {name: later, match: ['action="later"'], rollback: {to: 0, after: 1h}}
  - {name: watch, match: ['action="watch"'], hold: true}
"""


class Verdict:
    def __init__(self, name, state, says, open, action="auto_rollback", delay="50ms", timeout="300s", follows=True, hangs=False, deaf=False,
                 then=None, **labels):
        self.name, self.state, self.says, self.open, self.then = name, state, says, open, then
        self.action, self.labels = action, labels
        self.delay, self.timeout, self.follows, self.hangs, self.deaf = delay, timeout, follows, hangs, deaf

    def block(self, folder):
        self.service = Service(folder / self.name)
        if not self.follows:
            self.service.ignore_reload()
        command = self.service.reload
        if self.hangs:
            command = self.service.dir / "hangs.sh"
            command.write_text(f"#!/bin/sh\nuntil [ -e {self.service.dir}/go ]; do sleep 0.1; done\nexec {self.service.reload}\n")
            command.chmod(0o755)
        url = "http://127.0.0.1:1/flags" if self.deaf else f"{self.service.web.url}/flags"
        return ROLLOUT.format(name=self.name, title=self.name.capitalize(), service=self.service, command=command, url=url,
                              delay=self.delay, timeout=self.timeout)

    def happen(self, d):
        [r] = d.post(alert(rollout=self.name, action=self.action, pod="web-7", **self.labels))
        self.incident = r["incident"]
        if self.then:
            d.wait_state(self.incident, self.state)
            for act, body in self.then[:-1]:
                assert d.act(self.incident, act, **body)[0] == 200
            self.state = self.then[-1]
        d.wait_state(self.incident, self.state)

    def end(self):
        (self.service.dir / "go").touch()
        self.service.close()


def ten():
    calls_off = [("cancel", {"note": "known"}), "cancelled"]
    resolves = [("resolve", {"note": "the bad build is gone"}), "resolved"]
    return [
        Verdict("rolling", "rolling_back", "Rolling back rolling to 0", True, hangs=True),
        Verdict("checking", "verifying", "Checking:", True, follows=False),
        Verdict("lowered", "rolled_back", "Rolled back:", True),
        Verdict("stubborn", "failed", "NOT VERIFIED:", True, follows=False, timeout="300ms"),
        Verdict("unseen", "failed", "CANNOT TELL:", True, deaf=True, timeout="300ms"),
        Verdict("held", "held", "Held: nothing was rolled back", True, action="watch"),
        Verdict("waiting", "pending", "Rolls back to 0", True, action="later"),
        Verdict("spared", "pending", "Called off", False, action="later", then=calls_off),
        Verdict("ended", "rolled_back", "Resolved", False, then=resolves),
        Verdict("rehearsed", "verifying", "DRILL", True, drill="x", delay="1h", timeout="2h"),
    ]


class World:
    """All of them in one daemon."""

    def __init__(self, daemon_of, folder, service, channels=""):
        self.verdicts = ten()
        rollouts = "".join(v.block(folder) for v in self.verdicts)
        self.daemon = daemon_of(config(service, rollouts=rollouts, playbooks=PLAYBOOKS, channels=channels))
        for v in self.verdicts:
            v.happen(self.daemon)

    def end(self):
        for v in self.verdicts:
            v.end()
