# Ordinary integer instructions with known operands and results: vectors.inc has
# those that fit one pattern. What spans several registers or storage is in string.s,
# floating point in float.s, program checks in pgm.s, translation in dat.s.
.include "rt.inc"

# One instruction over many rows: %r4 = first operand and result, %r5 = second,
# also at 8(%r12). The condition code before it is the row's.
.macro TABLE name, insn
    BEGIN "\name"
    larl %r12, 9960f
    larl %r11, 9961f
9962:
    lg %r4, 0(%r12)
    lg %r5, 8(%r12)
    llgc %r1, 24(%r12)
    sllg %r1, %r1, 28
    spm %r1
    \insn
    brasl %r14, check_row
    aghi %r12, 32
    clgr %r12, %r11
    jl 9962b
    END
    .pushsection .rodata
    .balign 8
9960:
.endm
.macro V first, second, before, result, cc
    .quad \first, \second, \result
    .byte \before, \cc, 0, 0, 0, 0, 0, 0
.endm
.macro TABLE_END
9961:
    .popsection
.endm

main:
    .include "vectors.inc"
    jg finish

# The row at %r12 against %r4 and the condition code.
check_row:
    ENTER
    ipm %r6
    lgr %r2, %r4
    lg %r3, 16(%r12)
    CALL group_check
    llgc %r3, 25(%r12)
    cghi %r3, 255
    je 0f
    srl %r6, 28
    llgfr %r2, %r6
    CALL group_check
0:  LEAVE
