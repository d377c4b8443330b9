#include "db/config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "db/stmt.h"
#include "server/core/text.h"

int config_row_put(struct db_tx *tx, const char *text, char sha[CONFIG_SHA_SIZE])
{
	assert(text);
	assert(tx && sha);
	int r = text_sha256(text, strlen(text), sha);

	if (r < 0)
		return r;
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), CONFIG_PUT);

	stmt_text(&st, 1, sha);
	stmt_text(&st, 2, text);
	r = stmt_run(&st);
	return r < 0 ? r : 0;
}

int config_row_text(struct db_conn *c, const char *sha, char **ret)
{
	assert(c && sha && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, CONFIG_LOAD);

	stmt_text(&st, 1, sha);
	int r = stmt_step(&st);
	if (r < 0)
		return r;
	if (r == 0)
		return -ENOENT;
	*ret = column_text(&st, 0);
	return st.error;
}

int config_row_drop(struct db_tx *tx, const char *sha)
{
	assert(tx);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), CONFIG_DROP);

	stmt_text(&st, 1, sha);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}
