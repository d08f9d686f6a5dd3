/* URLs of requests. */
#include "http/url.h"

#include "http/h1_parse.h"

#define SCHEME "http://"

/* What a request line can carry: visible ASCII. */
static bool target_valid(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] >= 0x7f)
            return false;
    }
    return true;
}

static bool has_port(struct str authority)
{
    const char *host_end = memrchr(authority.ptr, ']', authority.len); /* of an IPv6 address */
    const char *colon = memrchr(authority.ptr, ':', authority.len);

    return colon != NULL && (host_end == NULL || colon > host_end);
}

int url_parse(const char *text, struct url *ret)
{
    struct buf address = buf_on(ret->address, sizeof(ret->address));

    if (strncasecmp(text, SCHEME, strlen(SCHEME)) != 0)
        return strstr(text, "://") != NULL ? -EPROTONOSUPPORT : -EINVAL;
    text += strlen(SCHEME);
    ret->authority = str_n(text, strcspn(text, "/?#"));
    text += ret->authority.len;
    ret->target = str_n(text, strcspn(text, "#"));
    if (!h1_authority_valid(ret->authority, false) || !target_valid(ret->target))
        return -EINVAL;
    buf_puts(&address, ret->authority);
    if (!has_port(ret->authority))
        buf_lit(&address, ":80");
    buf_putc(&address, '\0');
    return address.overflow ? -EINVAL : 0;
}
