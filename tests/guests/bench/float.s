# Benchmark rows: binary floating point. Eight operations of one sort a turn, two on each
# of four registers, so that neither a chain nor their number is all that counts.
.include "bench.inc"
.include "answers.inc"

.equ TURNS, 1000

prepare:
unprepare:
    br %r14

# %f0, %f2, %f4, %f6 = the four numbers, %f8, %f10, %f12 = operands; %r0 = turns
.macro READY load, size
    larl %r1, 9950f
    .irp n, 0, 1, 2, 3
    .set reg, 2*\n
    \load reg, \size*\n(%r1)
    .endr
    \load %f8, 4*\size(%r1)
    \load %f10, 5*\size(%r1)
    \load %f12, 6*\size(%r1)
    lghi %r0, TURNS
    lghi %r2, 0
.endm
# The sum of the four numbers' bits, and their values behind the code
.macro SUM_LONG
    .irp reg, 0, 2, 4, 6
    lgdr %r3, %f\reg
    agr %r2, %r3
    .endr
    br %r14
    .balign 8
9950:
    .quad LONG_0, LONG_1, LONG_2, LONG_3, LONG_A, LONG_B, LONG_C
.endm
.macro SUM_SHORT
    .irp reg, 0, 2, 4, 6
    lgdr %r3, %f\reg
    srlg %r3, %r3, 32
    agr %r2, %r3
    .endr
    br %r14
    .balign 8
9950:
    .long SHORT_0, SHORT_1, SHORT_2, SHORT_3, SHORT_A, SHORT_B, SHORT_C
.endm

# \first and \second in turn, on each number with an operand of its own
.macro ARITHMETIC name, load, size, first, second, want, sum
    ROW "float.\name", 8*TURNS, \want
    READY \load, \size
0:  \first %f0, %f8
    \first %f2, %f10
    \first %f4, %f12
    \first %f6, %f8
    \second %f0, %f10
    \second %f2, %f12
    \second %f4, %f8
    \second %f6, %f10
    brctg %r0, 0b
    \sum
.endm
    ARITHMETIC add-long, ld, 8, adbr, adbr, ADD_LONG, SUM_LONG
    ARITHMETIC multiply-long, ld, 8, mdbr, mdbr, MULTIPLY_LONG, SUM_LONG
    ARITHMETIC divide-long, ld, 8, ddbr, ddbr, DIVIDE_LONG, SUM_LONG
    ARITHMETIC mixed-long, ld, 8, sdbr, mdbr, MIXED_LONG, SUM_LONG
    ARITHMETIC add-short, le, 4, aebr, aebr, ADD_SHORT, SUM_SHORT
    ARITHMETIC multiply-short, le, 4, meebr, meebr, MULTIPLY_SHORT, SUM_SHORT
    ARITHMETIC divide-short, le, 4, debr, debr, DIVIDE_SHORT, SUM_SHORT

# Multiply and add, rounded once: x := x + a * b
    ROW "float.fma-long", 8*TURNS, FMA_LONG
    READY ld, 8
0:  madbr %f0, %f8, %f10
    madbr %f2, %f10, %f12
    madbr %f4, %f12, %f8
    madbr %f6, %f8, %f8
    msdbr %f0, %f12, %f12
    msdbr %f2, %f8, %f12
    msdbr %f4, %f10, %f10
    msdbr %f6, %f12, %f10
    brctg %r0, 0b
    SUM_LONG

.macro ROOTS name, load, size, insn, add, negate, want, sum
    ROW "float.\name", 8*TURNS, \want
    READY \load, \size
    \negate %f4, %f4                     # the one that is below zero
0:  \insn %f1, %f0
    \insn %f3, %f2
    \insn %f5, %f4
    \insn %f7, %f6
    \insn %f9, %f8
    \insn %f11, %f10
    \insn %f13, %f12
    \insn %f15, %f1
    brctg %r0, 0b
    \add %f0, %f1
    \add %f0, %f3
    \add %f0, %f5
    \add %f0, %f7
    \add %f2, %f9
    \add %f2, %f11
    \add %f4, %f13
    \add %f6, %f15
    \sum
.endm
    ROOTS root-long, ld, 8, sqdbr, adbr, lcdbr, ROOT_LONG, SUM_LONG
    ROOTS root-short, le, 4, sqebr, aebr, lcebr, ROOT_SHORT, SUM_SHORT

# Comparisons, each with a branch
    ROW "float.compare-long", 8*TURNS, TURNS*4
    READY ld, 8
0:  cdbr %f8, %f10
    jl 1f
    aghi %r2, 1
1:  cdbr %f10, %f8
    jh 1f
    aghi %r2, 2
1:  cdbr %f12, %f12
    jne 1f
    aghi %r2, 4
1:  cdbr %f0, %f0
    jo 1f
    cdbr %f2, %f0
    je 1f
    cdbr %f4, %f0
    jo 1f
    cdbr %f6, %f0
    je 1f
    cdbr %f8, %f0
    jnl 1f
1:  brctg %r0, 0b
    br %r14
    .balign 8
9950:
    .quad LONG_0, LONG_1, LONG_2, LONG_3, LONG_A, LONG_B, LONG_C

# To integers and back
    ROW "float.convert-long", 8*TURNS, CONVERT_LONG
    READY ld, 8
    lgfi %r4, 123456
0:  cdgbr %f0, %r4
    cgdbr %r5, 5, %f0
    cdgbr %f2, %r5
    cgdbr %r6, 5, %f2
    cdfbr %f4, %r6
    cfdbr %r7, 5, %f4
    cdgbr %f6, %r0
    cgdbr %r8, 5, %f6
    agr %r4, %r8
    ar %r7, %r8
    brctg %r0, 0b
    lgr %r2, %r4
    SUM_LONG

# Short to long and back, and rounding to an integer
    ROW "float.lengths", 8*TURNS, LENGTHS
    READY ld, 8
0:  ledbr %f1, %f0
    ldebr %f0, %f1
    ledbr %f3, %f2
    ldebr %f2, %f3
    ledbr %f5, %f4
    ldebr %f4, %f5
    fidbr %f7, 5, %f12
    fidbr %f6, 1, %f7
    brctg %r0, 0b
    SUM_LONG

# Sums rounded towards zero
    ROW "float.add-towards-zero", 8*TURNS, ADD_TOWARDS_ZERO
    srnm 1
    READY ld, 8
0:  adbr %f0, %f8
    adbr %f2, %f10
    adbr %f4, %f12
    adbr %f6, %f8
    adbr %f0, %f10
    adbr %f2, %f12
    adbr %f4, %f8
    adbr %f6, %f10
    brctg %r0, 0b
    srnm 0
    SUM_LONG

# A polynomial of degree 7 by Horner's rule, its coefficients from storage
    ROW "float.horner", 2*TURNS, HORNER
    READY ld, 8
    larl %r1, 9951f
0:  .irp x, 8, 10
    ld %f1, 0(%r1)
    .irp n, 1, 2, 3, 4, 5, 6, 7
    mdbr %f1, %f\x
    adb %f1, 8*\n(%r1)
    .endr
    adbr %f0, %f1
    .endr
    brctg %r0, 0b
    SUM_LONG
9951:
    .double 0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8
