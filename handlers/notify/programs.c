#include "handlers/notify/programs.h"

/*
 * The shipped jq programs (jq 1.6). Input: {text, title, what, event, id, number, link, incident}.
 *
 * text is made of harmless lines already (no control characters); what is left is each chat's own markup.
 */

/* docs.slack.dev, formatting text: & < > are escaped, which also makes <!channel> and <@U…> inert; the block is plain_text, so
 * that no * _ ` or ~ of a label changes the layout. A broken-up @ keeps clients that guess at names from pinging. */
#define SLACK_ESCAPE                                                                                       \
	"def esc: gsub(\"&\"; \"&amp;\") | gsub(\"<\"; \"&lt;\") | gsub(\">\"; \"&gt;\")"                         \
	" | gsub(\"@(?<w>everyone|here|channel|all)\"; \"@\\u200b\" + .w);"

const char *const channel_programs[CHANNEL_KIND_N] = {
	[CHANNEL_SLACK] =
		SLACK_ESCAPE
		"(.text | rtrimstr(\"\\n\")) as $t"
		" | (\"#\" + .id) as $n"
		" | {text: ($t + \"\\n\" + $n | esc), unfurl_links: false,"
		"    blocks: ([{type: \"section\", text: {type: \"plain_text\", emoji: false,"
		"              text: ($t | gsub(\"@(?<w>everyone|here|channel|all)\"; \"@\\u200b\" + .w) | .[0:2900])}},"
		"             {type: \"context\", elements: [{type: \"mrkdwn\","
		"              text: (if .link == \"\" then $n else \"<\" + (.link | esc) + \"|Details> \" + $n end)}]}])}",
	[CHANNEL_WEBHOOK] = "{id, number, event, what, title, text, link, incident}",
};
