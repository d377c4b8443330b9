#include "server/auth/web_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "server/auth/basic.h"
#include "handlers/settings/yaml.h"
#include "server/config/load.h"
#include "server/core/buf.h"
#include "server/core/http_types.h"
#include "server/core/text.h"

#define COST_MAX  14 /* more than a second for each guess, of the daemon's time too */
#define SHOWN_MAX 60

/* "key:" with nothing behind it. */
static bool is_nothing(const yaml_node_t *n)
{
	return n->type == YAML_SCALAR_NODE && n->data.scalar.length == 0;
}

/* --- users --- */

static const char *wrong_name(const char *name)
{
	if (!name || !name[0])
		return "a user's name must be a text";
	if (strlen(name) >= HTTP_USER_MAX)
		return "a user's name has at most 63 bytes";
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == ':')
			return "a user's name contains neither a colon nor control characters";
	return strcmp(name, "local") != 0 ? NULL
	                                  : "local stands for whoever asks without a password: choose another name";
}

/* What is no hash may be the password: it is never shown. */
static const char *wrong_hash(const char *hash)
{
	int cost = hash ? bcrypt_cost(hash) : -EINVAL;

	if (cost < 0)
		return "this is no bcrypt hash, and is not shown; \"htpasswd -nBC 10 NAME\" makes one "
		       "($2y$10$ and 53 characters)";
	return cost <= COST_MAX ? NULL
	                        : "a bcrypt cost above 14 would hold up everybody who asks: make the hash "
	                          "with 10 to 12";
}

static void add_user(struct web_config *w, const char *name, const char *hash)
{
	struct web_user *u = &w->users[w->n++];

	snprintf(u->name, sizeof(u->name), "%s", name);
	snprintf(u->hash, sizeof(u->hash), "%s", hash);
}

static void read_user(const struct config_reader *r, const yaml_node_t *kn, const yaml_node_t *vn, struct web_config *w)
{
	const char *name = yaml_text(kn), *hash = yaml_text(vn), *why = wrong_name(name);

	if (!why && web_config_hash(w, name))
		why = "this user stands here twice; only one password can hold";
	if (why) {
		config_fault(r, yaml_line(kn), "basic_auth_users", "%s", why);
		return;
	}
	why = wrong_hash(hash);
	if (why)
		config_fault(r, yaml_line(vn), "basic_auth_users", "%s: %s", name, why);
	else if (w->n == WEB_USERS_MAX)
		config_fault(r, yaml_line(kn), "basic_auth_users", "more than %d users", WEB_USERS_MAX);
	else
		add_user(w, name, hash);
}

static void read_users(const struct config_reader *r, const yaml_node_t *n, struct web_config *w)
{
	if (n->type != YAML_MAPPING_NODE && !is_nothing(n)) {
		config_fault(r, yaml_line(n), "basic_auth_users",
		             "this must be users and the hashes of their passwords: \"name: $2y$10$...\"");
		return;
	}
	if (n->type == YAML_MAPPING_NODE)
		for (yaml_node_pair_t *it = n->data.mapping.pairs.start;
		     it < n->data.mapping.pairs.top && w->n <= WEB_USERS_MAX && r->faults->n < 100; it++)
			read_user(r, yaml_document_get_node(r->doc, it->key), yaml_document_get_node(r->doc, it->value),
			          w);
}

/* --- keys --- */

/* The keys of the format that stand for what is not here yet. */
static bool is_known_elsewhere(const char *key)
{
	static const char *const keys[] = {"tls_server_config", "http_server_config", "rate_limit"};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

static void unknown_key(const struct config_reader *r, size_t line, const char *key)
{
	CLEANUP(buf_free) struct buf shown = BUF(SHOWN_MAX);

	if (is_known_elsewhere(key)) {
		config_fault(r, line, key,
		             "not yet supported: take it out; TLS is the business of a proxy in front, for now");
		return;
	}
	text_one_line(&shown, key, strlen(key), SHOWN_MAX);
	config_fault(r, line, "", "unknown key \"%s\". Known here: basic_auth_users", buf_text(&shown));
}

struct reading {
	struct web_config *w;
	bool seen;
};

static void read_pair(const struct config_reader *r, const yaml_node_pair_t *it, struct reading *g)
{
	yaml_node_t *kn = yaml_document_get_node(r->doc, it->key);
	const char *key = yaml_text(kn);

	if (!key) {
		config_fault(r, yaml_line(kn), "", "a key must be a text");
	} else if (strcmp(key, "basic_auth_users") != 0) {
		unknown_key(r, yaml_line(kn), key);
	} else if (g->seen) {
		config_fault(r, yaml_line(kn), key, "this key stands here twice; only one can hold");
	} else {
		g->seen = true;
		read_users(r, yaml_document_get_node(r->doc, it->value), g->w);
	}
}

static bool read_document(const struct config_reader *r, void *reading)
{
	yaml_node_t *root = yaml_document_get_root_node(r->doc);

	if (root && root->type != YAML_MAPPING_NODE) {
		config_fault(r, yaml_line(root), "",
		             "this must be keys and values: \"basic_auth_users:\", then the users");
		return false;
	}
	if (root)
		for (yaml_node_pair_t *it = root->data.mapping.pairs.start;
		     it < root->data.mapping.pairs.top && r->faults->n < 100; it++)
			read_pair(r, it, reading);
	return true;
}

int web_config_load(const char *path, struct web_config **ret, struct config_faults *faults)
{
	CLEANUP(buf_free) struct buf text = BUF(CONFIG_FILE_MAX);
	const struct config_reader r = {.file = path, .faults = faults};
	struct reading g = {.w = calloc(1, sizeof(*g.w))};

	if (g.w)
		g.w->users = calloc(WEB_USERS_MAX, sizeof(*g.w->users));
	if (!g.w || !g.w->users) {
		web_config_free(g.w);
		config_fault(&r, 0, "", "out of memory");
		return -EINVAL;
	}
	if (config_text(&r, &text) == 0)
		config_document(&r, buf_text(&text), text.len, read_document, &g);
	if (!faults->n && !g.w->n)
		config_fault(&r, 0, "", "basic_auth_users is missing or empty: nobody could do anything");
	if (faults->n) {
		web_config_free(g.w);
		return -EINVAL;
	}
	*ret = g.w;
	return 0;
}

const char *web_config_hash(const struct web_config *w, const char *name)
{
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->users[i].name, name))
			return w->users[i].hash;
	return NULL;
}

void web_config_free(struct web_config *w)
{
	if (!w)
		return;
	free(w->users);
	free(w);
}
