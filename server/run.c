/*
 * rollbackd-run: runs one command of a step exactly once (handlers/steps/runner.h). Started by rollbackd with nothing
 * open but /dev/null; links libc only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/steps/runner.h"
#include "server/core/failpoint.h"

enum { EXIT_USAGE = 2 };

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--version"))
		return puts("rollbackd-run " ROLLBACKD_VERSION) < 0;
	if (argc != 3) {
		fputs("rollbackd-run DIRECTORY NAME: runs a command that rollbackd has written there. Not for "
		      "people.\n",
		      stderr);
		return EXIT_USAGE;
	}
	if (failpoint_setup(getenv("ROLLBACKD_FAILPOINT")) < 0)
		return EXIT_USAGE;
	return runner_main(argv[1], argv[2]);
}
