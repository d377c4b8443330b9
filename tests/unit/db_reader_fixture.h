/*
 * A database that runs and a reader of it, new for each test, in a scratch directory. Included once by each test that
 * wants them.
 */
#ifndef TESTS_UNIT_DB_READER_FIXTURE_H
#define TESTS_UNIT_DB_READER_FIXTURE_H

#include "tests/unit/db_fixture.h"

static struct db *db;
static struct db_conn *reader;

static int setup(void **state)
{
	int r = scratch_make(state);

	if (r == 0) {
		db = fixture_start();
		r = db_reader_open(db, &reader);
	}
	return r;
}

static int teardown(void **state)
{
	db_reader_close(reader);
	db_close(db);
	return scratch_remove(state);
}

#endif
