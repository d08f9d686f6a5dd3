/* Calls that come back by a jump, and calls on other stacks, for x86-64. Like the switch: IBT is
 * supported, a shadow stack is not. */
    .text

/* int try_call(void **save_sp, void (*fn)(void *), void *arg) */
    .globl try_call
    .hidden try_call
    .type try_call, @function
    .p2align 4
try_call:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    movq %rsp, %rbp
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
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    movq %rsp, (%rdi)
    movq %rdx, %rdi
    call *%rsi
    xorl %eax, %eax
    /* also reached from try_return(), with the stack as it is here */
.Ltry_out:
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
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
    ret
    .cfi_endproc
    .size try_call, . - try_call

/* void try_return(void *sp, int r) */
    .globl try_return
    .hidden try_return
    .type try_return, @function
    .p2align 4
try_return:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq %rdi, %rsp
    movl %esi, %eax
    jmp .Ltry_out
    .cfi_endproc
    .size try_return, . - try_return

/* void stack_call(void *sp, void (*fn)(void *), void *arg) */
    .globl stack_call
    .hidden stack_call
    .type stack_call, @function
    .p2align 4
stack_call:
    .cfi_startproc
    endbr64
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    movq %rsp, %rbp
    .cfi_def_cfa_register rbp
    movq %rdi, %rsp
    movq %rdx, %rdi
    call *%rsi
    movq %rbp, %rsp
    popq %rbp
    .cfi_def_cfa rsp, 8
    .cfi_restore rbp
    ret
    .cfi_endproc
    .size stack_call, . - stack_call

/* void stack_jump(void *sp, void (*fn)(void *), void *arg): backtraces end here. */
    .globl stack_jump
    .hidden stack_jump
    .type stack_jump, @function
    .p2align 4
stack_jump:
    .cfi_startproc
    .cfi_undefined rip
    endbr64
    movq %rdi, %rsp
    xorl %ebp, %ebp
    movq %rdx, %rdi
    call *%rsi
    ud2
    .cfi_endproc
    .size stack_jump, . - stack_jump

    .section .note.GNU-stack, "", @progbits

    .section .note.gnu.property, "a"
    .p2align 3
    .long 4, 16, 5
    .asciz "GNU"
    .long 0xc0000002, 4 /* GNU_PROPERTY_X86_FEATURE_1_AND: IBT, not SHSTK */
    .long 1, 0
