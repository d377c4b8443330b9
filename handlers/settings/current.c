#include "handlers/settings/current.h"

#include <pthread.h>

#include "handlers/settings/snapshot.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct settings *in_force;

struct settings *current_settings(void)
{
	pthread_mutex_lock(&lock);
	struct settings *s = in_force ? settings_ref(in_force) : NULL;
	pthread_mutex_unlock(&lock);
	return s;
}

void current_set(struct settings *s)
{
	struct settings *mine = s ? settings_ref(s) : NULL;

	pthread_mutex_lock(&lock);
	struct settings *old = in_force;
	in_force = mine;
	pthread_mutex_unlock(&lock);
	plans_forget_others(mine);
	settings_unref(old);
}

bool plan_is_outdated(const struct plan *p)
{
	pthread_mutex_lock(&lock);
	bool outdated = p->of && p->of != in_force;
	pthread_mutex_unlock(&lock);
	return outdated;
}
