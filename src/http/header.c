/* What people may put into a head: nothing that breaks a line or the framing. */
#include "http/handler.h"

bool token_valid(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = ascii_lower(s.ptr[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return s.len != 0;
}

/* No control bytes but tabs, and no blanks around it. */
static bool is_value(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (((unsigned char)s.ptr[i] < ' ' && s.ptr[i] != '\t') || s.ptr[i] == 0x7f)
            return false;
    }
    return str_trim(s).len == s.len;
}

bool header_valid(struct str name, struct str value)
{
    if (!token_valid(name) || !is_value(value))
        return false;
    switch (http_field_id_of(name)) {
    case HTTP_F_CONTENT_LENGTH:
    case HTTP_F_TRANSFER_ENCODING:
    case HTTP_F_CONNECTION:
        return false;
    default:
        return true;
    }
}
