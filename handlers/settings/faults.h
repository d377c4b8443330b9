/*
 * What is wrong with a config: sentences in the order of the file, each with its line and the path of its key.
 */
#ifndef HANDLERS_SETTINGS_FAULTS_H
#define HANDLERS_SETTINGS_FAULTS_H

#include <stddef.h>
#include "server/core/scope.h"

/* At most some 200, then one that says so. */
struct config_faults {
	char **line; /* owned: "rollbackd.yml:12: rollouts[0].verify.delay: …" */
	size_t *at;  /* owned: the line of each, by which they are sorted; 0: about the whole file */
	size_t n;
};
void config_faults_free(struct config_faults *f);

struct yaml_document_s;
struct config_reader {
	const char *file; /* as shown in faults */
	struct config_faults *faults;
	struct config_faults *notes; /* what cannot be told here: no fault */
	struct yaml_document_s *doc; /* what is being read, while somebody is shown it */
};

/* Adds "FILE:LINE: PATH: text" where the line belongs; line 0 (about the file) stands first and is not shown. */
void config_fault(const struct config_reader *r, size_t line, const char *path, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
