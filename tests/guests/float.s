# Binary floating point, short and long: values, rounding, flags and traps.
# float-vectors.inc has what fits one pattern. No extended format, no decimal or
# hexadecimal arithmetic.
.include "rt.inc"
.include "table.inc"

.equ LC_A, LC_FREE+0x80

.macro FLOAT name, insn
    TABLE_WITH "\name", "ld %f0,0(%r12); ld %f2,8(%r12)", "\insn", "lgdr %r4,%f0"
.endm
.macro FLOAT_FIXED name, insn
    TABLE_WITH "\name", "lg %r4,0(%r12); ld %f2,8(%r12)", "\insn", nopr
.endm
.macro FPC value
    llilf %r1, \value
    sfpc %r1
.endm
.macro EXPECT_FPC value
    efpc %r5
    llgfr %r5, %r5
    EXPECT %r5, \value
.endm
.macro EXPECT_BITS reg, value
    lgdr %r5, \reg
    EXPECT %r5, \value
.endm
.macro CONSTANT reg, value
    larl %r1, 9955f
    ld \reg, 0(%r1)
    .pushsection .rodata
    .balign 8
9955:
    .quad \value
    .popsection
.endm
.equ ONE, 0x3ff0000000000000
.equ THREE, 0x4008000000000000
.equ HUGE, 0x7fe0000000000000
.equ TINY, 0x0010000000000000           # the smallest normal number
.equ QUIET, 0x7ff8000000000000
.equ SIGNALLING, 0x7ff4000000000000
.equ INFINITY, 0x7ff0000000000000
# \insn, its exception enabled, is a data exception with this DXC
.macro TRAP fpc, dxc, insn
    FPC \fpc
    ON_PGM 9941f
    \insn
9941:
    llgh %r4, LC_PGM_CODE
    ON_PGM unexpected_pgm
    EXPECT %r4, 7
    l %r5, LC_DXC
    llgfr %r5, %r5
    EXPECT %r5, \dxc
    efpc %r5
    llgfr %r5, %r5
    EXPECT %r5, \fpc | \dxc<<8          # also in the FPC, where the flag stays 0
    mvhhi LC_PGM_CODE, 0
.endm

main:
    BEGIN "FPC: set, store, load"
    EXPECT_FPC 0
    FPC 0xf8f8ff03
    EXPECT_FPC 0xf8f8ff03
    stfpc LC_A
    llgf %r5, LC_A
    EXPECT %r5, 0xf8f8ff03
    FPC 0
    lfpc LC_A
    EXPECT_FPC 0xf8f8ff03
    srnm 1
    EXPECT_FPC 0xf8f8ff01
    FPC 0
    END

    BEGIN "FPC: invalid bits"
    ON_PGM 0f
    llilf %r5, 0x01000000
    sfpc %r5
0:  llgh %r4, LC_PGM_CODE
    ON_PGM unexpected_pgm
    EXPECT %r4, 6
    EXPECT_FPC 0
    END

    BEGIN "loads, stores and moves"
    larl %r12, area
    lgrl %r5, pattern
    ldgr %f9, %r5
    std %f9, 0(%r12)
    lg %r6, 0(%r12)
    EXPECT %r6, 0x0123456789abcdef
    lzdr %f4
    le %f4, 4(%r12)                     # only bits 0-31 change
    EXPECT_BITS %f4, 0x89abcdef00000000
    ldr %f15, %f9
    ler %f15, %f4
    EXPECT_BITS %f15, 0x89abcdef89abcdef
    ste %f15, 8(%r12)
    llgf %r6, 8(%r12)
    EXPECT %r6, 0x89abcdef
    ldy %f1, 0(%r12)
    EXPECT_BITS %f1, 0x0123456789abcdef
    stdy %f1, 16(%r12)
    stey %f1, 16+4(%r12)
    lg %r6, 16(%r12)
    EXPECT %r6, 0x0123456701234567
    lzer %f1
    EXPECT_BITS %f1, 0x89abcdef          # a short zero
    CONSTANT %f3, 0xbff0000000000000
    lpdfr %f4, %f3
    EXPECT_BITS %f4, 0x3ff0000000000000
    lcdfr %f4, %f4
    EXPECT_BITS %f4, 0xbff0000000000000
    CONSTANT %f5, ONE
    cpsdr %f6, %f3, %f5                 # the sign of %f3
    EXPECT_BITS %f6, 0xbff0000000000000
    END

    .include "float-vectors.inc"
    FPC 0

    BEGIN "rounding modes"
    CONSTANT %f2, THREE
    .macro THIRD mode, sign, want
    FPC \mode
    CONSTANT %f0, \sign
    ddbr %f0, %f2
    EXPECT_BITS %f0, \want
    .endm
    THIRD 0, ONE, 0x3fd5555555555555
    THIRD 1, ONE, 0x3fd5555555555555
    THIRD 2, ONE, 0x3fd5555555555556
    THIRD 3, ONE, 0x3fd5555555555555
    THIRD 0, 0xbff0000000000000, 0xbfd5555555555555
    THIRD 1, 0xbff0000000000000, 0xbfd5555555555555
    THIRD 2, 0xbff0000000000000, 0xbfd5555555555555
    THIRD 3, 0xbff0000000000000, 0xbfd5555555555556
    FPC 0
    END

    BEGIN "flags"
    CONSTANT %f0, ONE
    CONSTANT %f2, THREE
    ddbr %f0, %f2
    EXPECT_FPC 0x00080000               # inexact
    FPC 0
    CONSTANT %f0, ONE
    lzdr %f2
    ddbr %f0, %f2
    EXPECT_BITS %f0, INFINITY
    EXPECT_FPC 0x00400000               # division by zero
    FPC 0
    lzdr %f0
    ddbr %f0, %f2
    EXPECT_BITS %f0, QUIET
    EXPECT_FPC 0x00800000               # invalid
    FPC 0
    CONSTANT %f0, HUGE
    adbr %f0, %f0
    EXPECT_CC 2
    EXPECT_BITS %f0, INFINITY
    EXPECT_FPC 0x00280000               # overflow, inexact
    CONSTANT %f0, TINY
    CONSTANT %f2, THREE
    FPC 0
    ddbr %f0, %f2
    EXPECT_BITS %f0, 0x0005555555555555
    EXPECT_FPC 0x00180000               # underflow, inexact
    FPC 0
    CONSTANT %f0, TINY
    CONSTANT %f2, 0x3fe0000000000000    # one half: exact, so no underflow is flagged
    mdbr %f0, %f2
    EXPECT_BITS %f0, 0x0008000000000000
    EXPECT_FPC 0
    CONSTANT %f0, INFINITY
    CONSTANT %f2, INFINITY
    sdbr %f0, %f2
    EXPECT_CC 3
    EXPECT_FPC 0x00800000
    FPC 0
    END

    BEGIN "not-a-number"
    CONSTANT %f0, QUIET+5
    CONSTANT %f2, ONE
    adbr %f0, %f2
    EXPECT_CC 3
    EXPECT_BITS %f0, QUIET+5            # the payload stays
    EXPECT_FPC 0
    CONSTANT %f0, SIGNALLING
    adbr %f0, %f2
    EXPECT_BITS %f0, SIGNALLING+QUIET-INFINITY
    EXPECT_FPC 0x00800000
    FPC 0
    CONSTANT %f0, QUIET
    cdbr %f0, %f2                       # quiet: no flag
    EXPECT_CC 3
    EXPECT_FPC 0
    kdbr %f0, %f2                       # and signal
    EXPECT_CC 3
    EXPECT_FPC 0x00800000
    FPC 0
    END

    BEGIN "traps"
    CONSTANT %f0, ONE
    lzdr %f2
    TRAP 0x40000000, 0x40, "ddbr %f0, %f2"
    EXPECT_BITS %f0, ONE                # suppressed
    lzdr %f4
    TRAP 0x80000000, 0x80, "ddbr %f4, %f2"
    EXPECT_BITS %f4, 0
    CONSTANT %f2, THREE
    CONSTANT %f0, SIGNALLING
    TRAP 0x80000000, 0x80, "cdbr %f0, %f2"
    FPC 0
    END

    # Overflow, underflow and inexact complete the operation.
    BEGIN "trap: inexact and truncated"
    CONSTANT %f0, ONE
    TRAP 0x08000000, 0x08, "ddbr %f0, %f2"
    EXPECT_BITS %f0, 0x3fd5555555555555
    FPC 0
    END

    BEGIN "trap: inexact and incremented"
    CONSTANT %f0, 0x4014000000000000    # 5: 5/3 is 1.1010...101 in binary
    CONSTANT %f2, THREE
    TRAP 0x08000000, 0x0c, "ddbr %f0, %f2"
    EXPECT_BITS %f0, 0x3ffaaaaaaaaaaaab
    FPC 0
    END

    # The result's exponent is wrapped, so that the handler can see the value.
    BEGIN "trap: overflow"
    CONSTANT %f0, HUGE
    TRAP 0x20000000, 0x20, "adbr %f0, %f0"
    EXPECT_BITS %f0, 0x1ff0000000000000
    FPC 0
    END

    BEGIN "fused multiply and add"
    CONSTANT %f0, 0xbff0000000000000
    CONSTANT %f2, 0x3ff0000000000001    # 1 + 2**-52
    ldr %f4, %f2
    madbr %f0, %f2, %f4                 # 2**-51 + 2**-104, rounded once
    EXPECT_BITS %f0, 0x3cc0000000000000
    CONSTANT %f0, ONE
    msdbr %f0, %f2, %f4
    EXPECT_BITS %f0, 0x3cc0000000000000
    CONSTANT %f0, ONE
    CONSTANT %f2, 0x3ff8000000000000
    larl %r12, area
    std %f2, 0(%r12)
    madb %f0, %f2, 0(%r12)
    EXPECT_BITS %f0, 0x400a000000000000
    FPC 0
    END

    BEGIN "test data class"
    .macro CLASS value, bit
    CONSTANT %f0, \value
    tcdb %f0, \bit
    EXPECT_CC 1
    tcdb %f0, 0xfff-\bit
    EXPECT_CC 0
    .endm
    CLASS 0, 0x800
    CLASS 0x8000000000000000, 0x400
    CLASS ONE, 0x200
    CLASS 0xbff0000000000000, 0x100
    CLASS 1, 0x080
    CLASS 0x8000000000000001, 0x040
    CLASS INFINITY, 0x020
    CLASS 0xfff0000000000000, 0x010
    CLASS QUIET, 0x008
    CLASS 0xfff8000000000000, 0x004
    CLASS SIGNALLING, 0x002
    CLASS 0xfff4000000000000, 0x001
    END

    jg finish

.data
    .balign 8
pattern:
    .quad 0x0123456789abcdef
.bss
    .balign 8
area:
    .skip 32
