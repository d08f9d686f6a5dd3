/* Where symbol.c looks: symbol tables read here, and elfutils. Both are called under its lock. */
#ifndef WEIR_RUNTIME_SYMBOL_SOURCE_H
#define WEIR_RUNTIME_SYMBOL_SOURCE_H

#include "runtime/symbol.h"

/* symbol_elf.c: function, start and, in file, the object that pc lies in. False: in none. Neither
 * allocates nor needs much stack. */
bool symbol_elf_find(uintptr_t pc, struct symbol *ret);

/* symbol_dwarf.c: file and line, and the function if it is not known yet. False: libdw is not
 * there, or does not know. */
bool symbol_dwarf_find(uintptr_t pc, struct symbol *ret);

#endif
