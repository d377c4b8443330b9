#include "handlers/notify/programs.h"

/*
 * The shipped jq programs (jq 1.6). Input: {text, title, what, event, id, number, at, late, link, incident}.
 *
 * text is made of harmless lines already (no control characters); what is left is each chat's own markup.
 */

/* docs.slack.dev, formatting text: & < > are escaped, which also makes <!channel> and <@U…> inert; the block is
 * plain_text, so that no * _ ` or ~ of a label changes the layout. A broken-up @ keeps chats that speak Slack's
 * format and look for names in the text (Mattermost: @all, @alice) from pinging. 40,000 characters of text and 3,000
 * of a block are taken; an escaped one is five. */
#define SLACK_ESCAPE                                                                                                   \
	"def swap(a; b): split(a) | join(b);" /* gsub takes seconds for a text of nothing but & */                     \
	"def inert: swap(\"@\"; \"@\\u200b\");"                                                                        \
	"def esc: swap(\"&\"; \"&amp;\") | swap(\"<\"; \"&lt;\") | swap(\">\"; \"&gt;\");"                             \
	"def cut(n): if length > n then .[0:n - 1] + \"\\u2026\" else . end;"

const char *const channel_programs[CHANNEL_KIND_N] = {
	[CHANNEL_SLACK] = SLACK_ESCAPE
	"((.text | rtrimstr(\"\\n\") | select(test(\"\\\\S\"))) // \"(no text)\") as $t"
	" | (\"#\" + .id) as $n"
	" | {text: (($t | cut(7000) | inert | esc) + \"\\n\" + $n), unfurl_links: false,"
	"    blocks: ([{type: \"section\", text: {type: \"plain_text\", emoji: false,"
	"              text: ($t | inert | cut(2900))}},"
	"             {type: \"context\", elements: [{type: \"mrkdwn\","
	"              text: (if .link == \"\" then $n else \"<\" + (.link | esc) + \"|Details> \" + $n end)}]}])}",
	[CHANNEL_WEBHOOK] = "{id, number, at, late, event, what, title, text, link, incident}",
};
