/*
 * The daemon's own counters, gauges and histograms: one table (metrics.c), one atomic per series.
 *
 * Any thread. Series whose labels are config or database values (rollout, channel) are written by
 * collectors at scrape time through metrics_family/metrics_sample, so nothing is registered at run time.
 */
#ifndef SERVER_CORE_METRICS_H
#define SERVER_CORE_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include "server/core/buf.h"

/* X(id, name, type, help, label, "value\0value\0"): one series per label value, in that order; label NULL: one series.
 */
#define METRICS(X)                                                                                                     \
	X(M_WEBHOOKS, "rollbackd_webhook_requests_total", "counter", "Webhook requests by result.", "result",          \
	  "accepted\0invalid\0too_large\0unavailable\0")                                                               \
	X(M_ALERTS, "rollbackd_alerts_total", "counter", "Alerts by what was done with them.", "disposition",          \
	  "rollback_started\0pending\0held\0attached\0already_there\0duplicate\0resolved\0stale\0heartbeat\0no_"       \
	  "match\0"                                                                                                    \
	  "rejected\0")                                                                                                \
	X(M_TRUNCATED, "rollbackd_alerts_truncated_total", "counter",                                                  \
	  "Alerts that Alertmanager cut off from a webhook (max_alerts): a trigger may be among them.", NULL, "")      \
	X(M_INCIDENTS, "rollbackd_incident_transitions_total", "counter", "Incidents that entered a state.", "state",  \
	  "pending\0rolling_back\0verifying\0rolled_back\0failed\0held\0cancelled\0resolved\0")                        \
	X(M_STEPS, "rollbackd_steps_total", "counter", "Rollback steps by outcome.", "outcome",                        \
	  "done\0failed\0in_doubt\0skipped\0")                                                                         \
	X(M_SLA_BREACHES, "rollbackd_sla_breaches_total", "counter",                                                   \
	  "Rollbacks that took longer in a phase than its budget.", "phase",                                           \
	  "detection\0decision\0execution\0verification\0total\0")                                                     \
	X(M_NOTIFICATIONS, "rollbackd_notifications_total", "counter", "Sendings of messages by result.", "result",    \
	  "sent\0retried\0undeliverable\0dropped\0")                                                                   \
	X(M_MESSAGE_PROGRAM_FAILURES, "rollbackd_message_program_failures_total", "counter",                           \
	  "Messages sent as built-in plain text because the channel's jq program failed.", NULL, "")                   \
	X(M_RELOADS_OK, "rollbackd_config_last_reload_successful", "gauge",                                            \
	  "1 if the last reload of the config worked.", NULL, "")                                                      \
	X(M_RELOAD_TIME, "rollbackd_config_last_reload_success_timestamp_seconds", "gauge",                            \
	  "When the config in use was loaded.", NULL, "")                                                              \
	X(M_HEARTBEAT_TIME, "rollbackd_heartbeat_last_timestamp_seconds", "gauge",                                     \
	  "When the always-firing alert last came; 0: never.", NULL, "")                                               \
	X(M_COMMITS, "rollbackd_db_commits_total", "counter", "Transactions committed.", NULL, "")                     \
	X(M_COMMIT_FAILURES, "rollbackd_db_commit_failures_total", "counter", "Transactions that failed.", NULL, "")   \
	X(M_JOBS, "rollbackd_db_jobs_total", "counter", "Jobs in committed transactions.", NULL, "")                   \
	X(M_QUEUE_FULL, "rollbackd_db_queue_full_total", "counter", "Jobs refused because the queue was full.", NULL,  \
	  "")                                                                                                          \
	X(M_READS, "rollbackd_db_reads_total", "counter",                                                              \
	  "Reads of the API by what became of them: refused are those that found the queue full or waited too long.",  \
	  "result", "done\0refused\0timeout\0")                                                                        \
	X(M_AUTH, "rollbackd_auth_requests_total", "counter", "Requests by how it was found out who asks.", "result",  \
	  "peer\0cached\0verified\0missing\0wrong\0busy\0session\0proxy\0")                                            \
	X(M_STREAMS, "rollbackd_http_streams", "gauge", "Streams of events that are open.", NULL, "")                  \
	X(M_LOG_DROPPED, "rollbackd_log_dropped_lines_total", "counter", "Log lines dropped because stderr was full.", \
	  NULL, "")

#define METRIC_ENUM(id, name, type, help, label, values) id,
enum metric { METRICS(METRIC_ENUM) M_N };

/* index: position of the label value in the table (enum values of the owner follow the same order); 0 without label. */
void metric_add(enum metric m, unsigned index, uint64_t n);
void metric_set(enum metric m, unsigned index, int64_t v);
uint64_t metric_get(enum metric m, unsigned index);

/* Rollback phases (seconds), buckets 0.1 … 1800: detection, decision, execution, verification, total. */
enum metric_phase { PHASE_DETECTION, PHASE_DECISION, PHASE_EXECUTION, PHASE_VERIFICATION, PHASE_TOTAL, PHASE_N };
void metric_phase(enum metric_phase phase, double seconds);
const char *metric_phase_name(enum metric_phase phase);

/* Text exposition format 0.0.4 of everything above, then process_* (proc(5)) and rollbackd_build_info. */
int metrics_write(struct buf *b, const char *version);
/* For collectors: HELP and TYPE lines of a family, then its samples; label values are escaped.
 * labels: name, value, …, NULL. */
int metrics_family(struct buf *b, const char *name, const char *type, const char *help);
int metrics_sample(struct buf *b, const char *name, double value, ...) __attribute__((sentinel));

#endif
