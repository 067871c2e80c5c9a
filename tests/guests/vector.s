# The vector facility and its enhancements 1 and 2: enablement, and all of its instructions
# over tables of operands. vector-float.inc has floating point.
.include "rt.inc"
.machine "z15"

.equ CR0_VECTOR, 0x20000
.equ LC_CR0, LC_FREE+0x80
.equ LC_LIST, LC_FREE+0x90
.equ LC_RESULT, LC_FREE+0xc0
.equ LC_MASK, LC_FREE+0xd0
.equ PGM_DATA, 7
.equ PGM_VECTOR, 0x1b

# One instruction over many rows: %v18 to %v20 are its operands, %v17 the target, %r4 and %r5
# the halves of the first operand, %r12 where the row begins. Everything in the row is checked.
.macro VTABLE name, insn
    BEGIN "\name"
    larl %r12, 9960f
    larl %r11, 9961f
9962:
    vlm %v18, %v20, 0(%r12)
    vl %v17, 48(%r12)
    lmg %r4, %r5, 0(%r12)
    lfpc 80(%r12)
    mvhhi LC_PGM_CODE, 0
    mvhi LC_DXC, 0
    ON_PGM 9963f
    llilh %r1, VV_CC<<12
    spm %r1
    \insn
9963:
    ipm %r6
    brasl %r14, check_vector_row
    aghi %r12, 96
    clgr %r12, %r11
    jl 9962b
    END
    .pushsection .rodata
    .balign 8
9960:
.endm
.equ VV_CC, 2                          # the condition code before
.equ VV_TARGET_LEFT, 0xa5a5a5a5a5a5a5a5
.equ VV_TARGET_RIGHT, 0x5a5a5a5a5a5a5a5a
.macro VV first, second, third, result, fpc, after, cc, code
    .octa \first, \second, \third
    .quad VV_TARGET_LEFT, VV_TARGET_RIGHT
    .octa \result
    .long \fpc, \after
    .byte 0, \cc
    .short \code
    .long 0
.endm
.macro VTABLE_END
9961:
    .popsection
.endm

# Program-interruption code and data-exception code of \insn
.macro REFUSED code, dxc, insn
    mvhi LC_DXC, 0
    mvhhi LC_PGM_CODE, 0
    ON_PGM 9941f
    \insn
9941:
    llgh %r4, LC_PGM_CODE
    llgf %r5, LC_DXC
    ON_PGM unexpected_pgm
    EXPECT %r4, \code
    EXPECT %r5, \dxc
.endm
.macro CONTROL bits
    llilf %r1, \bits
    stg %r1, LC_CR0
    lctlg %c0, %c0, LC_CR0
.endm

main:
    BEGIN "facilities"
    lghi %r0, 3
    stfle LC_LIST
    lg %r4, LC_LIST+16                  # facilities 128 to 191
    srlg %r5, %r4, 62
    nill %r5, 1
    llghr %r5, %r5
    EXPECT %r5, 1                       # 129: vector
    srlg %r5, %r4, 56
    nill %r5, 1
    llghr %r5, %r5
    EXPECT %r5, 1                       # 135: enhancements 1
    srlg %r5, %r4, 43
    nill %r5, 1
    llghr %r5, %r5
    EXPECT %r5, 1                       # 148: enhancements 2
    END

    BEGIN "enablement"
    CONTROL CR0_AFP
    REFUSED PGM_DATA, 0xfe, "vzero %v1"
    efpc %r5
    llgfr %r5, %r5
    EXPECT %r5, 0xfe00
    REFUSED PGM_DATA, 0xfe, "wfadb %v31,%v30,%v29"
    CONTROL CR0_VECTOR
    REFUSED PGM_DATA, 0xfe, "vlr %v1,%v2"
    REFUSED PGM_DATA, 0x02, "adbr %f1,%f3"
    CONTROL CR0_AFP|CR0_VECTOR
    REFUSED 0, 0, "vzero %v1"
    sfpc %r0
    END

    BEGIN "registers"
    larl %r12, patterns
    vlm %v0, %v15, 0(%r12)
    vlm %v16, %v31, 256(%r12)
    std %f1, LC_RESULT                  # the left half
    lg %r5, LC_RESULT
    lg %r4, 16(%r12)
    EXPECT %r5, 0x0123456789abcd01
    larl %r10, area
    vstm %v0, %v15, 0(%r10)
    vstm %v16, %v31, 256(%r10)
    lghi %r9, 64
    lgr %r8, %r10
    lgr %r7, %r12
0:  lg %r2, 0(%r8)
    lg %r3, 0(%r7)
    CALL group_check
    la %r8, 8(%r8)
    la %r7, 8(%r7)
    brctg %r9, 0b
    ld %f5, 16(%r12)
    vst %v5, LC_RESULT
    lg %r5, LC_RESULT
    EXPECT %r5, 0x0123456789abcd01
    END

    BEGIN "specification"
    sfpc %r0
    REFUSED 6, 0, ".insn vrr,0xe700000000e3,%v1,%v2,%v3,1,0,0"     # VFA of no format
    REFUSED 6, 0, ".insn vrr,0xe700000000e3,%v1,%v2,%v3,5,0,0"
    REFUSED 6, 0, ".insn vrr,0xe700000000e3,%v1,%v2,%v3,3,4,0"
    REFUSED 6, 0, ".insn vrr,0xe700000000e8,%v1,%v2,%v3,3,2,0"     # VFCE
    REFUSED 6, 0, ".insn vrr,0xe700000000e8,%v1,%v2,%v3,3,0,2"
    REFUSED 6, 0, ".insn vrr,0xe700000000cb,%v1,%v2,%v0,3,8,0"     # WFC
    REFUSED 6, 0, ".insn vrr,0xe700000000c7,%v1,%v2,%v0,3,0,2"     # VFI with method 2
    REFUSED 6, 0, ".insn vrr,0xe700000000c7,%v1,%v2,%v0,3,1,0"
    REFUSED 6, 0, ".insn vrr,0xe700000000c7,%v1,%v2,%v0,3,0,8"
    REFUSED 6, 0, ".insn vrr,0xe700000000c3,%v1,%v2,%v0,4,0,0"     # VCDG extended
    REFUSED 6, 0, ".insn vrr,0xe700000000c4,%v1,%v2,%v0,4,0,0"     # VFLL extended
    REFUSED 6, 0, ".insn vrr,0xe700000000c5,%v1,%v2,%v0,2,0,0"     # VFLR short
    REFUSED 6, 0, ".insn vrr,0xe700000000cc,%v1,%v2,%v0,3,0,3"     # VFPSO
    REFUSED 6, 0, ".insn vrr,0xe700000000ef,%v1,%v2,%v3,3,0,5"     # VFMAX
    REFUSED 6, 0, ".insn vrr,0xe700000000ee,%v1,%v2,%v3,3,0,14"    # VFMIN
    END

    .include "vector-integer.inc"
    .include "vector-float.inc"
    sfpc %r0
    jg finish

# The row at %r12 against %v17, the FPC register, the condition code in %r6 and the program
# interruption that there was or was not.
check_vector_row:
    ENTER
    ON_PGM unexpected_pgm
    vst %v17, LC_RESULT
    lg %r2, LC_RESULT
    lg %r3, 64(%r12)
    CALL group_check
    lg %r2, LC_RESULT+8
    lg %r3, 72(%r12)
    CALL group_check
    efpc %r2
    llgfr %r2, %r2
    llgf %r3, 84(%r12)
    CALL group_check
    llgh %r2, LC_PGM_CODE
    llgh %r3, 90(%r12)
    CALL group_check
    cghi %r3, PGM_VECTOR
    jne 0f
    llgf %r2, LC_DXC                    # the same as in the FPC register
    llgc %r3, 86(%r12)
    CALL group_check
0:  llgc %r3, 89(%r12)
    cghi %r3, 255
    je 1f
    srl %r6, 28
    llgfr %r2, %r6
    CALL group_check
1:  sfpc %r0
    LEAVE

.data
    .balign 8
patterns:
    .set n, 0
    .rept 32
    .quad 0x0123456789abcd00+n, 0xfedcba9876543200+n
    .set n, n+1
    .endr
.bss
    .balign 8
area:
    .skip 512
