/* From text to configuration, and the life of a configuration. */
#include <stdlib.h>

#include "base/assert.h"
#include "base/hash.h"
#include "config/check.h"
#include "config/embed.h"
#include "config/regex.h"
#include "config/spring.h"

#define CONFIG_BYTES_MAX  (512 * MIB)
#define SCRATCH_BYTES_MAX (512 * MIB)

struct config *config_ref(struct config *c)
{
    ASSERT(__atomic_fetch_add(&c->refs, 1, __ATOMIC_RELAXED) > 0);
    return c;
}

void config_unref(struct config *c)
{
    if (c == NULL || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    regex_free_all(c);
    arena_done(&c->arena);
    free(c);
}

static struct config *config_new(struct str text)
{
    static const uint64_t key[2] = {0x776569725f746578, 0x745f686173685f5f};
    struct config *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    arena_init(&c->arena, NULL, 0, CONFIG_BYTES_MAX);
    c->refs = 1;
    c->text_hash = siphash13(key, text);
    return c;
}

static void read_config(struct reader *r)
{
    r->spring = r->root->kind == NODE_MAP && spring_is_present(r->root);
    reader_defaults(r, &config_section, r->config);
    reader_section(r, &config_section, r->root, NULL, r->config);
    if (r->spring)
        spring_read(r);
    check_listeners(r);
    check_upstreams(r);
    resolve_routes(r);
    if (r->no_memory)
        diag_add(r->diags, DIAG_ERROR, 0, 0, "",
                 "out of memory, or the configuration needs more "
                 "than 512 MiB");
}

static void read_text(struct reader *r, struct str text)
{
    if (tree_parse(text, r->scratch, r->diags, &r->root) < 0)
        return;
    if (r->root == NULL || node_is_null(r->root))
        diag_add(r->diags, DIAG_ERROR, 1, 1, "", "there is nothing in it");
    else
        read_config(r);
}

/* A tree, or NULL and a text to make one of. */
static int load(struct node *root, struct str text, struct diag_list *diags, struct config **ret)
{
    unsigned errors_before = diags->errors;
    struct arena scratch;
    struct reader r = {.diags = diags, .scratch = &scratch, .root = root};

    r.config = config_new(text);
    if (r.config == NULL) {
        diag_add(diags, DIAG_ERROR, 0, 0, "", "out of memory");
        return -EINVAL;
    }
    arena_init(&scratch, NULL, 0, SCRATCH_BYTES_MAX);
    if (root != NULL)
        read_config(&r);
    else
        read_text(&r, text);
    arena_done(&scratch);
    diag_sort(diags);
    if (diags->errors != errors_before) {
        config_unref(r.config);
        return -EINVAL;
    }
    *ret = r.config;
    return 0;
}

int config_load(struct str text, const char *name, struct diag_list *diags, struct config **ret)
{
    return load(NULL, text, diags, ret);
}

int config_load_node(struct node *root, struct diag_list *diags, struct config **ret)
{
    return load(root, STR(""), diags, ret);
}
