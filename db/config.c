#include "db/config.h"

#include <assert.h>
#include <string.h>

#include "db/query.h"
#include "server/core/text.h"

int config_row_put(struct db_tx *tx, const char *text, char sha[CONFIG_SHA_SIZE])
{
	assert(text && sha);
	int r = text_sha256(text, strlen(text), sha);

	return r < 0 ? r : query_done(query_run(tx, CONFIG_PUT, V(sha, text)));
}

int config_row_text(struct db_conn *c, const char *sha, char **ret)
{
	assert(sha);
	return query_found(query_text(c, CONFIG_LOAD, ret, V(sha)));
}

int config_row_drop(struct db_tx *tx, const char *sha)
{
	return query_done(query_run(tx, CONFIG_DROP, V(sha)));
}
