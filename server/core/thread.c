#include "server/core/thread.h"

#include <assert.h>
#include <pthread.h>

static _Thread_local enum thread_name self;

void thread_is(enum thread_name name)
{
	static const char *const names[THREAD_N] = {
		[THREAD_WRITER] = "writer", [THREAD_READER] = "reader", [THREAD_ENGINE] = "engine",
		[THREAD_HTTP] = "http",     [THREAD_AUTH] = "auth",     [THREAD_BACKGROUND] = "background",
		[THREAD_FLAGS] = "flags",
	};

	assert(name > THREAD_UNNAMED && name < THREAD_N && self == THREAD_UNNAMED);
	self = name;
	pthread_setname_np(pthread_self(), names[name]);
}

enum thread_name thread_self(void)
{
	return self;
}

bool thread_may(enum thread_name name)
{
	assert(name > THREAD_UNNAMED && name < THREAD_N);
	return self == THREAD_UNNAMED || self == name;
}
