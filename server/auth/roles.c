#include "server/auth/roles.h"

#include <errno.h>
#include <string.h>

#include "server/core/http_reply.h"
#include "server/core/json.h"

void auth_people_free(struct auth_people *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->item[i].name);
	free(p->item);
	*p = (struct auth_people) {0};
}

static unsigned roles_in(struct json_object *user)
{
	struct json_object *arr = NULL;
	unsigned roles = ROLE_USER;

	for (size_t i = 0; json_get_arr(user, "roles", &arr) == 1 && i < json_object_array_length(arr); i++)
		roles |= http_role_find(json_object_get_string(json_object_array_get_idx(arr, i)));
	return roles & ROLE_OPERATOR ? roles | ROLE_VIEWER : roles;
}

int auth_people_read(const struct settings *s, struct auth_people *ret)
{
	struct json_object *arr = NULL;
	size_t n = json_get_arr(s->tree, "users", &arr) == 1 ? json_object_array_length(arr) : 0;

	ret->item = calloc(n + 1, sizeof(*ret->item));
	if (!ret->item)
		return -ENOMEM;
	for (; ret->n < n; ret->n++) {
		struct json_object *user = json_object_array_get_idx(arr, ret->n);
		char *name = strdup(json_str_or(user, "name", ""));

		if (!name) {
			auth_people_free(ret);
			return -ENOMEM;
		}
		ret->item[ret->n] = (struct auth_person) {name, roles_in(user)};
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
