#include "server/auth/roles.h"

#include <errno.h>
#include <string.h>

#include "server/core/buf.h"
#include "server/core/http_reply.h"

#define WORDS_MAX (1024 * 1024) /* of the roles of one */

void auth_people_free(struct auth_people *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->item[i].name);
		free(p->item[i].words);
	}
	free(p->item);
	*p = (struct auth_people) {0};
}

static unsigned roles_in(const struct user_options *user)
{
	unsigned roles = ROLE_USER;

	for (const char **role = user->roles; role && *role; role++)
		roles |= http_role_find(*role);
	return roles & ROLE_OPERATOR ? roles | ROLE_VIEWER : roles;
}

/* All his roles, those that approve, too. */
static char *words_in(const struct user_options *user)
{
	struct buf b = BUF(WORDS_MAX);

	for (const char **role = user->roles; role && *role; role++)
		buf_printf(&b, "%s,", *role);
	char *words = b.error ? NULL : buf_take(&b);
	buf_free(&b);
	return words;
}

int auth_people_read(const struct settings *s, struct auth_people *ret)
{
	ret->item = calloc(s->n_users + 1, sizeof(*ret->item));
	if (!ret->item)
		return -ENOMEM;
	for (; ret->n < s->n_users; ret->n++) {
		struct auth_person *p = &ret->item[ret->n];

		*p = (struct auth_person) {strdup(s->users[ret->n].name), words_in(&s->users[ret->n]),
		                           roles_in(&s->users[ret->n])};
		if (!p->name || !p->words) {
			ret->n++;
			auth_people_free(ret);
			return -ENOMEM;
		}
	}
	return 0;
}

static const struct auth_person *find(const struct auth_people *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->item[i].name, name))
			return &p->item[i];
	return NULL;
}

bool auth_is_named(const struct auth_people *p, const char *name)
{
	return find(p, name) != NULL;
}

unsigned auth_roles(const struct auth_people *p, const char *name)
{
	const struct auth_person *found = find(p, name);

	return found ? found->roles : ROLE_USER;
}

bool auth_same_roles(const struct auth_people *x, const struct auth_people *y, const char *name)
{
	const struct auth_person *a = find(x, name), *b = find(y, name);

	return (!a && !b) || (a && b && !strcmp(a->words, b->words));
}
