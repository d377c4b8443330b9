#include "handlers/settings/yaml.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "server/core/buf.h"
#include "server/core/json.h"
#include "server/core/text.h"

#define DEPTH_MAX   32 /* the table of keys needs a third of it */
#define ANCHORS_MAX 1000

size_t yaml_line(const yaml_node_t *n)
{
	assert(n);
	return n->start_mark.line + 1;
}

const char *yaml_text(const yaml_node_t *n)
{
	assert(n);
	const char *v = (const char *)n->data.scalar.value;

	return n->type == YAML_SCALAR_NODE && strlen(v) == n->data.scalar.length ? v : NULL;
}

/* --- where something stands --- */

const char *config_path(char out[CONFIG_PATH_LEN], const char *fmt, ...)
{
	assert(out && fmt);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, CONFIG_PATH_LEN, fmt, ap);
	va_end(ap);
	return out;
}

/* The pair of that key; NULL: there is none. */
static const yaml_node_pair_t *pair_of(yaml_document_t *doc, const yaml_node_t *n, const char *key, size_t len)
{
	if (n->type != YAML_MAPPING_NODE)
		return NULL;
	for (const yaml_node_pair_t *it = n->data.mapping.pairs.start; it < n->data.mapping.pairs.top; it++) {
		const char *name = yaml_text(yaml_document_get_node(doc, it->key));

		if (name && strlen(name) == len && !memcmp(name, key, len))
			return it;
	}
	return NULL;
}

static yaml_node_t *item_of(yaml_document_t *doc, const yaml_node_t *n, size_t i)
{
	yaml_node_item_t *items = n->data.sequence.items.start;

	if (n->type != YAML_SEQUENCE_NODE || i >= (size_t)(n->data.sequence.items.top - items))
		return NULL;
	return yaml_document_get_node(doc, items[i]);
}

/* NULL: it is not there, and *ret_line is that of the innermost thing that is. */
static yaml_node_t *find(const struct config_reader *r, const char *path, size_t *ret_line)
{
	assert(r && r->doc && path && ret_line);
	yaml_node_t *n = yaml_document_get_root_node(r->doc);
	char *end;

	*ret_line = yaml_line(n);
	while (n && *path) {
		const yaml_node_pair_t *pair = NULL;
		size_t len = strcspn(path, ".[");

		if (*path == '[') {
			n = item_of(r->doc, n, strtoul(path + 1, &end, 10));
			path = *end ? end + 1 : end;
		} else {
			*ret_line = yaml_line(n);
			pair = pair_of(r->doc, n, path, len);
			n = pair ? yaml_document_get_node(r->doc, pair->value) : NULL;
			path += len;
		}
		path += *path == '.';
		if (n)
			*ret_line = yaml_line(pair ? yaml_document_get_node(r->doc, pair->key) : n);
	}
	return n;
}

bool config_has(const struct config_reader *r, const char *path)
{
	size_t line;

	return find(r, path, &line) != NULL;
}

size_t config_line(const struct config_reader *r, const char *path)
{
	size_t line;

	find(r, path, &line);
	return line;
}

const char *config_scalar(const struct config_reader *r, const char *path)
{
	size_t line;
	const yaml_node_t *n = find(r, path, &line);

	return n ? yaml_text(n) : NULL;
}

/* --- the file --- */

/* libyaml's reader knows the byte only, its other parts the line. */
static size_t line_of_problem(const yaml_parser_t *y, const char *text, size_t len)
{
	size_t line = 1;

	if (y->error != YAML_READER_ERROR)
		return y->problem_mark.line + 1;
	for (size_t i = 0; i < len && i < y->problem_offset; i++)
		line += text[i] == '\n';
	return line;
}

/* Where a line of the text begins; lines count from 1. */
static const char *text_of_line(const char *text, size_t line)
{
	assert(line > 0);
	while (--line > 0 && (text = strchr(text, '\n')))
		text++;
	return text ? text : "";
}

static size_t colons_in(const char *line)
{
	size_t n = 0;

	for (const char *end = line + strcspn(line, "\n"); line < end; line++)
		n += line[0] == ':' && (line[1] == ' ' || line + 1 == end);
	return n;
}

/* What people did when the parser says this: it names what it met, not what is wrong. */
static const char *cure(const char *problem, const char *line)
{
	const char *start = line + strspn(line, " ");

	if (start[0] == '\t' || strstr(problem, "tab character"))
		return "; a tab stands where the line is indented: YAML takes blanks only";
	if (strstr(problem, "mapping values are not allowed"))
		return colons_in(line) > 1
		               ? "; a second colon stands in this line: put the text between quotes, as in title: "
		                 "\"CST: Pipeline\""
		               : "; the line is indented further than those it belongs to, or the one before lacks "
		                 "something";
	if (strstr(problem, "did not find expected") || strstr(problem, "could not find expected"))
		return "; the line is indented otherwise than those it belongs to, or a quote or bracket before it is "
		       "not closed";
	return strstr(problem, "cannot start any token")
	               ? "; a text that begins with this character stands between quotes"
	               : "";
}

static void not_yaml(const struct config_reader *r, const yaml_parser_t *y, const char *text, size_t len)
{
	const char *problem = y->problem ? y->problem : "out of memory";
	size_t line = line_of_problem(y, text, len);
	const char *hint = y->error == YAML_READER_ERROR ? "" : cure(problem, text_of_line(text, line));

	if (y->context && y->context_mark.line + 1 < line)
		config_fault(r, line, "", "this is not YAML: %s, %s that begins in line %zu%s", problem, y->context,
		             y->context_mark.line + 1, hint);
	else
		config_fault(r, line, "", "this is not YAML: %s%s", problem, hint);
}

/* By how much an event nests deeper. */
static int deeper(yaml_event_type_t t)
{
	return (t == YAML_SEQUENCE_START_EVENT || t == YAML_MAPPING_START_EVENT) -
	       (t == YAML_SEQUENCE_END_EVENT || t == YAML_MAPPING_END_EVENT);
}

static bool has_anchor(const yaml_event_t *e)
{
	return (e->type == YAML_SCALAR_EVENT && e->data.scalar.anchor) ||
	       (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.anchor) ||
	       (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.anchor);
}

/* The time that libyaml takes grows with the square of the depth and of the number of anchors: minutes for a
 * file of nothing but brackets. So these are counted first; an error of syntax is left for the reading
 * proper. False: a fault was added. */
static bool is_readable(const struct config_reader *r, const char *text, size_t len)
{
	yaml_parser_t y;
	yaml_event_t e;
	int depth = 0, anchors = 0;
	bool end = false;

	if (!yaml_parser_initialize(&y))
		abort(); /* out of memory */
	yaml_parser_set_input_string(&y, (const unsigned char *)text, len);
	while (!end && yaml_parser_parse(&y, &e)) {
		depth += deeper(e.type);
		anchors += has_anchor(&e);
		if (depth > DEPTH_MAX || anchors > ANCHORS_MAX)
			config_fault(r, e.start_mark.line + 1, "", "no more than %d %s",
			             depth > DEPTH_MAX ? DEPTH_MAX : ANCHORS_MAX,
			             depth > DEPTH_MAX ? "sections and lists can stand inside each other"
			                               : "anchors (&name) can be set");
		end = e.type == YAML_STREAM_END_EVENT || depth > DEPTH_MAX || anchors > ANCHORS_MAX;
		yaml_event_delete(&e);
	}
	yaml_parser_delete(&y);
	return depth <= DEPTH_MAX && anchors <= ANCHORS_MAX;
}

/* libyaml would leave the rest of the file unread, and so unheard. */
static void refuse_more(const struct config_reader *r, yaml_parser_t *y, const char *text, size_t len)
{
	yaml_document_t doc;

	if (!yaml_parser_load(y, &doc)) {
		not_yaml(r, y, text, len);
		return;
	}
	if (yaml_document_get_root_node(&doc))
		config_fault(r, yaml_line(yaml_document_get_root_node(&doc)), "",
		             "a second document begins here: the config is one document, without a line ---");
	yaml_document_delete(&doc);
}

static void load(const struct config_reader *r, const char *text, size_t len, config_visit_fn *visit, void *arg)
{
	assert(r && visit);
	yaml_parser_t y;
	yaml_document_t doc;

	if (!yaml_parser_initialize(&y))
		abort(); /* out of memory */
	yaml_parser_set_input_string(&y, (const unsigned char *)text, len);
	if (yaml_parser_load(&y, &doc)) {
		struct config_reader shown = *r;

		shown.doc = &doc;
		bool read = visit(&shown, arg);

		yaml_document_delete(&doc);
		if (read)
			refuse_more(r, &y, text, len);
	} else {
		not_yaml(r, &y, text, len);
	}
	yaml_parser_delete(&y);
}

void config_document(const struct config_reader *r, const char *text, size_t len, config_visit_fn *visit, void *arg)
{
	assert(r && (text || len == 0) && visit);
	if (is_readable(r, text, len))
		load(r, text, len, visit, arg);
}

/* Bytes of a character that may stand in JSON, but in YAML only escaped: it is no text there, or ends the line. 0: it
 * is none of these. */
static size_t odd_char(const char *at, size_t len, uint32_t *ret_char)
{
	size_t n = (unsigned char)*at < 0x7f ? 0 : text_utf8_next(at, len, ret_char);
	uint32_t c = n ? *ret_char : 0;

	return (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff ? n
	                                                                                                          : 0;
}

void config_json(const struct config_reader *r, const char *text, size_t len, config_visit_fn *visit, void *arg)
{
	assert(r && (text || len == 0) && visit);
	CLEANUP(buf_free) struct buf b = BUF(len * 6);
	struct json_fault fault = {0};
	size_t done = 0, n;
	uint32_t c = 0;

	if (json_check(text, len, &fault) < 0) {
		config_fault(r, 0, "", "this is not JSON: %s", fault.why ? fault.why : "out of memory");
		return;
	}
	for (size_t at = 0; at < len; at += n ? n : 1) {
		n = odd_char(text + at, len - at, &c);
		if (!n)
			continue;
		buf_add(&b, text + done, at - done);
		buf_printf(&b, "\\u%04x", c);
		done = at + n;
	}
	if (done)
		buf_add(&b, text + done, len - done);
	if (b.error)
		abort(); /* out of memory */
	load(r, done ? buf_text(&b) : text, done ? b.len : len, visit, arg);
}
