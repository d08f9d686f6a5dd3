"""gdb commands for programs on libweir, live or as core files.

    weir coroutines     every coroutine: number, name, state, what it waits for
    weir bt NUMBER      the stack of one
    weir bt all         the stacks of all

Load it with: source PREFIX/share/weir/weir-gdb.py. It needs the debugging
information of libweir, for the layout of struct co; names and lines of the program's own frames
come from the program's. Core files: those of the kernel; the ones that gdb itself writes lack
stacks, because it cannot read their guards.
"""
import gdb

CLAIM_WAITING = 2
CLAIM_RESULT = 8

REGISTERS = {  # in the order in which the switch has saved them, and what is above them
    "i386:x86-64": (["r15", "r14", "r13", "r12", "rbx", "rbp", "rip"], 7, "rsp"),
    "aarch64": (["x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x29",
                 "x30"], 20, "sp"),
}


class NoRuntime(gdb.GdbError):
    def __init__(self):
        super().__init__("no runtime: weir_main() has not been called, or there is no debugging "
                         "information of libweir")


def lookup(name):
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        raise NoRuntime()
    return symbol.value()


def atomic(value):
    """The number in an _Atomic variable, whatever gdb makes of its type."""
    return int(value.cast(value.type.unqualified().strip_typedefs()))


def read_word(address):
    return int(gdb.Value(address).cast(gdb.lookup_type("unsigned long").pointer()).dereference())


def reason_names():
    names = {}
    for field in gdb.lookup_type("enum wait_reason").fields():
        names[int(field.enumval)] = field.name[len("WAIT_"):].lower().replace("_", " ")
    return names


def c_string(pointer):
    try:
        return pointer.string() if int(pointer) != 0 else ""
    except gdb.error:
        return "?"


def current(co):
    """The thread that runs it, as (gdb thread), or None."""
    for thread in gdb.selected_inferior().threads():
        selected = gdb.selected_thread()
        frame = gdb.selected_frame() if selected is not None and selected.is_valid() else None
        thread.switch()
        sp = int(gdb.newest_frame().read_register("sp"))
        if selected is not None and selected.is_valid():
            selected.switch()
            if frame is not None and frame.is_valid():
                frame.select()
        if co.low <= sp <= co.high:
            return thread
    return None


class Coroutine:
    """One slot of the arena of stacks."""

    def __init__(self, value, low, high):
        self.value, self.low, self.high = value, low, high
        self.id = atomic(value["id"])
        self.name = c_string(value["name"])
        self.claim = atomic(value["claim"])
        self.reason = int(value["wait_reason"])
        self.sp = int(value["sp"])

    def off_stack(self):
        return self.low <= self.sp <= self.high and current(self) is None

    def state(self):
        thread = current(self)
        if thread is not None:
            return f"running in thread {thread.num}"
        if self.claim & CLAIM_WAITING:
            text = "waits for " + reason_names().get(self.reason, "?")
            if int(self.value["wait_object"]) != 0:
                text += f" {int(self.value['wait_object']):#x}"
            held_by = int(self.value["wait_for_id"])
            if held_by and self.reason_is_lock():
                text += f", held by {held_by} when the wait began"
            return text
        return "runnable"

    def reason_is_lock(self):
        return reason_names().get(self.reason) in ("mutex", "once", "rwmutex read", "rwmutex write")

    def __str__(self):
        return f"coroutine {self.id} '{self.name}': {self.state()}"


def coroutines():
    arena = lookup("stack_arena")
    base = int(arena["base"])
    if base == 0:
        raise NoRuntime()
    slot = 1 << int(arena["shift"])
    co_type = gdb.lookup_type("struct co")
    co_bytes = int(gdb.parse_and_eval("(long)CO_BYTES"))
    used = used_slots()
    for i in range(used):
        low = base + i * slot
        at = low + slot - co_bytes
        value = gdb.Value(at).cast(co_type.pointer()).dereference()
        if atomic(value["live"]):
            yield Coroutine(value, low, at)


def used_slots():
    """The static variable pool of stack.c; there are others of that name."""
    return atomic(gdb.parse_and_eval("'stack.c'::pool")["used"])


def find(number):
    for co in coroutines():
        if co.id == number:
            return co
    raise gdb.GdbError(f"no coroutine {number} lives")


def show_thread_stack(thread):
    before, frame = gdb.selected_thread(), gdb.selected_frame()
    thread.switch()
    gdb.execute("backtrace")
    before.switch()
    frame.select()


def show_parked_stack(co):
    """On a live process gdb's own unwinder walks, with the registers lent to the coroutine. In a
    core file registers cannot be set: then by frame pointers."""
    arch = gdb.newest_frame().architecture().name()
    if arch not in REGISTERS:
        raise gdb.GdbError(f"no idea of the registers of {arch}")
    names, words, sp_name = REGISTERS[arch]
    saved = {name: read_word(co.sp + 8 * i) for i, name in enumerate(names)}
    if arch == "aarch64":
        saved["pc"] = saved["x30"]
    saved[sp_name] = co.sp + 8 * words
    if can_set_registers():
        walk_with_registers(saved)
    else:
        walk_frame_pointers(saved.get("rip", saved.get("pc")), saved.get("rbp", saved.get("x29")),
                            co)


def can_set_registers():
    try:
        target = gdb.selected_inferior().connection.type
    except AttributeError:
        target = ""
    return target not in ("core", "")


def walk_with_registers(saved):
    gdb.newest_frame().select()
    kept = {name: int(gdb.parse_and_eval(f"(unsigned long)${name}")) for name in saved}
    try:
        for name, value in saved.items():
            gdb.execute(f"set ${name} = {value}", to_string=True)
        gdb.execute("backtrace")
    finally:
        gdb.newest_frame().select()
        for name, value in kept.items():
            gdb.execute(f"set ${name} = {value}", to_string=True)


def walk_frame_pointers(pc, fp, co):
    number = 0
    while True:
        print(f"#{number}  {describe(pc if number == 0 else pc - 1)}")
        if not co.low <= fp <= co.high - 16:
            return
        caller, pc = read_word(fp), read_word(fp + 8)
        if caller == 0 or caller <= fp:
            return
        fp = caller
        number += 1


def describe(pc):
    block = gdb.block_for_pc(pc)
    while block is not None and block.function is None:
        block = block.superblock
    name = block.function.name if block is not None else None
    where = gdb.find_pc_line(pc)
    if name is None:
        return gdb.execute(f"info symbol {pc:#x}", to_string=True).strip()
    if where.symtab is None:
        return name
    return f"{name} () at {where.symtab.filename}:{where.line}"


def show_stack(co):
    thread = current(co)
    if thread is not None:
        show_thread_stack(thread)
    elif co.off_stack():
        show_parked_stack(co)
    else:
        print("(its stack is being left or entered)")


class Weir(gdb.Command):
    """Coroutines of libweir: weir coroutines, weir bt NUMBER, weir bt all."""

    def __init__(self):
        super().__init__("weir", gdb.COMMAND_STACK, prefix=True)


class WeirCoroutines(gdb.Command):
    """List every coroutine: number, name, state."""

    def __init__(self):
        super().__init__("weir coroutines", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for co in coroutines():
            print(co)


class WeirBacktrace(gdb.Command):
    """Show the stack of a coroutine: weir bt NUMBER, weir bt all."""

    def __init__(self):
        super().__init__("weir bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        if argument == "all":
            for co in coroutines():
                print(co)
                show_stack(co)
                print()
        elif argument.isdigit():
            co = find(int(argument))
            print(co)
            show_stack(co)
        else:
            raise gdb.GdbError("expected: weir bt NUMBER, or weir bt all")


Weir()
WeirCoroutines()
WeirBacktrace()
