#include <stdio.h>
#include <string.h>

#include "server/ctl/ctl.h"

static int result_of(struct json_object *report)
{
	const char *verdict = json_str_or(report, "verdict", "");

	if (!strcmp(verdict, "equal") || !strcmp(verdict, "better"))
		return CTL_YES;
	return !strcmp(verdict, "worse") ? CTL_NO : CTL_UNKNOWN;
}

int cmd_compare(struct ctl *c, int n, const char **words)
{
	static const char *const names[] = {"percentage", "duration", "threshold"};
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	CLEANUP(buf_free) struct buf what = BUF(4096);

	(void)n;
	buf_str(&what, "/compare?");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		ctl_param(&what, names[i], ctl_value(c, names[i]));
	int r = ctl_ask(c, "GET", "rollouts", words[0], buf_text(&what), NULL, &data);
	if (r) /* a slip of the pen must not read as "worse" */
		return r == CTL_NO ? CTL_USAGE : r;
	ctl_print(c, data, c->md ? show_compare_md : c->csv ? show_compare_csv : show_compare);
	return result_of(data);
}
