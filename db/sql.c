#include "db/sql.h"

const struct sql_statement sql_statements[SQL_N] = {
#define SQL_ROW(id, writes, types, text) [id] = {writes, types, text},
	SQL_STATEMENTS(SQL_ROW)};
