/*
 * Every command of rollbackctl, its options and an example: what is taken, what --help and the manual page say, and
 * what a shell completes, are read from here.
 */
#include "server/ctl/ctl.h"

#define OPT(n, takes, h, ...) {.name = n, .value = takes, .help = h, __VA_ARGS__}
#define ROW(n, v, words, h, and, ex, what, ...)                                                                        \
	{.name = n, .verb = v, .args = words, .help = h, .more = and, .example = ex, .run = what, __VA_ARGS__}
#define OPTIONS(...) ((const struct ctl_option[]) {__VA_ARGS__, {.name = NULL}})

/* What several commands take, in the same words. */
#define CONFIG                                                                                                         \
	OPT("config", "FILE", "the config, /etc/rollbackd/rollbackd.yml unless this or ROLLBACKD_CONFIG says another", \
	    .also = "config.file")
#define WHY    OPT("reason", "TEXT", "why: it is recorded, and told in chat", .also = "note")
#define NOTE   OPT("note", "TEXT", "what to record with it", .also = "text")
#define WATCH  OPT("watch", NULL, "goes on: redrawn in place on a terminal, else what changed", .letter = 'w')
#define NOTED  OPTIONS(NOTE)
#define FORCED OPT("force", NULL, "in spite of what is missing; needs --reason")

const struct ctl_option ctl_globals[] = {
	OPT("url", "URL", "where rollbackd is: http://127.0.0.1:9595, or unix:/run/rollbackd/sock; also ROLLBACKD_URL"),
	OPT("output", "table|json|md|csv", "table for people, json for programs; md and csv of compare only",
            .letter = 'o'),
	OPT("timeout", "DURATION", "how long to wait for an answer: 30s; status waits 10s"),
	OPT("color", "auto|always|never", "auto: on a terminal, and not with NO_COLOR"),
	OPT("date.format", "local|relative|rfc3339|FORMAT",
            "of times; unless given local, and relative where there is little room; FORMAT as of date(1): %H:%M"),
	OPT("utc", NULL, "times of UTC, not of the local time zone"),
	OPT("help", NULL, "what a command does, its options and an example", .letter = 'h'),
	OPT("version", NULL, "which rollbackctl this is"),
	OPT("dump-commands", NULL, NULL), /* this table as JSON, for what makes pages and completion of it */
	{.name = NULL},
};

const struct ctl_command ctl_commands[] = {
	ROW("status", NULL, "[ROLLOUT]", "every rollout, or one, at a glance; and how rollbackd itself is", NULL,
            "rollbackctl status checkout --watch", cmd_status, .options = OPTIONS(WATCH)),
	ROW("incidents", NULL, "", "list incidents, newest first", NULL,
            "rollbackctl incidents --state open,failed --since 24h", cmd_incidents,
            .options = OPTIONS(
		    OPT("rollout", "ROLLOUT", "only this rollout's"),
		    OPT("state", "open|STATE,…",
                        "open (not over), pending, rolling_back, verifying, rolled_back, failed, held, cancelled, "
                        "resolved; "
                        "several with a comma between them"),
		    OPT("since", "DURATION|TIME", "opened not longer ago: 24h, or a time like 2025-10-14T10:00:00Z"),
		    OPT("until", "DURATION|TIME", "opened at least so long ago"),
		    OPT("limit", "N", "at most so many: 50, at most 500"), WATCH)),
	ROW("incident", NULL, "ID|last", "one in full: is it over, what comes next, what happened",
            "last is the newest one. With --watch it ends when that is decided: 0 rolled back, 1 not.",
            "rollbackctl incident last", cmd_incident,
            .options = OPTIONS(OPT("verbose", NULL, "with every message, budget, and what the steps' programs wrote",
                                   .letter = 'v'),
                               WATCH)),
	ROW("incident", "ack", "ID [TEXT]", "say that you have it; it is told in chat, and pages stop", NULL,
            "rollbackctl ack 12", cmd_incident_act, .options = NOTED),
	ROW("incident", "note", "ID [TEXT]", "put a note on its timeline", NULL,
            "rollbackctl incident note 12 \"the cache was cold\"", cmd_incident_act, .options = NOTED),
	ROW("incident", "eta", "ID [DURATION|TIME]",
            "when it will be over; told now, counted down, and told when it passes", NULL, "rollbackctl eta 12 2h",
            cmd_incident_act, .options = NOTED),
	ROW("incident", "extend", "ID DURATION", "put a rollback off that waits, by a day at most", NULL,
            "rollbackctl extend 12 30m --note \"the fix is being deployed\"", cmd_incident_act, .options = NOTED),
	ROW("incident", "cancel", "ID [TEXT]", "call off what waits or is held", NULL,
            "rollbackctl incident cancel 12 \"known: a load test\"", cmd_incident_act, .options = NOTED),
	ROW("incident", "retry", "ID [TEXT]", "try again what failed or is held", NULL, "rollbackctl incident retry 12",
            cmd_incident_act, .options = NOTED),
	ROW("incident", "approve", "ID [TEXT]", "let a step go on that waits for a person", NULL,
            "rollbackctl incident approve 12 --step restore \"backup of 03:00\"", cmd_incident_act,
            .options = OPTIONS(NOTE, OPT("step", "NAME", "which step, where several wait"))),
	ROW("incident", "resolve", "ID [TEXT]", "end it; needs a reason while wanted and seen differ", NULL,
            "rollbackctl resolve 12 \"the fix is out\"", cmd_incident_act, .options = NOTED),
	ROW("incident", "review", "ID [TEXT]", "close its review: what was wrong, and what was done", NULL,
            "rollbackctl incident review 12 \"the parser lost a lock; fixed in 1.2\"", cmd_incident_act,
            .options = NOTED),
	ROW("incident", "report", "ID", "the incident report, Markdown", NULL,
            "rollbackctl incident report 12 > incident-12.md", cmd_incident_report),
	ROW("incident", "open", "ROLLOUT", "report one; P0 rolls back, others are held", NULL,
            "rollbackctl incident open checkout --severity P0 --summary \"customers cannot pay\"", cmd_incident_open,
            .options = OPTIONS(OPT("severity", "P0|P1|P2|P3", "how bad it is", .needed = true),
                               OPT("summary", "TEXT", "what is wrong, in a sentence", .needed = true))),
	ROW("rollback", NULL, "ROLLOUT", "roll back by hand, also when rollbackd is down",
            "With --wait, --offline or --or-offline it ends with 0 verified, 1 not verified, 2 usage, 3 refused "
            "(another "
            "stage) or, with --wait, not allowed, 4 cannot tell.",
            "rollbackctl rollback checkout --stage current --reason \"looks odd\" --wait", cmd_rollback,
            .options = OPTIONS(
		    OPT("stage", "N|current", "the stage it is at: another one is refused"), WHY,
		    OPT("to", "PERCENTAGE", "how far down: 0"),
		    OPT("wait", NULL, "show the steps as they happen; the exit code is the result"),
		    OPT("or-offline", NULL,
                        "asks rollbackd, waits, and goes on without it when it does not answer in 3 s"),
		    OPT("offline", NULL, "without rollbackd: as its user or root, on the service's machine"), CONFIG,
		    OPT("storage", "DIR", "the state directory: /var/lib/rollbackd", .also = "storage.path"))),
	ROW("percentage", NULL, "ROLLOUT", "what the service says it is at; nothing when that is unknown",
            "0 it is printed, 4 unknown.", "rollbackctl percentage checkout", cmd_percentage,
            .options = OPTIONS(CONFIG, OPT("except", "PROGRAM", "leave out checks that run this program: it asks us"))),
	ROW("flags", NULL, "ROLLOUT", "values of the flags, and their generation", NULL, "rollbackctl flags checkout",
            cmd_flags),
	ROW("flags", "set", "ROLLOUT NAME=VALUE", "set one of the other flags",
            "0 it is set, 4 it stands in the file, and whether the service reads it is not known.",
            "rollbackctl flags set checkout TIERED_CACHE=false --reason \"it serves old pages\"", cmd_flags_set,
            .options =
                    OPTIONS(WHY, OPT("wait", NULL, "show the apply steps as they run; the exit code is their result"),
                            OPT("offline", NULL, "without rollbackd, which notices it and tells"), CONFIG)),
	ROW("flags", "explain", "ROLLOUT", "which side a key falls on, from which stage, and why", NULL,
            "rollbackctl flags explain checkout --key user-4711", cmd_flags_explain,
            .options = OPTIONS(OPT("key", "KEY", "what the service samples by", .needed = true))),
	ROW("stage", NULL, "[ROLLOUT]", "where it stands in its plan, and what is missing", NULL,
            "rollbackctl stage checkout", cmd_stage),
	ROW("stage", "advance", "[ROLLOUT]", "enter the next stage: refused with every reason, or verified and told",
            "Exit codes: 0 entered or under way, 1 refused, failed, or it waits for a second person.",
            "rollbackctl stage advance --wait", cmd_stage_advance,
            .options = OPTIONS(FORCED, WHY, OPT("wait", NULL, "show what happens; the exit code is the result"))),
	ROW("stage", "set", "[ROLLOUT] N", "say at which stage it stands; changes no percentage", NULL,
            "rollbackctl stage set checkout 2 --force --reason \"it was there before the move\"", cmd_stage_set,
            .options = OPTIONS(FORCED, WHY)),
	ROW("stage", "hold", "[ROLLOUT]", "stop the stage's clock: nothing is raised", NULL,
            "rollbackctl stage hold --reason \"customer demo\"", cmd_stage_note, .options = OPTIONS(WHY)),
	ROW("stage", "resume", "[ROLLOUT]", "let the clock run again", NULL, "rollbackctl stage resume", cmd_stage_note,
            .options = OPTIONS(WHY)),
	ROW("stage", "approve", "[ROLLOUT]", "approve leaving the stage, in a role that you have", NULL,
            "rollbackctl stage approve --role engineering-lead", cmd_stage_note,
            .options = OPTIONS(OPT("role", "ROLE", "in which role"),
                               OPT("milestone", "TEXT", "approve this milestone instead"), WHY)),
	ROW("stage", "certify", "[ROLLOUT]", "call the rollout stable", NULL, "rollbackctl stage certify checkout",
            cmd_stage_note, .options = OPTIONS(WHY)),
	ROW("stage", "publish", "[ROLLOUT]", "say that the stage's release notes are out", NULL,
            "rollbackctl stage publish checkout", cmd_stage_note, .options = OPTIONS(WHY)),
	ROW("checklist", NULL, "[ROLLOUT]", "what is ticked, by whom and when; or tick an item", NULL,
            "rollbackctl checklist checkout --done \"All unit tests\"", cmd_checklist,
            .options = OPTIONS(OPT("done", "ITEM", "tick this: its number, or what only it begins with"),
                               OPT("list", "NAME", "in this checklist"), NOTE)),
	ROW("milestones", NULL, "[ROLLOUT]", "what is due after the stages and before them; or say that one is done",
            NULL, "rollbackctl milestones --done \"LanceDB resolution\"", cmd_milestones,
            .options = OPTIONS(OPT("done", "TEXT", "what is done: what only it begins with"), NOTE)),
	ROW("freeze", NULL, "[ROLLOUT] DURATION", "raise nothing for so long; 0s ends it", NULL,
            "rollbackctl freeze 4h --reason \"release day\"", cmd_freeze, .options = OPTIONS(WHY)),
	ROW("drill", NULL, "ROLLOUT [LABEL=VALUE …]", "a fire drill: from a real webhook to chat; nothing is changed",
            "Exit codes: 0 passed, 1 failed, 4 not decided.",
            "rollbackctl drill checkout --alertmanager http://127.0.0.1:9093", cmd_drill,
            .options = OPTIONS(
		    OPT("alertmanager", "URL", "send the alert there, as Prometheus would, and let it find its way"))),
	ROW("notify", "test", "[CHANNEL]", "a test message to each channel, or one",
            "Exit codes: 0 all took it, 1 one refused, 4 one still waits after a minute.",
            "rollbackctl notify test on-call", cmd_notify_test),
	ROW("report", NULL, "[ROLLOUT]", "what engineering and management get", NULL, "rollbackctl report --weekly",
            cmd_report,
            .options = OPTIONS(OPT("daily", NULL, "what changed since yesterday (this is the default)"),
                               OPT("weekly", NULL, "for management"), OPT("final", NULL, "the whole rollout"))),
	ROW("sla", NULL, "[ROLLOUT]", "how long each rollback took against its budgets",
            "Exit codes: 0 all in time, 1 not all.", "rollbackctl sla checkout --since 30d", cmd_sla,
            .options = OPTIONS(OPT("since", "DURATION", "opened not longer ago: 30d"))),
	ROW("compare", NULL, "ROLLOUT", "new way against old way, a verdict per metric",
            "Exit codes: 0 equal or better, 1 worse, 4 cannot tell.",
            "rollbackctl compare checkout --percentage 50 --duration 7d --threshold 0.05", cmd_compare,
            .options = OPTIONS(OPT("percentage", "N", "the share that it must have had"),
                               OPT("duration", "DURATION", "over how long"),
                               OPT("threshold", "RATIO", "how much worse is worse: 0.05"))),
	ROW("doctor", NULL, "",
            "asks Prometheus and Alertmanager: does every trigger come here, how soon, is there data",
            "Exit codes: 0 all well, 1 something is bad, 3 they cannot be reached, 4 something could not be told.",
            "rollbackctl doctor", cmd_doctor, .options = OPTIONS(CONFIG)),
	ROW("simulate", NULL, "[RULES …]", "what the triggers of rule files would have done over what Prometheus has",
            "How near each came, and what another bound would have done. Exit codes: 0 none would have fired, 1 some "
            "would, 4 of some it is unknown.",
            "rollbackctl simulate --rules alerts.yml --since 30d --bound CanaryErrorRateHigh=0.003", cmd_simulate,
            .options =
                    OPTIONS(OPT("rules", "FILE", "a file of rules; others may follow", .needed = true),
                            OPT("since", "DURATION|TIME", "from when on: 30d"),
                            OPT("until", "DURATION|TIME", "until when: now"),
                            OPT("bound", "RULE=NUMBER", "what if the rule's bound were this; may stand several times"),
                            CONFIG)),
	ROW("check-config", NULL, "FILE|- …", "offline: is this config right; or what it would change",
            "Exit codes: 0 right, 1 not; with --against also 3 cannot reach.", "rollbackctl check-config rollbackd.yml",
            cmd_check_config,
            .options = OPTIONS(OPT("against", "URL",
                                   "what it changes in the plan of the rollbackd there, and what would begin anew")),
            .offline = true),
	ROW("check-web-config", NULL, "FILE|-", "offline: is this file of passwords right", NULL,
            "rollbackctl check-web-config web.yml", cmd_check_web_config, .offline = true),
	ROW("check-alert", NULL, "FILE|-", "offline: what would this webhook body do, and why", NULL,
            "rollbackctl check-alert --config rollbackd.yml body.json", cmd_check_alert,
            .options = OPTIONS(OPT("config", "FILE", "the config: rollbackd.yml", .also = "config.file")),
            .offline = true),
	{.name = NULL},
};
