# How many instructions a second: fixed loops, each with a known count and a known
# result. `scale=N` repeats each loop N times (1 by default, about two million
# instructions a loop). One line a loop:
#   BENCH name insns=<dec> tod=<dec> per_us=<dec>
# tod is in TOD units, 4096 to the microsecond; per_us is instructions per
# microsecond of guest time, rounded down. A result that is not as expected
# prints FAIL, as in the other guests, and the status at the end is 3.
# Counts are of the timed loops without the few instructions round each.
.include "rt.inc"
.include "clock.inc"

# \insns: executed in one pass of the body
.macro BENCH name, insns
    BEGIN "\name"
    lgrl %r13, scale                    # %r13 passes left
    llilf %r1, \insns
    stgrl %r1, insns
    READ_TOD %r12, LC_STCKE             # %r12 when it began
9980:
.endm
# After the body: %r2 = result found; %r1, %r3 free
.macro BENCHED want
    lgrl %r3, 9981f
    .pushsection .data
    .balign 8
9981:
    .quad \want
    .popsection
    brasl %r14, group_check
    brctg %r13, 9980b
    brasl %r14, bench_report
.endm

main:
    NUMBER "scale=", 1
    stgrl %r2, scale

    # Shifts and exclusive ors: a xorshift generator
    BENCH "alu", 2100000
    lgrl %r2, xorshift_seed
    lgfi %r0, 100000
0:  sllg %r4, %r2, 13
    xgr %r2, %r4
    srlg %r4, %r2, 7
    xgr %r2, %r4
    sllg %r4, %r2, 17
    xgr %r2, %r4
    .rept 14
    aghi %r4, 3
    .endr
    brctg %r0, 0b
    BENCHED 0x3a204f1622de553f

    # Multiplication and division
    BENCH "muldiv", 20000*11
    lghi %r2, 12345
    lgfi %r0, 20000
    lgrl %r6, lcg_multiplier
    lgrl %r7, lcg_increment
    lgfi %r8, 1000003
0:  msgr %r2, %r6
    agr %r2, %r7
    lghi %r10, 0
    lgr %r11, %r2
    dlgr %r10, %r8
    xgr %r2, %r11
    xgr %r2, %r10
    lgr %r4, %r2
    mlgr %r4, %r6
    lgr %r9, %r4
    brctg %r0, 0b
    BENCHED 0x371b6eb445b84124

    # Loads and stores: an array of 512 doublewords summed and counted up
    BENCH "memory", 800*(512*5+4)
    larl %r4, array                     # back to zero first
    lgr %r6, %r4
    lgr %r8, %r4
    lghi %r7, 4096
    lghi %r9, 0
0:  mvcle %r6, %r8, 0
    jo 0b
    lghi %r2, 0
    lghi %r0, 800
0:  larl %r4, array
    lghi %r5, 512
1:  lg %r6, 0(%r4)
    agr %r2, %r6
    agsi 0(%r4), 1
    la %r4, 8(%r4)
    brctg %r5, 1b
    nopr
    brctg %r0, 0b
    BENCHED 512*800*799/2

    # Branches that depend on data: steps of the Collatz sequences of 1 to 3000
    BENCH "branch", 1731083
    lghi %r2, 0
    lgfi %r0, 3000
0:  lgr %r4, %r0
1:  cghi %r4, 1
    je 3f
    aghi %r2, 1
    tmll %r4, 1
    jnz 2f
    srlg %r4, %r4, 1
    j 1b
2:  lgr %r5, %r4
    agr %r4, %r4
    agr %r4, %r5
    aghi %r4, 1
    j 1b
3:  brctg %r0, 0b
    BENCHED 215063

    # Calls and returns, and a call through a register
    BENCH "call", 100000*11
    lghi %r2, 0
    lgfi %r0, 100000
    larl %r6, leaf
0:  brasl %r14, leaf
    brasl %r14, middle
    basr %r14, %r6
    brctg %r0, 0b
    BENCHED 300000

    # Storage to storage: copy and compare 256 bytes
    BENCH "mvc", 100000*4
    lghi %r2, 0
    lgfi %r0, 100000
    larl %r4, array
    larl %r5, array+1024
0:  mvc 0(256,%r5), 0(%r4)
    clc 0(256,%r4), 0(%r5)
    alcgr %r2, %r2
    brctg %r0, 0b
    BENCHED 0

    # Binary floating point: sums of 1/n
    BENCH "float", 100000*6+2
    lzdr %f0
    lzdr %f2
    larl %r4, one
    ld %f6, 0(%r4)
    lgfi %r0, 100000
0:  adbr %f2, %f6
    ldr %f4, %f6
    ddbr %f4, %f2
    adbr %f0, %f4
    mdbr %f4, %f2
    brctg %r0, 0b
    lgdr %r2, %f0
    BENCHED 0x40282e27a22f3f7c

    # Clock readings
    BENCH "clock", 50000*6
    lghi %r2, 0
    lgfi %r0, 50000
    larl %r4, array
0:  stcke 0(%r4)
    stckf 16(%r4)
    brc 7, 1f                           # condition code 0: the clock is set
    aghi %r2, 1
1:  nopr
    brctg %r0, 0b
    BENCHED 50000

    jg finish

leaf:
    aghi %r2, 1
    br %r14
middle:
    lgr %r7, %r14
    aghi %r2, 1
    br %r7

bench_report:
    READ_TOD %r5, LC_STCKE
    ENTER
    sgr %r5, %r12
    PRINT "BENCH "
    lgrl %r2, group_name
    CALL puts
    PRINT " insns="
    lgrl %r6, insns
    lgrl %r1, scale
    msgr %r6, %r1
    lgr %r2, %r6
    CALL putdec
    PRINT " tod="
    lgr %r2, %r5
    CALL putdec
    PRINT " per_us="
    sllg %r11, %r6, 12
    lghi %r10, 0
    ltgr %r5, %r5
    jnz 0f
    lghi %r5, 1
0:  dlgr %r10, %r5
    lgr %r2, %r11
    CALL putdec
    NEWLINE
    lgrl %r1, groups
    aghi %r1, 1
    stgrl %r1, groups
    lgrl %r1, group_failed
    lgrl %r2, groups_failed
    agr %r2, %r1
    stgrl %r2, groups_failed
    LEAVE

.data
    .balign 8
xorshift_seed:
    .quad 88172645463325252
lcg_multiplier:
    .quad 6364136223846793005
lcg_increment:
    .quad 1442695040888963407
one:
    .double 1.0
.bss
    .balign 8
scale:
    .skip 8
insns:
    .skip 8
    .balign 4096
array:
    .skip 8192
.text
