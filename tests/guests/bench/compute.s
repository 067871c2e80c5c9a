# Benchmark rows: arithmetic, branches and calls, within registers and a small stack.
# One operation is one turn of the loop (one call) unless said otherwise.
.include "bench.inc"
.include "answers.inc"

prepare:
unprepare:
    br %r14

# Every register gets a pattern of its own
.macro PATTERNS
    larl %r1, patterns
    lmg %r2, %r13, 0(%r1)
    lghi %r1, 0
.endm

# 16 independent instructions of 64 bits
    ROW "alu.64", 20000, ALU_64
    PATTERNS
    lgfi %r0, 20000
0:  agr %r2, %r13
    xgr %r3, %r13
    aghi %r4, 7
    sgr %r5, %r13
    la %r6, 5(%r6)
    xgr %r7, %r13
    agr %r8, %r13
    aghi %r9, -3
    sgr %r10, %r13
    agr %r11, %r13
    xgr %r12, %r13
    aghi %r1, 1
    xgr %r2, %r13
    agr %r3, %r13
    sgr %r4, %r13
    aghi %r5, 9
    brctg %r0, 0b
    jg sum_registers

# The same with 32 bits: the left halves stay as they were
    ROW "alu.32", 20000, ALU_32
    PATTERNS
    lgfi %r0, 20000
0:  ar %r2, %r13
    xr %r3, %r13
    ahi %r4, 7
    sr %r5, %r13
    ahi %r6, 5
    xr %r7, %r13
    alr %r8, %r13
    ahi %r9, -3
    slr %r10, %r13
    ar %r11, %r13
    xr %r12, %r13
    ahi %r1, 1
    xr %r2, %r13
    ar %r3, %r13
    sr %r4, %r13
    ahi %r5, 9
    brctg %r0, 0b
    jg sum_registers

# Logic, shifts, rotations, inserted bits, conditional loads: a dependent mixture of 13
    ROW "alu.mixed", 10000, ALU_MIXED
    PATTERNS
    lgfi %r0, 10000
0:  sllg %r4, %r2, 13
    xgr %r2, %r4
    srlg %r4, %r2, 7
    xgr %r2, %r4
    sllg %r4, %r2, 17
    xgr %r2, %r4
    rll %r5, %r2, 5
    risbg %r6, %r5, 16, 31, 8
    nilf %r5, 0x00ffffff
    algfr %r7, %r5
    cgr %r2, %r7
    locgrl %r8, %r2
    agr %r9, %r8
    brctg %r0, 0b
    jg sum_registers

# Multiplication 64x64 to 64 and to 128 bits
    ROW "alu.multiply", 10000, ALU_MULTIPLY
    PATTERNS
    lgfi %r0, 10000
0:  msgr %r2, %r13
    agr %r2, %r12
    lgr %r5, %r2
    mlgr %r4, %r13
    xgr %r3, %r4
    agr %r3, %r5
    brctg %r0, 0b
    lgr %r2, %r3
    br %r14

# Division 128 by 64 bits, and 32 by 32
    ROW "alu.divide", 5000, ALU_DIVIDE
    PATTERNS
    lgfi %r0, 5000
    llilf %r8, 1000003
    lghi %r3, 0
0:  lghi %r4, 77
    lgr %r5, %r2
    dlgr %r4, %r13
    agr %r2, %r5
    agr %r3, %r4
    lghi %r6, 0
    lr %r7, %r2
    dlr %r6, %r8
    algfr %r3, %r6
    brctg %r0, 0b
    lgr %r2, %r3
    br %r14

# Numbers of 256 bits: a := a + b, c := c - a, a := a + c. 13 instructions
    ROW "carry", 10000, CARRY
    PATTERNS
    lgfi %r1, 10000
0:  algr %r2, %r6
    alcgr %r3, %r7
    alcgr %r4, %r8
    alcgr %r5, %r9
    slgr %r10, %r2
    slbgr %r11, %r3
    slbgr %r12, %r4
    slbgr %r13, %r5
    algr %r2, %r10
    alcgr %r3, %r11
    alcgr %r4, %r12
    alcgr %r5, %r13
    brctg %r1, 0b
    jg sum_registers

# Branches that always go the same way: 4 taken, 4 not
    ROW "branch.predictable", 10000, 20000
    lgfi %r0, 10000
    lghi %r2, 0
    lghi %r3, 1
    lghi %r4, 2
0:  cgrje %r3, %r4, 9f
    cgijlh %r3, 5, 1f
    aghi %r2, 100
1:  cgr %r3, %r4
    jh 9f
    tmll %r4, 2
    jnz 2f
    aghi %r2, 100
2:  ltgr %r3, %r3
    jm 9f
    clgrjl %r3, %r4, 3f
    aghi %r2, 100
3:  chi %r4, 3
    je 9f
    aghi %r2, 2
    clgfi %r4, 2
    je 4f
9:  aghi %r2, 100
4:  brctg %r0, 0b
    br %r14

# Random numbers, new ones in every pass, so that the host cannot learn them: from
# `seed` to %r3. What a row does with them is counted a second way, without branches;
# both counts together are known.
.macro RANDOM
    sllg %r4, %r3, 13
    xgr %r3, %r4
    srlg %r4, %r3, 7
    xgr %r3, %r4
    sllg %r4, %r3, 17
    xgr %r3, %r4
.endm
.macro RANDOM_READY turns
    lgfi %r0, \turns
    lgrl %r3, seed
    lghi %r2, 0
    lghi %r6, 0
    lghi %r7, 0
.endm

# Two branches a turn on bits of a random number, about 17 instructions
    ROW "branch.random", 10000, 6*10000
    RANDOM_READY 10000
0:  RANDOM
    risbg %r4, %r3, 63, 128+63, 64-20
    agr %r6, %r4
    srlg %r4, %r3, 63
    agr %r7, %r4
    tmlh %r3, 0x0010
    jz 1f
    aghi %r2, 3
    j 2f
1:  aghi %r2, 5
2:  ltgr %r3, %r3
    jm 3f
    la %r2, 1(%r2)
3:  brctg %r0, 0b
    stgrl %r3, seed
    agr %r2, %r6
    agr %r2, %r6
    agr %r2, %r7
    br %r14

# A call of a function without a frame
    ROW "call.leaf", 4*5000, 20000
    lgr %r13, %r14
    lgfi %r0, 5000
    lghi %r2, 0
0:  .rept 4
    brasl %r14, leaf
    .endr
    brctg %r0, 0b
    br %r13
leaf:
    aghi %r2, 1
    br %r14

# Three levels of functions with frames, as a compiler makes them
    ROW "call.frames", 3*4000, 4000*6
    lgr %r13, %r14
    lgfi %r0, 4000
    lghi %r2, 0
    aghi %r15, -160
0:  brasl %r14, frame_1
    brctg %r0, 0b
    aghi %r15, 160
    br %r13
frame_1:
    stmg %r11, %r15, 88(%r15)
    aghi %r15, -160
    lghi %r11, 1
    brasl %r14, frame_2
    agr %r2, %r11
    lmg %r11, %r15, 248(%r15)
    br %r14
frame_2:
    stmg %r11, %r15, 88(%r15)
    aghi %r15, -160
    lghi %r11, 2
    brasl %r14, frame_3
    agr %r2, %r11
    lmg %r11, %r15, 248(%r15)
    br %r14
frame_3:
    stmg %r11, %r15, 88(%r15)
    aghi %r15, -160
    lghi %r11, 3
    agr %r2, %r11
    lmg %r11, %r15, 248(%r15)
    br %r14

# fib(16) by its definition: 3193 calls
    ROW "call.recursive", 3193, 987
    lgr %r13, %r14
    aghi %r15, -160
    lghi %r2, 16
    brasl %r14, fib
    aghi %r15, 160
    br %r13
fib:
    cgijl %r2, 2, 0f
    stmg %r11, %r15, 88(%r15)
    aghi %r15, -160
    lgr %r11, %r2
    aghi %r2, -1
    brasl %r14, fib
    lgr %r12, %r2
    lgr %r2, %r11
    aghi %r2, -2
    brasl %r14, fib
    agr %r2, %r12
    lmg %r11, %r15, 248(%r15)
0:  br %r14

# A call of one of eight functions through a table, in random order
    ROW "call.indirect", 10000, 8*10000
    lgr %r13, %r14
    RANDOM_READY 10000
    larl %r5, functions
0:  RANDOM
    risbg %r4, %r3, 58, 128+60, 0       # 8 times 0 to 7
    agr %r6, %r4
    lg %r1, 0(%r4,%r5)
    basr %r14, %r1
    brctg %r0, 0b
    stgrl %r3, seed
    sllg %r2, %r2, 3
    sgr %r2, %r6
    br %r13
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8
function_\n:
    aghi %r2, \n
    br %r14
    .endr

# The same call every time, through a register
    ROW "call.pointer", 4*5000, 20000
    lgr %r13, %r14
    lgfi %r0, 5000
    lghi %r2, 0
    larl %r1, leaf
0:  .rept 4
    basr %r14, %r1
    .endr
    brctg %r0, 0b
    br %r13

# A switch over eight cases, in random order
    ROW "jump.table", 10000, 4*10000
    RANDOM_READY 10000
0:  RANDOM
    risbg %r4, %r3, 59, 128+61, 2       # 4 times 0 to 7
    agr %r6, %r4
    larl %r5, cases
    lgf %r4, 0(%r4,%r5)
    agr %r4, %r5
    br %r4
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8
case_\n:
    aghi %r2, \n
    j 9f
    .endr
9:  brctg %r0, 0b
    stgrl %r3, seed
    sllg %r2, %r2, 2
    sgr %r2, %r6
    br %r14

.section .rodata
    .balign 8
functions:
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8
    .quad function_\n
    .endr
cases:
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8
    .long case_\n-cases
    .endr
    .balign 8
patterns:
    .quad PATTERN_2, PATTERN_3, PATTERN_4, PATTERN_5, PATTERN_6, PATTERN_7
    .quad PATTERN_8, PATTERN_9, PATTERN_10, PATTERN_11, PATTERN_12, PATTERN_13
.data
    .balign 8
seed:
    .quad PATTERN_2
