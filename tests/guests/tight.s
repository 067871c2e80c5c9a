# All CPUs in a tight loop for ever, for the latency of a stop request. Parameter: loop=N
#   0  a branch to itself
#   1  several blocks, linked
#   2  MOVE LONG EXTENDED of 1 MiB, again and again
#   3  a chain of pointers through 8 MiB
#   4  calls and returns through registers
#   5  MOVE LONG of nearly 16 MiB
#   6  COMPARE LOGICAL STRING of 4 MiB
.include "rt.inc"
.include "smp.inc"

.equ CHAIN, 8*1024*1024
.equ STEP, 4096+64

main:
    NUMBER "loop=", 0
    lgr %r9, %r2
    CALL smp_init
    SAY_CPUS
    larl %r1, area                      # the chain: each word holds the next one's address
    lgr %r2, %r1
    lgfi %r3, CHAIN/64-1
0:  la %r4, 64(%r2)
    stg %r4, 0(%r2)
    lgr %r2, %r4
    brctg %r3, 0b
    stg %r1, 0(%r2)
    larl %r1, zeros_end                 # what COMPARE LOGICAL STRING ends at
    aghi %r1, -1
    mvi 0(%r1), 1
    PRINT "TIGHT"
    NEWLINE
    larl %r1, loops
    sllg %r9, %r9, 3
    lg %r2, 0(%r9,%r1)
    CALL run_everywhere
    jg finish

self:
    j self

linked:
    lghi %r2, 0
0:  aghi %r2, 1
    tmll %r2, 1
    jz 1f
    aghi %r3, 1
1:  tmll %r2, 2
    jz 0b
    aghi %r4, 1
    j 0b

move_extended:
    larl %r8, area
    lgfi %r9, 1024*1024
    lgr %r2, %r8
    agr %r2, %r9
    lgr %r3, %r9
    lgr %r4, %r8
    lgr %r5, %r9
0:  mvcle %r2, %r4, 0
    jo 0b
    j move_extended

chase:
    larl %r1, area
0:  lg %r1, 0(%r1)
    lg %r1, 0(%r1)
    lg %r1, 0(%r1)
    lg %r1, 0(%r1)
    j 0b

calls:
    larl %r3, 1f
0:  basr %r14, %r3
    j 0b
1:  br %r14

move_long:
    larl %r2, area
    lgfi %r3, CHAIN-4096
    lgr %r4, %r2
    ahi %r4, 1024
    lgr %r5, %r3
    lr %r6, %r2
    mvcl %r2, %r4
    j move_long

compare_string:
    larl %r2, zeros
    lghi %r0, 1
0:  lgr %r4, %r2
    lgr %r5, %r2
    agfi %r5, 4096
1:  clst %r4, %r5
    jo 1b
    j 0b

.section .rodata
    .balign 8
loops:
    .quad self, linked, move_extended, chase, calls, move_long, compare_string
.bss
    .balign 4096
area:
    .skip CHAIN+4096
zeros:
    .skip 4*1024*1024
zeros_end:
.text
