/* Panics of requests: see mishap.h. */
#include "gateway/mishap.h"

#include "base/log.h"
#include "gateway/gateway_impl.h"
#include "gateway/leaving.h"
#include "gateway/respond.h"
#include "runtime/symbol.h"

enum { FRAMES_LOGGED = 12 };

static const char *file_of(const struct weir_panic_info *info)
{
    return info->file != NULL ? info->file : "(fault)";
}

void mishap_log(const struct exchange *x, const struct weir_panic_info *info)
{
    char text[FRAMES_LOGGED * 100];
    struct buf trace = buf_on(text, sizeof(text));
    char frame[SYMBOL_TEXT];

    for (unsigned i = 0; i < info->frame_count && i < FRAMES_LOGGED; i++) {
        if (i > 0)
            buf_lit(&trace, " < ");
        symbol_describe(info->frames[i], frame, sizeof(frame));
        buf_puts(&trace, str_of(frame));
    }
    log_error("request_panicked", "request " STR_FMT ": %s, at %s:%d: " STR_FMT,
              STR_ARG(x->request_id), info->message, file_of(info), info->line,
              STR_ARG(buf_str(&trace)));
}

static void answer(void *arg)
{
    (void)respond_own(arg);
}

/* What the abandoned frames had begun with the upstream is in an unknown state, so its connection
 * goes. The scope around the exchange has ended, and with it the pump. */
void exchange_panicked(struct exchange *x, const struct weir_panic_info *info)
{
    mishap_log(x, info);
    x->scope = NULL;
    x->close = true;
    client_unattend(x);
    if (x->generation == NULL)
        return; /* no head had been read: there is nobody to tell */
    exchange_drop_upstream(x, false);
    x->source = RESPONSE_NONE;
    x->cause = CAUSE_NONE;
    if (x->out.started) {
        x->cut = !x->out.done;
        x->source = RESPONSE_OWN;
        x->cause = CAUSE_PROXY_INTERNAL_ERROR;
        return;
    }
    exchange_refuse(x, CAUSE_PROXY_INTERNAL_ERROR, "panic at %s:%d: %s", file_of(info), info->line,
                    info->message);
    if (weir_try(answer, x, NULL) < 0)
        x->cut = true;
}
