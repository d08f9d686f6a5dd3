/* The context switch for aarch64, AAPCS64: x19-x30 and d8-d15 go onto the stack that is left, its
 * pointer is stored, the other stack's are taken. Return addresses are not signed here; BTI is
 * supported. Calls and returns stay in pairs, see switch_x86_64.S. */
    .text

/* void co_switch(void **save_sp, void *load_sp, bool newborn) */
    .globl co_switch
    .hidden co_switch
    .type co_switch, %function
    .p2align 4
co_switch:
    .cfi_startproc
    hint #34 /* bti c */
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x19, 0
    .cfi_rel_offset x20, 8
    .cfi_rel_offset x21, 16
    .cfi_rel_offset x22, 24
    .cfi_rel_offset x23, 32
    .cfi_rel_offset x24, 40
    .cfi_rel_offset x25, 48
    .cfi_rel_offset x26, 56
    .cfi_rel_offset x27, 64
    .cfi_rel_offset x28, 72
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
.Lresume: /* the stack that sp points to; w2: newborn */
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    .cfi_adjust_cfa_offset -160
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    tbnz w2, #0, co_entry
    ret
    .cfi_endproc
    .size co_switch, . - co_switch

/* Where a new coroutine begins; x19 holds it. The undefined return address and the zero frame
 * pointer end every backtrace here. */
    .globl co_entry
    .hidden co_entry
    .type co_entry, %function
    .p2align 4
co_entry:
    .cfi_startproc
    .cfi_undefined x30
    hint #34 /* bti c */
    mov x29, xzr
    mov x30, xzr
    mov x0, x19
    bl co_main
    mov sp, x0 /* struct resumption, in x0 and x1 */
    mov x2, x1
    b .Lresume
    .cfi_endproc
    .size co_entry, . - co_entry

    .section .note.GNU-stack, "", %progbits

    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000, 4 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */
    .long 1, 0
