/* Calls that come back by a jump, and calls on other stacks, for aarch64. Like the switch: return
 * addresses are not signed; BTI is supported. */
    .text

/* int try_call(void **save_sp, void (*fn)(void *), void *arg) */
    .globl try_call
    .hidden try_call
    .type try_call, %function
    .p2align 4
try_call:
    .cfi_startproc
    hint #34 /* bti c */
    sub sp, sp, #160
    .cfi_adjust_cfa_offset 160
    stp x29, x30, [sp, #0]
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    stp x19, x20, [sp, #16]
    stp x21, x22, [sp, #32]
    stp x23, x24, [sp, #48]
    stp x25, x26, [sp, #64]
    stp x27, x28, [sp, #80]
    .cfi_rel_offset x19, 16
    .cfi_rel_offset x20, 24
    .cfi_rel_offset x21, 32
    .cfi_rel_offset x22, 40
    .cfi_rel_offset x23, 48
    .cfi_rel_offset x24, 56
    .cfi_rel_offset x25, 64
    .cfi_rel_offset x26, 72
    .cfi_rel_offset x27, 80
    .cfi_rel_offset x28, 88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x29, sp
    mov x9, sp
    str x9, [x0]
    mov x0, x2
    blr x1
    mov w0, #0
    /* also reached from try_return(), with the stack as it is here */
.Ltry_out:
    ldp x19, x20, [sp, #16]
    ldp x21, x22, [sp, #32]
    ldp x23, x24, [sp, #48]
    ldp x25, x26, [sp, #64]
    ldp x27, x28, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    ldp x29, x30, [sp, #0]
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
    ret
    .cfi_endproc
    .size try_call, . - try_call

/* void try_return(void *sp, int r) */
    .globl try_return
    .hidden try_return
    .type try_return, %function
    .p2align 4
try_return:
    .cfi_startproc
    .cfi_undefined x30
    hint #34 /* bti c */
    mov sp, x0
    mov w0, w1
    b .Ltry_out
    .cfi_endproc
    .size try_return, . - try_return

/* void stack_call(void *sp, void (*fn)(void *), void *arg) */
    .globl stack_call
    .hidden stack_call
    .type stack_call, %function
    .p2align 4
stack_call:
    .cfi_startproc
    hint #34 /* bti c */
    stp x29, x30, [sp, #-16]!
    .cfi_adjust_cfa_offset 16
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    mov x29, sp
    .cfi_def_cfa_register x29
    mov sp, x0
    mov x0, x2
    blr x1
    mov sp, x29
    ldp x29, x30, [sp], #16
    .cfi_def_cfa sp, 0
    .cfi_restore x29
    .cfi_restore x30
    ret
    .cfi_endproc
    .size stack_call, . - stack_call

/* void stack_jump(void *sp, void (*fn)(void *), void *arg): backtraces end here. */
    .globl stack_jump
    .hidden stack_jump
    .type stack_jump, %function
    .p2align 4
stack_jump:
    .cfi_startproc
    .cfi_undefined x30
    hint #34 /* bti c */
    mov sp, x0
    mov x29, xzr
    mov x30, xzr
    mov x0, x2
    blr x1
    brk #1
    .cfi_endproc
    .size stack_jump, . - stack_jump

    .section .note.GNU-stack, "", %progbits

    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000000, 4 /* GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI */
    .long 1, 0
