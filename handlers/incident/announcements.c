#include "handlers/incident/announcements.h"

#include <assert.h>
#include <stddef.h>

#include "handlers/incident/kinds.h"

#define LOUD (EVENT_INCIDENT | EVENT_PAGE)

/* In the words of a rollback, a drill, a stage, a flag; each has some of its own, or none. */
static const struct announcement rows[ANNOUNCE_N][TEXTS_N] = {
	[ANNOUNCE_OPENED] = {{"opened", EVENT_INCIDENT}},
	[ANNOUNCE_PENDING] = {{"pending", LOUD}},
	[ANNOUNCE_STARTED] = {{"rollback_started", LOUD}, {"drill_started", LOUD}},
	[ANNOUNCE_ROLLED_BACK] = {{"rolled_back", LOUD},
                                  {"drill_passed", LOUD},
                                  {"stage_entered", EVENT_STAGE},
                                  {"flag_set", EVENT_PLAN}},
	[ANNOUNCE_ROLLED_BACK_LATE] = {[TEXTS_ROLLBACK] = {"rolled_back_late", LOUD},
                                       [TEXTS_STAGE] = {"stage_entered", EVENT_STAGE | EVENT_PAGE},
                                       [TEXTS_FLAG] = {"flag_set", EVENT_PLAN | EVENT_PAGE}},
	[ANNOUNCE_FAILED] = {{"failed", LOUD},
                             {"drill_failed", LOUD},
                             {"stage_not_verified", EVENT_STAGE | EVENT_PAGE},
                             {"flag_not_verified", EVENT_PLAN | EVENT_PAGE}},
	[ANNOUNCE_HELD] = {{"held", EVENT_INCIDENT}},
	[ANNOUNCE_CANCELLED] =
		{{"cancelled", EVENT_INCIDENT}, {"drill_called_off", LOUD}, [TEXTS_FLAG] = {"flag_set", EVENT_PLAN}},
	[ANNOUNCE_COUNTDOWN_OVER] = {{"cancelled", LOUD}},
	[ANNOUNCE_RESOLVED] = {{"resolved", EVENT_INCIDENT}},
	/* the all-clear of "failed" */
	[ANNOUNCE_ENDED_BY_HAND] = {{"resolved", LOUD},
                                    {"drill_ended", LOUD},
                                    {"stage_given_up", EVENT_STAGE | EVENT_PAGE},
                                    {"flag_given_up", EVENT_PLAN | EVENT_PAGE}},
	[ANNOUNCE_ACKNOWLEDGED] = {{"acknowledged", EVENT_INCIDENT}},
	[ANNOUNCE_ETA] = {{"eta", EVENT_INCIDENT}},
	[ANNOUNCE_ETA_PASSED] = {{"eta_passed", EVENT_INCIDENT}},
	[ANNOUNCE_ESCALATED] = {{"escalated", LOUD}},
	[ANNOUNCE_COUNTDOWN] = {{"countdown", EVENT_INCIDENT}},
	[ANNOUNCE_LAST_CALL] = {{"countdown", LOUD}},
	[ANNOUNCE_EXTENDED] = {{"extended", LOUD}},

	[ANNOUNCE_FLAGS_UNKNOWN] = {{"flags_unknown", EVENT_PAGE}},
	[ANNOUNCE_IN_DOUBT] = {{"in_doubt", EVENT_PAGE}},
	[ANNOUNCE_FOLLOWUP_FAILED] = {{"then_failed", EVENT_PAGE}},
	[ANNOUNCE_WAITS_FOR_APPROVAL] = {{"waits_for_approval", EVENT_PAGE}},
	[ANNOUNCE_THERE_UNKNOWN] = {{"there_unknown", EVENT_PAGE}},
	[ANNOUNCE_GOES_ON_WAITING] = {{"goes_on_waiting", EVENT_INCIDENT}},
	[ANNOUNCE_CURED] = {{"cured", EVENT_INCIDENT}},
	[ANNOUNCE_NOT_CURED] = {{"not_cured", LOUD}},
	[ANNOUNCE_OFFLINE] = {{"rolled_back_offline", EVENT_INCIDENT}},
	[ANNOUNCE_OFFLINE_UNVERIFIED] = {{"rolled_back_offline", LOUD}},

	[ANNOUNCE_UNCLAIMED] = {{"unclaimed_trigger", EVENT_PAGE}},
	[ANNOUNCE_REJECTED] = {{"rejected_alert", EVENT_PAGE}},
	[ANNOUNCE_CUT] = {{"alerts_cut_off", EVENT_PAGE}},
	[ANNOUNCE_TOO_MANY] = {{"too_many_alerts", EVENT_PAGE}},
	[ANNOUNCE_DATASOURCE] = {{"datasource_blind", EVENT_PAGE}},
	[ANNOUNCE_REFUSED] = {{"webhook_refused", EVENT_PAGE}},

	[ANNOUNCE_APPROVED] = {{"approved", EVENT_PLAN}},
	[ANNOUNCE_APPROVAL_VOID] = {{"approval_void", EVENT_PLAN}},
	[ANNOUNCE_CERTIFIED] = {{"certified", EVENT_PLAN}},
	[ANNOUNCE_FORCE_WAITS] = {{"force_waits", EVENT_PLAN}},
	[ANNOUNCE_TICKED] = {{"ticked", EVENT_PLAN}},
	[ANNOUNCE_EVIDENCE] = {{"evidence", EVENT_PLAN}},
	[ANNOUNCE_DONE] = {{"done", EVENT_PLAN}},
	[ANNOUNCE_STAGE_HELD] = {{"held", EVENT_PLAN}},
	[ANNOUNCE_RESUMED] = {{"resumed", EVENT_PLAN}},
	[ANNOUNCE_FROZEN] = {{"frozen", EVENT_PLAN}},
	[ANNOUNCE_STAGE_SET] = {{"stage_set", EVENT_STAGE}},
	[ANNOUNCE_RELEASE_NOTES] = {{"release_notes", EVENT_PLAN}},
	[ANNOUNCE_PLAN_CHANGED] = {{"plan_changed", EVENT_PLAN}},
	[ANNOUNCE_OVERDUE] = {{"overdue", EVENT_PLAN}},
	[ANNOUNCE_MILESTONE] = {{"milestone", EVENT_PLAN}},

	[ANNOUNCE_BLIND] = {{"blind", EVENT_PAGE}},
	[ANNOUNCE_SEES_AGAIN] = {{"sees_again", EVENT_PAGE}},
	[ANNOUNCE_UNHEARD] = {{"unheard_trigger", EVENT_PAGE}},
	[ANNOUNCE_HEARD] = {{"heard", EVENT_PAGE}},
	[ANNOUNCE_ABOVE] = {{"above", EVENT_ROLLOUT}},
	[ANNOUNCE_ABOVE_AFTER_ROLLBACK] = {{"above", EVENT_ROLLOUT | EVENT_PAGE}},
	[ANNOUNCE_STILL_ABOVE] = {{"still_above", EVENT_ROLLOUT}}, /* who ended it knew, and said why */
	[ANNOUNCE_NOT_ABOVE] = {{"not_above", EVENT_ROLLOUT}},
	[ANNOUNCE_NOT_ABOVE_AFTER_ROLLBACK] = {{"not_above", EVENT_ROLLOUT | EVENT_PAGE}},
	[ANNOUNCE_CHANGED_OUTSIDE] = {{"changed_outside", EVENT_ROLLOUT}},
	[ANNOUNCE_CHANGED_OUTSIDE_ABOVE] = {{"changed_outside", EVENT_ROLLOUT | EVENT_PAGE}},
	[ANNOUNCE_FLAGS_CHANGED] = {{"flags_changed", EVENT_ROLLOUT}},
	[ANNOUNCE_FLAG_SET] = {{"flag_set", EVENT_PLAN}},
	[ANNOUNCE_FLAGS_UNUSABLE] = {{"flags_unusable", EVENT_PAGE}},
	[ANNOUNCE_FLAGS_USABLE] = {{"flags_usable", EVENT_PAGE}},
	[ANNOUNCE_FALLBACK_NOT_READY] = {{"fallback_not_ready", EVENT_ROLLOUT}},
	[ANNOUNCE_FALLBACK_NOT_READY_ABOVE] = {{"fallback_not_ready", EVENT_ROLLOUT | EVENT_PAGE}},
	[ANNOUNCE_FALLBACK_READY] = {{"fallback_ready", EVENT_ROLLOUT}},
	[ANNOUNCE_FALLBACK_READY_ABOVE] = {{"fallback_ready", EVENT_ROLLOUT | EVENT_PAGE}},
	[ANNOUNCE_SCHEDULED_DRILL_FAILED] = {{"scheduled_drill_failed", EVENT_ROLLOUT | EVENT_PAGE}},
};

const struct announcement *announcement_of(enum incident_kind kind, enum announcement_id id)
{
	assert(id <= ANNOUNCE_INCIDENT_LAST);
	const struct announcement *a = &rows[id][kind_get(kind)->texts];

	return a->what ? a : NULL;
}

const struct announcement *announcement_get(enum announcement_id id)
{
	assert(id > ANNOUNCE_INCIDENT_LAST && id < ANNOUNCE_N);
	return &rows[id][TEXTS_ROLLBACK];
}
