/* Lines, from elfutils' libdw. It is loaded when a line is first asked for, so that libweir does
 * not depend on it; where its headers were not there at build time, there are no lines. */
#include "runtime/symbol_source.h"

#if defined(__has_include)
#if __has_include(<elfutils/libdwfl.h>)
#define HAVE_LIBDW 1
#endif
#endif

#if defined(HAVE_LIBDW)

#include <dlfcn.h>
#include <elfutils/libdwfl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    __typeof__(&dwfl_begin) begin;
    __typeof__(&dwfl_report_begin_add) report_begin_add;
    __typeof__(&dwfl_linux_proc_report) linux_proc_report;
    __typeof__(&dwfl_report_end) report_end;
    __typeof__(&dwfl_addrmodule) addrmodule;
    __typeof__(&dwfl_module_addrname) module_addrname;
    __typeof__(&dwfl_module_getsrc) module_getsrc;
    __typeof__(&dwfl_lineinfo) lineinfo;
    __typeof__(&dwfl_module_nextcu) module_nextcu;
    __typeof__(&dwarf_haspc) haspc;
    __typeof__(&dwarf_getsrc_die) getsrc_die;
    __typeof__(&dwarf_linesrc) linesrc;
    __typeof__(&dwarf_lineno) lineno;
} dw;

static Dwfl_Callbacks callbacks;
static Dwfl *dwfl;

struct entry {
    const char *name;
    void *pointer; /* of a function pointer */
};

static bool load(void)
{
    const struct entry entries[] = {
        {"dwfl_begin", &dw.begin},
        {"dwfl_report_begin_add", &dw.report_begin_add},
        {"dwfl_linux_proc_report", &dw.linux_proc_report},
        {"dwfl_report_end", &dw.report_end},
        {"dwfl_addrmodule", &dw.addrmodule},
        {"dwfl_module_addrname", &dw.module_addrname},
        {"dwfl_module_getsrc", &dw.module_getsrc},
        {"dwfl_lineinfo", &dw.lineinfo},
        {"dwfl_module_nextcu", &dw.module_nextcu},
        {"dwarf_haspc", &dw.haspc},
        {"dwarf_getsrc_die", &dw.getsrc_die},
        {"dwarf_linesrc", &dw.linesrc},
        {"dwarf_lineno", &dw.lineno},
        {"dwfl_linux_proc_find_elf", &callbacks.find_elf},
        /* Of the two there are the one that never asks a server. */
        {"dwfl_build_id_find_debuginfo", &callbacks.find_debuginfo},
    };
    void *lib = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL);

    if (lib == NULL)
        return false;
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        void *fn = dlsym(lib, entries[i].name);

        if (fn == NULL)
            return false;
        memcpy(entries[i].pointer, &fn, sizeof(fn));
    }
    return true;
}

/* Tells libdw of all objects that are loaded by now. */
static bool report_objects(void)
{
    dw.report_begin_add(dwfl);
    return dw.linux_proc_report(dwfl, getpid()) == 0 && dw.report_end(dwfl, NULL, NULL) == 0;
}

static bool ready(void)
{
    static bool tried;

    if (!tried) {
        tried = true;
        if (load())
            dwfl = dw.begin(&callbacks);
        if (dwfl != NULL && !report_objects())
            dwfl = NULL;
    }
    return dwfl != NULL;
}

/* Without the table from addresses to compilation units, which clang does not write. */
static const char *search_units(Dwfl_Module *module, uintptr_t pc, int *ret_number)
{
    Dwarf_Addr bias;
    Dwarf_Die *unit = NULL;
    Dwarf_Line *line;

    do {
        unit = dw.module_nextcu(module, unit, &bias);
        if (unit == NULL)
            return NULL;
    } while (dw.haspc(unit, pc - bias) != 1);
    line = dw.getsrc_die(unit, pc - bias);
    if (line == NULL || dw.lineno(line, ret_number) != 0)
        return NULL;
    return dw.linesrc(line, NULL, NULL);
}

bool symbol_dwarf_find(uintptr_t pc, struct symbol *ret)
{
    Dwfl_Module *module;
    Dwfl_Line *line;
    const char *text;
    int number = 0;

    if (!ready())
        return false;
    module = dw.addrmodule(dwfl, pc);
    if (module == NULL && report_objects()) /* loaded since */
        module = dw.addrmodule(dwfl, pc);
    if (module == NULL)
        return false;
    text = ret->function[0] == 0 ? dw.module_addrname(module, pc) : NULL;
    if (text != NULL)
        snprintf(ret->function, sizeof(ret->function), "%s", text);
    line = dw.module_getsrc(module, pc);
    text = line != NULL ? dw.lineinfo(line, NULL, &number, NULL, NULL, NULL)
                        : search_units(module, pc, &number);
    if (text == NULL || number <= 0)
        return false;
    snprintf(ret->file, sizeof(ret->file), "%s", text);
    ret->line = number;
    return true;
}

#else

bool symbol_dwarf_find(uintptr_t pc, struct symbol *ret)
{
    (void)pc, (void)ret;
    return false;
}

#endif
