/* Names from the symbol tables of the executable and of the shared objects it has loaded, read from
 * their files. No index is built: lookups are few, and symbol.c remembers them. */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "runtime/symbol_source.h"

/* A file, mapped for one lookup only: libdw would take it for a loaded object. */
struct object {
    const char *map; /* NULL: cannot be read */
    size_t size;
};

struct where {
    uintptr_t pc;
    uintptr_t bias;
    const char *path;
    bool found;
};

static int look_at_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct where *w = arg;

    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + ph->p_vaddr;

        if (ph->p_type != PT_LOAD || w->pc - start >= ph->p_memsz)
            continue;
        w->bias = info->dlpi_addr;
        w->path = info->dlpi_name;
        w->found = true;
        return 1;
    }
    return 0;
}

static struct object map_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct object o = {0};
    struct stat st;
    void *map;

    if (fd < 0)
        return o;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (size_t)st.st_size > sizeof(ElfW(Ehdr))) {
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map != MAP_FAILED)
            o = (struct object){map, (size_t)st.st_size};
    }
    close(fd);
    return o;
}

/* The object's bytes, or NULL when they do not all exist: the file may be cut short. */
static const void *bytes_at(const struct object *o, size_t offset, size_t count, size_t each)
{
    if (offset > o->size || count > (o->size - offset) / each || offset % 8 != 0)
        return NULL;
    return o->map + offset;
}

struct best {
    uintptr_t start;
    const char *name;
};

static void scan_table(const struct object *o, const ElfW(Shdr) * table, const ElfW(Shdr) * names,
                       uintptr_t addr, struct best *best)
{
    size_t count = table->sh_size / sizeof(ElfW(Sym));
    const ElfW(Sym) *syms = bytes_at(o, table->sh_offset, count, sizeof(*syms));

    if (syms == NULL || names->sh_offset > o->size || names->sh_size > o->size - names->sh_offset)
        return;
    for (size_t i = 0; i < count; i++) {
        unsigned type = ELF64_ST_TYPE(syms[i].st_info);
        const char *name;

        if ((type != STT_FUNC && type != STT_OBJECT && type != STT_GNU_IFUNC) ||
            syms[i].st_shndx == SHN_UNDEF || addr - syms[i].st_value >= MAX(syms[i].st_size, 1u) ||
            syms[i].st_name >= names->sh_size)
            continue;
        name = o->map + names->sh_offset + syms[i].st_name;
        if (memchr(name, 0, names->sh_size - syms[i].st_name) == NULL)
            continue;
        *best = (struct best){syms[i].st_value, name};
        return;
    }
}

/* The full table first; a stripped object still has the dynamic one. */
static void scan_object(const struct object *o, uintptr_t addr, struct best *best)
{
    static const ElfW(Word) types[] = {SHT_SYMTAB, SHT_DYNSYM};
    const ElfW(Ehdr) *eh = (const void *)o->map;
    const ElfW(Shdr) * sh;

    if (memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 || eh->e_shentsize != sizeof(*sh))
        return;
    sh = bytes_at(o, eh->e_shoff, eh->e_shnum, sizeof(*sh));
    for (size_t t = 0; sh != NULL && t < ARRAY_LEN(types); t++) {
        for (unsigned i = 0; i < eh->e_shnum && best->name == NULL; i++) {
            if (sh[i].sh_type == types[t] && sh[i].sh_link < eh->e_shnum)
                scan_table(o, &sh[i], &sh[sh[i].sh_link], addr, best);
        }
    }
}

static void own_path(char *out, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", out, size - 1);

    out[n > 0 ? n : 0] = 0;
}

bool symbol_elf_find(uintptr_t pc, struct symbol *ret)
{
    struct where w = {.pc = pc};
    struct best best = {0};
    struct object o;

    dl_iterate_phdr(look_at_object, &w);
    if (!w.found)
        return false;
    if (w.path[0] != 0)
        snprintf(ret->file, sizeof(ret->file), "%s", w.path);
    else
        own_path(ret->file, sizeof(ret->file));
    o = map_file(w.path[0] != 0 ? w.path : "/proc/self/exe");
    if (o.map == NULL)
        return true;
    scan_object(&o, pc - w.bias, &best);
    if (best.name != NULL) {
        ret->start = w.bias + best.start;
        snprintf(ret->function, sizeof(ret->function), "%s", best.name);
    }
    munmap((void *)(uintptr_t)o.map, o.size);
    return true;
}
