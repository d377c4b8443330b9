/*
 * The incident report: what happened, in Markdown, for the review. The connection's thread.
 */
#ifndef HANDLERS_INCIDENT_REPORT_H
#define HANDLERS_INCIDENT_REPORT_H

#include "db/incident.h"
#include "server/core/buf.h"

#define INCIDENT_REPORT_MAX (512 * 1024)

/* Appends the report. A text that reached its limit ends where it is. */
int incident_report(struct db_conn *c, const struct incident *inc, struct buf *b);

#endif
