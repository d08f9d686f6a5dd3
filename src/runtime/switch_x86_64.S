/* The context switch for x86-64, System V ABI: the callee-saved registers go onto the stack that is
 * left, its pointer is stored, the other stack's are taken. mxcsr and the x87 control word are not
 * swapped (src/runtime/README.md). IBT is supported, a shadow stack is not: the note says so.
 *
 * The processor predicts returns by the calls that it has seen. All coroutines are suspended through
 * one call site, so the return from co_switch is predicted, whoever is resumed. A newborn is jumped
 * to, and its end is a return from co_main and a resume, so that as many returns as calls have been
 * seen when its parent goes on: else each frame of the parent, up to where it waits, would return to
 * where nobody expected it, at some twenty cycles. */
    .text

/* void co_switch(void **save_sp, void *load_sp, bool newborn) */
    .globl co_switch
    .hidden co_switch
    .type co_switch, @function
    .p2align 4
co_switch:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    movq %rsp, (%rdi)
    movq %rsi, %rsp
.Lresume: /* the stack that rsp points to; dl: newborn */
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    testb %dl, %dl
    jnz 1f
    ret
1:  .cfi_undefined rip
    addq $8, %rsp /* the address of co_entry */
    jmp co_entry
    .cfi_endproc
    .size co_switch, . - co_switch

/* Where a new coroutine begins; r12 holds it. The undefined return address and the zero frame
 * pointer end every backtrace here. */
    .globl co_entry
    .hidden co_entry
    .type co_entry, @function
    .p2align 4
co_entry:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    xorl %ebp, %ebp
    movq %r12, %rdi
    call co_main
    movq %rax, %rsp /* struct resumption, in rax and rdx */
    jmp .Lresume
    .cfi_endproc
    .size co_entry, . - co_entry

    .section .note.GNU-stack, "", @progbits

    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4 /* GNU_PROPERTY_X86_FEATURE_1_AND: IBT, not SHSTK */
    .long 1, 0
