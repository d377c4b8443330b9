/*
 * Event classes: what a message is about, and the words by which channels ask for it. One table. Pure; any thread.
 */
#ifndef HANDLERS_SETTINGS_EVENTS_H
#define HANDLERS_SETTINGS_EVENTS_H

/* Bits: a message may be of several classes. */
enum event_class {
	EVENT_INCIDENT = 1,
	EVENT_PAGE = 2,  /* what must wake someone, and the all-clear of what it paged */
	EVENT_STAGE = 4, /* transitions */
	EVENT_PLAN = 8,  /* checkmarks, approvals, milestones, reminders */
	EVENT_ROLLOUT = EVENT_STAGE | EVENT_PLAN,
	EVENT_REPORT_DAILY = 16,
	EVENT_REPORT_WEEKLY = 32,
	EVENT_REPORT_FINAL = 64,
	EVENT_REPORT = EVENT_REPORT_DAILY | EVENT_REPORT_WEEKLY | EVENT_REPORT_FINAL,
	EVENT_ALL = EVENT_INCIDENT | EVENT_PAGE | EVENT_ROLLOUT | EVENT_REPORT,
};

/* What a word in a channel's events asks for; 0: it is none. */
unsigned event_bits(const char *word);
/* The class under which a channel that asked for heard takes a message of the classes said; NULL: it does not. */
const char *event_heard(unsigned said, unsigned heard);
/* Of a report, by its name; all of them for a name that is none. */
unsigned event_of_report(const char *name);

#endif
