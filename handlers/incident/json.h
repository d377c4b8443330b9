/*
 * An incident as JSON: the one place that writes it, for the API, the page, the channels' programs and the report.
 *
 * Reads through the connection it is given: a reading thread's, or the writer's own inside a transaction.
 */
#ifndef HANDLERS_INCIDENT_JSON_H
#define HANDLERS_INCIDENT_JSON_H

#include "db/incident.h"
#include "server/core/json.h"

enum incident_part {
	PART_ALERTS = 1,
	PART_STEPS = 2,
	PART_TIMELINE = 4,
	PART_SNAPSHOT = 8,
	PART_NOTIFICATIONS = 16,
	PART_ALL = 31,
	PART_FEW_ALERTS = 32,
	PART_MESSAGE = PART_ALERTS | PART_FEW_ALERTS | PART_STEPS, /* what a channel's program gets */
};

/* *ret is the caller's to put. At most 100 alerts with 1 MiB of texts (in a message 10
 * with 64 KiB), 500 timeline rows and 1 MiB of series are shown; counts and reasons tell of more. */
int incident_json(struct db_conn *c, const struct incident *inc, unsigned parts, struct json_object **ret);

#endif
