/*
 * Which thread this is: those that the daemon starts name themselves, once, and doors that belong to one of them assert
 * it.
 *
 * The main thread has no name: it starts and ends what the others run, when they do not run. Neither have unit tests,
 * the simulator and rollbackctl, which do everything on one thread.
 */
#ifndef SERVER_CORE_THREAD_H
#define SERVER_CORE_THREAD_H

#include <stdbool.h>

enum thread_name {
	THREAD_UNNAMED,
	THREAD_WRITER,
	THREAD_READER, /* there are two */
	THREAD_ENGINE,
	THREAD_HTTP,
	THREAD_AUTH,
	THREAD_BACKGROUND,
	THREAD_FLAGS, /* up to 12 (handlers/steps/flags_writer.h) */
	THREAD_N
};

/* First thing on a thread; the name is shown by ps -L and top, too. */
void thread_is(enum thread_name name);
enum thread_name thread_self(void);
/* This thread is that one, or has no name. */
bool thread_may(enum thread_name name);

#endif
