-: server/systemd.h server/reload.h handlers/api/api.h db/readers.h \
 db/db.h server/core/scope.h handlers/engine/engine.h server/core/loop.h \
 server/core/buf.h server/core/child.h handlers/plan/controller.h \
 handlers/gates/evaluation.h db/incident.h handlers/gates/criteria.h \
 handlers/checks/prom_query.h alertmanager/prometheus.h \
 server/core/json.h handlers/settings/settings.h alertmanager/arena.h \
 server/core/json_raw.h alertmanager/matcher.h server/core/text.h \
 handlers/settings/events.h handlers/settings/faults.h \
 handlers/gates/unheard.h handlers/plan/actions.h handlers/gates/gate.h \
 handlers/gates/rollout_state.h db/progress.h db/rollout.h \
 handlers/incident/kinds.h handlers/checks/verify.h \
 handlers/steps/percentage.h server/core/http_types.h \
 server/http/server.h server/http/private.h server/http/server.h \
 server/http/guard.h server/http/listen.h server/http/origin.h \
 server/http/origin.h server/http/listen.h server/http/guard.h \
 server/daemon.h server/config/load.h handlers/notify/options.h \
 server/auth/web_config.h server/auth/basic.h server/ctl/show_private.h \
 server/ctl/ctl.h server/ctl/local/offline.h server/ctl/local/local.h \
 handlers/engine/record.h db/step.h handlers/checks/preserve.h \
 handlers/incident/machine.h handlers/incident/announcements.h \
 server/ctl/doctor/doctor.h alertmanager/route_tree.h \
 alertmanager/rule_book.h alertmanager/promql.h server/ctl/ctl.h \
 server/core/thread.h server/core/text.h server/core/scope.h \
 server/core/sampling.h server/core/metrics.h server/core/loop_private.h \
 server/core/loop.h server/core/log.h server/core/json_reader.h \
 server/core/json_raw.h server/core/json.h server/core/http_types.h \
 server/core/http_reply.h server/core/headtail.h server/core/failpoint.h \
 server/core/cron.h server/core/clock.h server/core/child.h \
 server/core/buf.h server/core/answer.h server/config/yaml_any.h \
 server/config/rules.h server/config/load.h server/auth/web_config.h \
 server/auth/throttle.h server/auth/roles.h server/auth/memory.h \
 server/auth/basic.h server/auth/authenticate.h \
 handlers/steps/runner_private.h handlers/steps/command.h \
 handlers/steps/runner.h handlers/steps/runner.h \
 handlers/steps/reads_file.h handlers/steps/percentage.h \
 handlers/steps/names.h handlers/steps/http_step.h \
 handlers/steps/flags_writer.h handlers/steps/flags_file.h \
 handlers/steps/flags_private.h handlers/steps/flags_file_private.h \
 handlers/steps/flags_file.h handlers/steps/command.h \
 handlers/settings/yaml.h handlers/settings/snapshot.h db/config.h \
 handlers/settings/settings.h handlers/settings/read.h \
 handlers/settings/keys.h handlers/settings/yaml.h \
 handlers/settings/keys.h handlers/settings/faults.h \
 handlers/settings/events.h handlers/settings/current.h \
 handlers/plan/report_private.h handlers/incident/sla.h \
 server/core/metrics.h handlers/plan/report.h handlers/plan/report.h \
 handlers/plan/reconcile.h handlers/plan/percentage_sync.h \
 handlers/plan/json.h handlers/plan/flags_watch.h \
 handlers/plan/evaluate.h handlers/plan/controller.h \
 handlers/plan/actions_private.h handlers/incident/open.h db/alert.h \
 handlers/plan/actions.h handlers/offline/journal.h \
 handlers/offline/import.h handlers/notify/programs.h \
 handlers/notify/program.h server/core/clock.h handlers/notify/options.h \
 handlers/notify/notify.h handlers/notify/late.h handlers/notify/input.h \
 db/outbox.h handlers/notify/delivery.h handlers/incident/text.h \
 handlers/incident/over.h handlers/incident/sla.h \
 handlers/incident/report.h handlers/incident/repeats.h \
 handlers/incident/intake.h alertmanager/payload.h \
 handlers/incident/over.h handlers/incident/open.h \
 handlers/incident/move.h handlers/incident/machine.h \
 handlers/incident/kinds.h handlers/incident/json.h \
 handlers/incident/intake_private.h handlers/incident/intake.h \
 handlers/incident/episode.h handlers/incident/drill.h \
 handlers/incident/text.h handlers/incident/announcements.h \
 handlers/incident/announce.h handlers/incident/actions.h \
 handlers/gates/unheard.h handlers/gates/success.h \
 handlers/gates/stage_clock.h handlers/gates/rollout_state.h \
 handlers/gates/plan_diff.h handlers/gates/gate.h \
 handlers/gates/forecast.h handlers/gates/evaluation.h \
 handlers/gates/criteria.h handlers/gates/checklist.h \
 handlers/gates/approvals.h handlers/engine/round.h \
 handlers/engine/next.h handlers/engine/retry.h \
 handlers/engine/retention.h handlers/engine/rehearsal.h \
 handlers/engine/record_private.h handlers/engine/round.h \
 handlers/engine/record.h handlers/engine/next.h \
 handlers/engine/file_first.h handlers/engine/engine_private.h \
 handlers/engine/engine.h handlers/compare/statistics.h \
 handlers/compare/run.h handlers/compare/data.h handlers/compare/data.h \
 handlers/compare/compare.h handlers/compare/statistics.h \
 handlers/checks/verify.h handlers/checks/prom_query.h \
 handlers/checks/preserve.h handlers/checks/onset.h \
 handlers/checks/activity.h handlers/api/job.h handlers/api/background.h \
 handlers/api/flags.h handlers/api/events.h handlers/api/background.h \
 handlers/api/api.h db/step.h db/state_dir.h db/sqlite_log.h db/sqlite.h \
 db/sql.h db/columns.h db/search.h db/rollout.h db/retention.h \
 db/readers.h db/query.h db/sql.h db/progress.h db/private.h \
 db/state_dir.h db/outbox.h db/incident.h db/event.h db/engine.h \
 db/private.h db/query.h db/deadlines.h db/db.h db/config.h db/columns.h \
 db/alert.h alertmanager/truncate.h alertmanager/rule_book.h \
 alertmanager/route_tree.h alertmanager/re2_private.h alertmanager/re2.h \
 alertmanager/re2.h alertmanager/quote.h alertmanager/promql.h \
 alertmanager/prometheus.h alertmanager/payload_private.h \
 server/core/json_reader.h alertmanager/payload.h alertmanager/matcher.h \
 alertmanager/arena.h alertmanager/alerts_api.h
server/reload.h:
handlers/api/api.h:
db/readers.h:
db/db.h:
server/core/scope.h:
handlers/engine/engine.h:
server/core/loop.h:
server/core/buf.h:
server/core/child.h:
handlers/plan/controller.h:
handlers/gates/evaluation.h:
db/incident.h:
handlers/gates/criteria.h:
handlers/checks/prom_query.h:
alertmanager/prometheus.h:
server/core/json.h:
handlers/settings/settings.h:
alertmanager/arena.h:
server/core/json_raw.h:
alertmanager/matcher.h:
server/core/text.h:
handlers/settings/events.h:
handlers/settings/faults.h:
handlers/gates/unheard.h:
handlers/plan/actions.h:
handlers/gates/gate.h:
handlers/gates/rollout_state.h:
db/progress.h:
db/rollout.h:
handlers/incident/kinds.h:
handlers/checks/verify.h:
handlers/steps/percentage.h:
server/core/http_types.h:
server/http/server.h:
server/http/private.h:
server/http/server.h:
server/http/guard.h:
server/http/listen.h:
server/http/origin.h:
server/http/origin.h:
server/http/listen.h:
server/http/guard.h:
server/daemon.h:
server/config/load.h:
handlers/notify/options.h:
server/auth/web_config.h:
server/auth/basic.h:
server/ctl/show_private.h:
server/ctl/ctl.h:
server/ctl/local/offline.h:
server/ctl/local/local.h:
handlers/engine/record.h:
db/step.h:
handlers/checks/preserve.h:
handlers/incident/machine.h:
handlers/incident/announcements.h:
server/ctl/doctor/doctor.h:
alertmanager/route_tree.h:
alertmanager/rule_book.h:
alertmanager/promql.h:
server/ctl/ctl.h:
server/core/thread.h:
server/core/text.h:
server/core/scope.h:
server/core/sampling.h:
server/core/metrics.h:
server/core/loop_private.h:
server/core/loop.h:
server/core/log.h:
server/core/json_reader.h:
server/core/json_raw.h:
server/core/json.h:
server/core/http_types.h:
server/core/http_reply.h:
server/core/headtail.h:
server/core/failpoint.h:
server/core/cron.h:
server/core/clock.h:
server/core/child.h:
server/core/buf.h:
server/core/answer.h:
server/config/yaml_any.h:
server/config/rules.h:
server/config/load.h:
server/auth/web_config.h:
server/auth/throttle.h:
server/auth/roles.h:
server/auth/memory.h:
server/auth/basic.h:
server/auth/authenticate.h:
handlers/steps/runner_private.h:
handlers/steps/command.h:
handlers/steps/runner.h:
handlers/steps/runner.h:
handlers/steps/reads_file.h:
handlers/steps/percentage.h:
handlers/steps/names.h:
handlers/steps/http_step.h:
handlers/steps/flags_writer.h:
handlers/steps/flags_file.h:
handlers/steps/flags_private.h:
handlers/steps/flags_file_private.h:
handlers/steps/flags_file.h:
handlers/steps/command.h:
handlers/settings/yaml.h:
handlers/settings/snapshot.h:
db/config.h:
handlers/settings/settings.h:
handlers/settings/read.h:
handlers/settings/keys.h:
handlers/settings/yaml.h:
handlers/settings/keys.h:
handlers/settings/faults.h:
handlers/settings/events.h:
handlers/settings/current.h:
handlers/plan/report_private.h:
handlers/incident/sla.h:
server/core/metrics.h:
handlers/plan/report.h:
handlers/plan/report.h:
handlers/plan/reconcile.h:
handlers/plan/percentage_sync.h:
handlers/plan/json.h:
handlers/plan/flags_watch.h:
handlers/plan/evaluate.h:
handlers/plan/controller.h:
handlers/plan/actions_private.h:
handlers/incident/open.h:
db/alert.h:
handlers/plan/actions.h:
handlers/offline/journal.h:
handlers/offline/import.h:
handlers/notify/programs.h:
handlers/notify/program.h:
server/core/clock.h:
handlers/notify/options.h:
handlers/notify/notify.h:
handlers/notify/late.h:
handlers/notify/input.h:
db/outbox.h:
handlers/notify/delivery.h:
handlers/incident/text.h:
handlers/incident/over.h:
handlers/incident/sla.h:
handlers/incident/report.h:
handlers/incident/repeats.h:
handlers/incident/intake.h:
alertmanager/payload.h:
handlers/incident/over.h:
handlers/incident/open.h:
handlers/incident/move.h:
handlers/incident/machine.h:
handlers/incident/kinds.h:
handlers/incident/json.h:
handlers/incident/intake_private.h:
handlers/incident/intake.h:
handlers/incident/episode.h:
handlers/incident/drill.h:
handlers/incident/text.h:
handlers/incident/announcements.h:
handlers/incident/announce.h:
handlers/incident/actions.h:
handlers/gates/unheard.h:
handlers/gates/success.h:
handlers/gates/stage_clock.h:
handlers/gates/rollout_state.h:
handlers/gates/plan_diff.h:
handlers/gates/gate.h:
handlers/gates/forecast.h:
handlers/gates/evaluation.h:
handlers/gates/criteria.h:
handlers/gates/checklist.h:
handlers/gates/approvals.h:
handlers/engine/round.h:
handlers/engine/next.h:
handlers/engine/retry.h:
handlers/engine/retention.h:
handlers/engine/rehearsal.h:
handlers/engine/record_private.h:
handlers/engine/round.h:
handlers/engine/record.h:
handlers/engine/next.h:
handlers/engine/file_first.h:
handlers/engine/engine_private.h:
handlers/engine/engine.h:
handlers/compare/statistics.h:
handlers/compare/run.h:
handlers/compare/data.h:
handlers/compare/data.h:
handlers/compare/compare.h:
handlers/compare/statistics.h:
handlers/checks/verify.h:
handlers/checks/prom_query.h:
handlers/checks/preserve.h:
handlers/checks/onset.h:
handlers/checks/activity.h:
handlers/api/job.h:
handlers/api/background.h:
handlers/api/flags.h:
handlers/api/events.h:
handlers/api/background.h:
handlers/api/api.h:
db/step.h:
db/state_dir.h:
db/sqlite_log.h:
db/sqlite.h:
db/sql.h:
db/columns.h:
db/search.h:
db/rollout.h:
db/retention.h:
db/readers.h:
db/query.h:
db/sql.h:
db/progress.h:
db/private.h:
db/state_dir.h:
db/outbox.h:
db/incident.h:
db/event.h:
db/engine.h:
db/private.h:
db/query.h:
db/deadlines.h:
db/db.h:
db/config.h:
db/columns.h:
db/alert.h:
alertmanager/truncate.h:
alertmanager/rule_book.h:
alertmanager/route_tree.h:
alertmanager/re2_private.h:
alertmanager/re2.h:
alertmanager/re2.h:
alertmanager/quote.h:
alertmanager/promql.h:
alertmanager/prometheus.h:
alertmanager/payload_private.h:
server/core/json_reader.h:
alertmanager/payload.h:
alertmanager/matcher.h:
alertmanager/arena.h:
alertmanager/alerts_api.h:
