#include "server/auth/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

bool auth_is_remembered(struct auth_memory *m, const char *mac, int64_t now_us)
{
	assert(mac[0] && now_us > 0);
	for (size_t i = 0; i < AUTH_VERDICTS_MAX; i++)
		if (!strcmp(m->verdicts[i].mac, mac)) {
			m->verdicts[i].used_us = now_us;
			return true;
		}
	return false;
}

void auth_remember(struct auth_memory *m, const char *mac, const char *user, const char *hash, int64_t now_us)
{
	struct auth_verdict *v = &m->verdicts[0];

	assert(mac[0] && hash[0] && now_us > 0);
	for (size_t i = 1; i < AUTH_VERDICTS_MAX; i++)
		if (m->verdicts[i].used_us < v->used_us)
			v = &m->verdicts[i];
	v->used_us = now_us;
	snprintf(v->mac, sizeof(v->mac), "%s", mac);
	snprintf(v->fits.name, sizeof(v->fits.name), "%s", user);
	snprintf(v->fits.hash, sizeof(v->fits.hash), "%s", hash);
}

void auth_forget_changed(struct auth_memory *m, const struct web_config *passwords)
{
	for (size_t i = 0; i < AUTH_VERDICTS_MAX; i++) {
		struct auth_verdict *v = &m->verdicts[i];
		const char *hash = passwords && v->mac[0] ? web_config_hash(passwords, v->fits.name) : NULL;

		if (!hash || strcmp(hash, v->fits.hash) != 0)
			*v = (struct auth_verdict) {0};
	}
	memset(m->names, 0, sizeof(m->names));
}

const char *auth_name_of(const struct auth_memory *m, int64_t uid, int64_t now_us)
{
	assert(uid >= 0);
	for (size_t i = 0; i < AUTH_NAMES_MAX; i++)
		if (m->names[i].at_us && m->names[i].uid == uid && now_us - m->names[i].at_us < AUTH_NAME_US)
			return m->names[i].name;
	return NULL;
}

void auth_keep_name(struct auth_memory *m, int64_t uid, const char *name, int64_t now_us)
{
	struct auth_name *n = &m->names[0];

	assert(uid >= 0 && now_us > 0);
	for (size_t i = 1; i < AUTH_NAMES_MAX; i++)
		if (m->names[i].at_us < n->at_us)
			n = &m->names[i];
	n->uid = uid;
	n->at_us = now_us;
	snprintf(n->name, sizeof(n->name), "%s", name);
}
