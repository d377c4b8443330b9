/*
 * Somebody else's YAML, as Prometheus and Alertmanager show their configs: read without a table of keys.
 */
#ifndef SERVER_CONFIG_YAML_ANY_H
#define SERVER_CONFIG_YAML_ANY_H

#include "server/core/json.h"

/* One document as objects, arrays and strings: every scalar is a string, a key with nothing behind it "". 0, or -EINVAL
 * with one sentence in why (>= 200). Caller puts *ret. Bounded like our own config: 32 deep, and no more than 200,000
 * values. */
int config_yaml_any(const char *text, size_t len, struct json_object **ret, char *why, size_t why_size) MUST_CHECK;

#endif
