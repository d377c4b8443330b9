#include "alertmanager/config_matchers.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEY_MAX 40

/* A matcher that is not understood takes nothing from the others. */
static int note(struct config_matchers *m, int r, const struct matcher_fault *fault)
{
	if (r != -EINVAL || m->odd)
		return r == -EINVAL ? 0 : r;
	m->odd = strdup(fault->why);
	return m->odd ? 0 : -ENOMEM;
}

static int read_list(struct json_object *o, const char *key, struct config_matchers *to)
{
	struct json_object *arr = NULL;
	int r = 0;

	if (json_get_arr(o, key, &arr) != 1)
		return 0;
	for (size_t i = 0; r == 0 && i < json_object_array_length(arr); i++) {
		const char *text = json_object_get_string(json_object_array_get_idx(arr, i));
		struct matcher_fault fault = {""};

		r = note(to, matchers_add(&to->read, text ? text : "", &fault), &fault);
	}
	return r;
}

/* match and match_re, the older form: {label: value}. */
static int read_pairs(struct json_object *o, const char *key, const char *sign, struct config_matchers *to)
{
	struct json_object *pairs = NULL;
	int r = 0;

	if (json_get_obj(o, key, &pairs) != 1)
		return 0;
	json_object_object_foreach(pairs, label, value)
	{
		const char *text = json_object_get_string(value);
		struct matcher_fault fault = {""};

		if (r == 0)
			r = note(to, matchers_add_parts(&to->read, label, sign, text ? text : "", &fault), &fault);
	}
	return r;
}

int config_matchers_read(struct json_object *o, const char *prefix, struct config_matchers *ret)
{
	assert(o && prefix && ret && strlen(prefix) < KEY_MAX / 2);
	struct config_matchers m = {0};
	char list[KEY_MAX], same[KEY_MAX], regex[KEY_MAX];
	int r;

	snprintf(list, sizeof(list), "%smatchers", prefix);
	snprintf(same, sizeof(same), "%smatch", prefix);
	snprintf(regex, sizeof(regex), "%smatch_re", prefix);
	if ((r = read_list(o, list, &m)) < 0 || (r = read_pairs(o, same, "=", &m)) < 0 ||
	    (r = read_pairs(o, regex, "=~", &m)) < 0)
		config_matchers_free(&m);
	else
		*ret = m;
	return r;
}

void config_matchers_free(struct config_matchers *m)
{
	assert(m);
	matchers_free(&m->read);
	free(m->odd);
	*m = (struct config_matchers) {0};
}

enum matchers_result config_matchers_might_hold(const struct config_matchers *m, const struct text_pair *labels,
                                                size_t n, matchers_open_fn *open, void *arg, const char **ret_label,
                                                const char **ret_odd)
{
	assert(m);
	enum matchers_result say = matchers_might_hold(&m->read, labels, n, open, arg, ret_label);
	bool in_doubt = say == MATCHERS_YES && m->odd;

	if (ret_odd)
		*ret_odd = in_doubt ? m->odd : NULL;
	return in_doubt ? MATCHERS_MAYBE : say;
}
