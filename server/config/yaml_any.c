#include "server/config/yaml_any.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "handlers/settings/yaml.h"

#define NODES_MAX 200000 /* visited, aliases each time */
#define DEPTH_MAX 40     /* an alias may lead back into what it stands in */

struct reading {
	yaml_document_t *doc;
	struct json_object *tree;
	size_t visited, depth;
};

static struct json_object *read_node(struct reading *g, yaml_node_t *n);

static struct json_object *read_list(struct reading *g, const yaml_node_t *n)
{
	assert(n->type == YAML_SEQUENCE_NODE);
	struct json_object *arr = json_object_new_array();

	for (yaml_node_item_t *it = n->data.sequence.items.start; it < n->data.sequence.items.top; it++)
		json_object_array_add(arr, read_node(g, yaml_document_get_node(g->doc, *it)));
	return arr;
}

static struct json_object *read_mapping(struct reading *g, const yaml_node_t *n)
{
	assert(n->type == YAML_MAPPING_NODE);
	struct json_object *o = json_object_new_object();

	for (yaml_node_pair_t *it = n->data.mapping.pairs.start; it < n->data.mapping.pairs.top; it++) {
		const yaml_node_t *key = yaml_document_get_node(g->doc, it->key);

		if (key && key->type == YAML_SCALAR_NODE)
			json_add(o, (const char *)key->data.scalar.value,
			         read_node(g, yaml_document_get_node(g->doc, it->value)));
	}
	return o;
}

static struct json_object *read_node(struct reading *g, yaml_node_t *n)
{
	struct json_object *o = NULL;

	if (!n || ++g->visited > NODES_MAX || g->depth > DEPTH_MAX)
		return json_object_new_string("");
	g->depth++;
	if (n->type == YAML_SEQUENCE_NODE)
		o = read_list(g, n);
	else if (n->type == YAML_MAPPING_NODE)
		o = read_mapping(g, n);
	else
		o = json_object_new_string((const char *)n->data.scalar.value);
	g->depth--;
	return o;
}

static bool read_document(const struct config_reader *r, void *arg)
{
	struct reading *g = arg;

	g->doc = r->doc;
	g->tree = read_node(g, yaml_document_get_root_node(r->doc));
	if (g->visited > NODES_MAX)
		config_fault(r, 0, "", "more than %d values", NODES_MAX);
	return true;
}

int config_yaml_any(const char *text, size_t len, struct json_object **ret, char *why, size_t why_size)
{
	assert((text || len == 0) && ret && why && why_size > 0);
	struct config_faults faults = {0};
	struct config_reader r = {.file = "config", .faults = &faults};
	struct reading g = {0};

	config_document(&r, text, len, read_document, &g);
	int bad = faults.n > 0 || !json_object_is_type(g.tree, json_type_object) ? -EINVAL : 0;
	if (bad < 0)
		snprintf(why, why_size, "%s", faults.n ? faults.line[0] : "it is no YAML mapping");
	config_faults_free(&faults);
	if (bad < 0)
		json_object_put(g.tree);
	else
		*ret = g.tree;
	return bad;
}
