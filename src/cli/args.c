/* Command-line arguments. */
#include "cli/args.h"

#include <stdio.h>

#include "base/assert.h"

#define NOT_FOUND (-1)

struct parse {
    const struct args_spec *spec;
    int argc;
    char *const *argv;
    int next; /* index of the next argument */
    struct args *out;
    char *error;
};

const char *args_nearest(const char *typed, const char *const *names)
{
    const char *best = NULL;
    unsigned best_distance = 3; /* two slips are a typing error, three another word */

    for (; *names != NULL; names++) {
        unsigned d = str_distance(str_of(typed), str_of(*names));
        /* In a short word two slips leave nothing of it. */
        bool plausible = d < strlen(*names) && (d <= 1 || strlen(typed) > 3);

        if (str_starts(str_of(*names), str_of(typed)) && strlen(typed) >= 2)
            d = 0, plausible = true;
        if (plausible && d < best_distance) {
            best = *names;
            best_distance = d;
        }
    }
    return best;
}

static int find_option(const struct args_spec *spec, struct str name)
{
    for (int i = 0; spec->options[i].name != NULL; i++) {
        if (str_eq(str_of(spec->options[i].name), name))
            return i;
    }
    return NOT_FOUND;
}

static int find_letter(const struct args_spec *spec, char letter)
{
    for (int i = 0; spec->options[i].name != NULL; i++) {
        if (spec->options[i].letter == letter)
            return i;
    }
    return NOT_FOUND;
}

static int fail_unknown(struct parse *p, struct str name, const char *as_typed)
{
    const char *names[ARGS_OPTIONS_MAX + 2];
    char typed[64];
    int n = 0;

    for (; p->spec->options[n].name != NULL; n++)
        names[n] = p->spec->options[n].name;
    names[n] = "help";
    names[n + 1] = NULL;
    snprintf(typed, sizeof(typed), STR_FMT, STR_ARG(name));
    const char *near = args_nearest(typed, names);
    if (near != NULL)
        snprintf(p->error, ARGS_ERROR_MAX, "unknown option '%.80s'; did you mean '--%s'?", as_typed,
                 near);
    else
        snprintf(p->error, ARGS_ERROR_MAX, "unknown option '%.80s'", as_typed);
    return -EINVAL;
}

/* attached: the value that came with the option itself, or NULL. */
static int set_option(struct parse *p, int index, const char *attached)
{
    const struct args_option *o = &p->spec->options[index];

    if (p->out->values[index] != NULL && !o->repeats) {
        snprintf(p->error, ARGS_ERROR_MAX, "option '--%s' is given twice", o->name);
        return -EINVAL;
    }
    if (o->value == NULL) {
        if (attached != NULL) {
            snprintf(p->error, ARGS_ERROR_MAX, "option '--%s' takes no value", o->name);
            return -EINVAL;
        }
        p->out->values[index] = "";
        return 0;
    }
    if (attached == NULL) {
        if (p->next == p->argc) {
            snprintf(p->error, ARGS_ERROR_MAX, "option '--%s' needs a value: %s", o->name,
                     o->value);
            return -EINVAL;
        }
        attached = p->argv[p->next++];
    }
    p->out->values[index] = attached;
    if (o->repeats && p->out->many_count == ARGS_MANY_MAX) {
        snprintf(p->error, ARGS_ERROR_MAX, "option '--%s' is given more than %d times", o->name,
                 ARGS_MANY_MAX);
        return -EINVAL;
    }
    if (o->repeats)
        p->out->many[p->out->many_count++] = attached;
    return 0;
}

static int parse_long(struct parse *p, const char *arg)
{
    struct str name = str_of(arg + 2);
    ssize_t eq = str_find(name, '=');
    const char *attached = NULL;

    if (eq >= 0) {
        attached = name.ptr + eq + 1;
        name.len = (size_t)eq;
    }
    int index = find_option(p->spec, name);
    if (index == NOT_FOUND)
        return fail_unknown(p, name, arg);
    return set_option(p, index, attached);
}

static int parse_short(struct parse *p, const char *arg)
{
    int index = find_letter(p->spec, arg[1]);

    if (index == NOT_FOUND)
        return fail_unknown(p, str_of(arg + 1), arg);
    return set_option(p, index, arg[2] != '\0' ? arg + 2 : NULL);
}

static int add_operand(struct parse *p, const char *arg)
{
    unsigned n = p->out->operand_count;

    if (n == ARGS_OPERANDS_MAX || p->spec->operands[n] == NULL) {
        snprintf(p->error, ARGS_ERROR_MAX, "unexpected argument '%.80s'", arg);
        return -EINVAL;
    }
    p->out->operands[n] = arg;
    p->out->operand_count++;
    return 0;
}

static int parse_one(struct parse *p, const char *arg, bool *only_operands)
{
    if (*only_operands || arg[0] != '-' || arg[1] == '\0')
        return add_operand(p, arg);
    if (strcmp(arg, "--") == 0) {
        *only_operands = true;
        return 0;
    }
    return arg[1] == '-' ? parse_long(p, arg) : parse_short(p, arg);
}

static int check_required(const struct args_spec *spec, const struct args *a,
                          char error[static ARGS_ERROR_MAX])
{
    const char *missing = spec->operands[a->operand_count];

    for (int i = 0; spec->options[i].name != NULL; i++) {
        const struct args_option *o = &spec->options[i];

        if (o->required && a->values[i] == NULL) {
            snprintf(error, ARGS_ERROR_MAX, "missing option: -%c %s", o->letter, o->value);
            return -EINVAL;
        }
    }
    if (missing != NULL && missing[0] != '[') {
        snprintf(error, ARGS_ERROR_MAX, "missing argument: %s", missing);
        return -EINVAL;
    }
    return 0;
}

int args_parse(const struct args_spec *spec, int argc, char *const *argv, struct args *ret,
               char error[static ARGS_ERROR_MAX])
{
    struct args out = {0};
    struct parse p = {spec, argc, argv, 0, &out, error};
    bool only_operands = false;

    while (p.next < argc) {
        const char *arg = argv[p.next++];

        if (!only_operands && (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0)) {
            out.help = true;
            *ret = out;
            return 0;
        }
        int rc = parse_one(&p, arg, &only_operands);
        if (rc < 0)
            return rc;
    }
    int rc = check_required(spec, &out, error);
    if (rc == 0)
        *ret = out;
    return rc;
}

const char *args_value(const struct args_spec *spec, const struct args *a, const char *name)
{
    int index = find_option(spec, str_of(name));

    ASSERT(index != NOT_FOUND);
    return a->values[index];
}

int args_number(const char *option, const char *value, uint64_t min, uint64_t max, uint64_t *ret,
                char error[static ARGS_ERROR_MAX])
{
    uint64_t n;

    if (str_to_u64(str_of(value), max, &n) < 0 || n < min) {
        snprintf(error, ARGS_ERROR_MAX,
                 "option '--%s': '%.40s' is not a number between %llu and %llu", option, value,
                 (unsigned long long)min, (unsigned long long)max);
        return -EINVAL;
    }
    *ret = n;
    return 0;
}
