/*
 * From multiboot 1 to C in long mode, for CPU 0 and, through a start-up
 * interrupt, for the others.
 *
 * The header gives the image's addresses itself (flag 16), so a loader needs no
 * ELF: the image is the bytes from `load_start` on, nothing else.
 */
#define MAGIC 0x1BADB002
#define FLAGS 0x00010002        /* memory size and command line; addresses below */

#define CODE32 0x08
#define CODE64 0x10
#define DATA 0x18
#define USER_DATA 0x23
#define USER_CODE 0x2B


#define TRAMPOLINE 0x8000       /* where a start-up interrupt of vector 8 begins */

    .section .head, "ax"
    .code32
    .balign 4
header:
    .long MAGIC, FLAGS, -(MAGIC + FLAGS)
    .long header, load_start, load_end, bss_end, entry

    .globl entry
entry:
    cli
    cld
    mov %ebx, %esi              /* multiboot information */
    mov $bss_start, %edi
    mov $bss_end, %ecx
    sub %edi, %ecx
    xor %eax, %eax
    rep stosb
    mov %esi, boot_info
    mov $cpu0_stack_end, %esp
    call map
    mov $cpu0_64, %ebx
    /* fall through */

/* Turns long mode on and goes to %ebx; the tables are there. */
long_mode:
    mov $DATA, %eax
    lgdt gdt_pointer
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov %cr4, %eax
    or $0x20, %eax              /* PAE */
    mov %eax, %cr4
    mov $pml4, %eax
    mov %eax, %cr3
    mov $0xC0000080, %ecx       /* EFER */
    rdmsr
    or $0x100, %eax             /* LME */
    wrmsr
    mov %cr0, %eax
    and $0x9FFFFFFF, %eax       /* caches on */
    or $0x80000001, %eax        /* PG, PE */
    mov %eax, %cr0
    ljmp $CODE64, $1f
    .code64
1:  mov %ebx, %ebx
    jmp *%rbx
    .code32

/* The first 4 GiB as they are, in pages of 2 MiB, user mode's too. */
map:
    movl $pdpt + 7, pml4
    mov $pdpt, %edi
    mov $directories + 7, %eax
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $4096, %eax
    add $8, %edi
    loop 1b
    mov $directories, %edi
    mov $0x87, %eax             /* present, writable, user, large */
    mov $2048, %ecx
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    ret

    .code64
cpu0_64:
    mov $cpu0_stack_end, %esp
    mov boot_info, %edi
    call start
1:  hlt
    jmp 1b

other_64:
    mov $1, %edi
    lock xadd %edi, cpus_counted
    mov %edi, %eax
    shl $12, %eax
    lea other_stacks(%rax), %rsp
    call start_other
1:  hlt
    jmp 1b

/* What is copied to TRAMPOLINE: from real mode to `other_32`. */
    .globl trampoline, trampoline_end
    .code16
trampoline:
    cli
    xor %ax, %ax
    mov %ax, %ds
    lgdtl TRAMPOLINE + (low_gdt_pointer - trampoline)
    mov %cr0, %eax
    or $1, %eax
    mov %eax, %cr0
    ljmpl $CODE32, $other_32
    .balign 4
low_gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt
trampoline_end:

    .code32
other_32:
    mov $DATA, %eax             /* long mode's table is beyond a real mode segment */
    mov %eax, %ds
    mov $other_64, %ebx
    jmp long_mode

/*
 * Interrupts: what C is given is the vector and what the CPU has pushed.
 */
    .text
    .code64
    .globl entries
    .balign 16
entries:
    vector = 0
    .rept 64
    .balign 16
    .if (1 << vector & 0x227D00) == 0   /* those without an error code */
    push $0
    .endif
    push $vector
    jmp interrupted
    vector = vector + 1
    .endr

interrupted:
    push %rax
    push %rcx
    push %rdx
    push %rsi
    push %rdi
    push %r8
    push %r9
    push %r10
    push %r11
    cld
    mov 72(%rsp), %rdi          /* vector */
    mov 80(%rsp), %rsi          /* error code */
    mov 88(%rsp), %rdx          /* address */
    call interrupt
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rdi
    pop %rsi
    pop %rdx
    pop %rcx
    pop %rax
    add $16, %rsp
    iretq

/*
 * in_user(function, argument, user stack, task): calls the function in user
 * mode. Interrupts use this stack from here on, as the task segment says.
 */
    .globl in_user_on, user_end
in_user_on:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    pushf
    mov %rsp, 4(%rcx)           /* the task's stack pointer for privilege 0 */
    lea user_return(%rip), %rax
    mov %rax, -8(%rdx)
    sub $8, %rdx
    pushq $USER_DATA
    push %rdx
    pushf
    pushq $USER_CODE
    push %rdi
    mov %rsi, %rdi
    iretq
user_return:
    int3                        /* vector USER_END of rt.c */
/* The gate for it: its frame is of no use, the caller's registers are below. */
user_end:
    add $40, %rsp
    popf
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .data
    .balign 8
    .globl gdt_pointer
gdt:
    .quad 0
    .quad 0x00CF9A000000FFFF    /* CODE32 */
    .quad 0x00AF9A000000FFFF    /* CODE64 */
    .quad 0x00CF92000000FFFF    /* DATA */
    .quad 0x00CFF2000000FFFF    /* user data */
    .quad 0x00AFFA000000FFFF    /* user code */
    .globl gdt_tasks
gdt_tasks:                      /* one task segment for each CPU, made by C */
    .skip 8 * 16
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt

    .globl cpus_counted
    .balign 4
cpus_counted:
    .long 1

    .bss
    .balign 4096
pml4: .skip 4096
pdpt: .skip 4096
directories: .skip 4 * 4096
    .skip 4096
cpu0_stack_end:
other_stacks:                   /* that of CPU n ends n pages on */
    .skip 8 * 4096
    .globl user_stacks
user_stacks:                    /* likewise, from CPU 0 */
    .skip 8 * 4096
boot_info: .skip 8

    .section .note.GNU-stack, "", @progbits
