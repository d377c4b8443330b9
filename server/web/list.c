/*
 * The list of incidents, and the page that says what went wrong.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "server/core/text.h"
#include "server/web/private.h"

static void put_select(const struct web_about *a, const struct web_list *l, const char *name, const char *const *words,
                       size_t n, const char *chosen)
{
	(void)l;
	html(a->b,
	     "<p class=\"field\"><label for=\"f-%s\">%s</label><select id=\"f-%s\" name=\"%s\"><option "
	     "value=\"\">any</option>",
	     name, name, name, name);
	for (size_t i = 0; i < n; i++)
		html(a->b, "<option%s>%s</option>", chosen && !strcmp(chosen, words[i]) ? " selected" : "", words[i]);
	html(a->b, "</select></p>\n");
}

static void put_filters(const struct web_about *a, const struct web_list *l)
{
	static const char *const states[] = {"pending", "rolling_back", "verifying", "rolled_back",
	                                     "failed",  "held",         "cancelled", "resolved"};
	static const char *const kinds[] = {"auto", "manual", "drill"};

	html(a->b, "<form class=\"filters\" data-act=\"filter\" method=\"get\" action=\"/incidents\">\n");
	put_select(a, l, "state", states, ARRAY_LEN(states), l->state);
	put_select(a, l, "kind", kinds, ARRAY_LEN(kinds), l->kind);
	html(a->b,
	     "<p class=\"field\"><label for=\"f-rollout\">rollout</label><input id=\"f-rollout\" name=\"rollout\" "
	     "value=\"%s\"></p>\n",
	     l->rollout);
	html(a->b,
	     "<p class=\"field\"><label for=\"f-q\">words</label><input id=\"f-q\" name=\"q\" value=\"%s\"></p>\n",
	     l->q);
	html(a->b, "<p class=\"buttons\"><button>Show</button></p>\n</form>\n");
}

/* A value in an address: whatever is no letter or digit is escaped. */
static void put_param(struct buf *b, const char *name, const char *value)
{
	if (!value || !value[0])
		return;
	html(b, "&amp;%s=", name);
	for (const char *s = value; *s; s++) {
		bool plain = (*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
		             *s == '_' || *s == '-';

		if (plain)
			buf_char(b, *s);
		else
			buf_printf(b, "%%%02X", (unsigned char)*s);
	}
}

void web_incidents(struct buf *b, const struct web_page *p, const struct web_list *l)
{
	assert(b && p && l && l->incidents);
	const struct web_about a = {.b = b, .p = p};
	const struct web_frame f = {.page = "incidents"};
	size_t n = json_len(l->incidents);

	frame_begin(b, p, &f, "Incidents · rollbackd");
	html(b, "<h1>Incidents</h1>\n");
	put_filters(&a, l);
	html(b, n ? "<section id=\"list\" aria-label=\"Incidents\">\n<ul class=\"rows\">\n"
	          : "<p>None. Rehearse: <code>rollbackctl drill NAME</code></p>\n");
	for (size_t i = 0; i < n; i++)
		put_incident_row(&a, json_item(l->incidents, i));
	html(b, n ? "</ul>\n</section>\n" : "");
	if (l->warning)
		html(b, "<p class=\"small\">%s</p>\n", l->warning);
	if (l->next) {
		html(b, "<p><a class=\"button\" rel=\"next\" href=\"/incidents?cursor=%s", l->next);
		put_param(b, "state", l->state);
		put_param(b, "kind", l->kind);
		put_param(b, "rollout", l->rollout);
		put_param(b, "q", l->q);
		html(b, "\">Older</a></p>\n");
	}
	frame_end(b);
}

void web_error(struct buf *b, const struct web_page *p, int status, const char *sentence, struct json_object *newest)
{
	assert(b && p && status >= 400 && sentence);
	const struct web_about a = {.b = b, .p = p};
	const struct web_frame f = {.page = "error"};
	size_t n = json_len(newest);
	char title[60];

	snprintf(title, sizeof(title), "%d · rollbackd", status);
	frame_begin(b, p, &f, title);
	html(b, "<h1>%s</h1>\n",
	     status == 404   ? "There is nothing here"
	     : status == 401 ? "Not signed in"
	     : status == 403 ? "Not allowed"
	                     : "This did not work");
	html(b, "<p class=\"error\">%s</p>\n", sentence);
	if (n)
		html(b, "<section id=\"newest\" aria-labelledby=\"h-newest\">\n<h2 id=\"h-newest\">The newest "
		        "incidents</h2>\n<ul class=\"rows\">\n");
	for (size_t i = 0; i < n; i++)
		put_incident_row(&a, json_item(newest, i));
	html(b, n ? "</ul>\n</section>\n" : "");
	html(b, "<p><a class=\"button\" href=\"/\">Home</a></p>\n");
	frame_end(b);
}
