# Benchmark rows: loads, stores and copies by size and distance, each with address
# translation off (.real) and on (.dat); chains of pointers; many pages.
.include "bench.inc"
.include "answers.inc"
.include "dat.inc"

.equ BLOCKS, 128                        # of 16 elements each
.equ ROUNDS, 40
.equ ACCESSES, ROUNDS*BLOCKS*16
.equ COPY, DATA+0x8000

prepare:
    ENTER
    CALL map_all
    LEAVE
unprepare:
    br %r14

# One body as two rows, with translation off and on
.macro ROWS name, ops, want, setup=nothing
    .pushsection .rodata
9960:
    .asciz "\name\().real"
9961:
    .asciz "\name\().dat"
    .popsection
    .balign 8
9962:
    .pushsection .data, 1
    .quad 9960b, 9962b, \setup, \ops, \want, 0
    .quad 9961b, 9962b, \setup, \ops, \want, TRANSLATED
    .popsection
.endm

# 2048 doublewords at DATA: i times MEMORY_STEP
fill_data:
    llilf %r1, DATA
    lghi %r2, 0
    llihf %r3, MEMORY_STEP>>32
    iilf %r3, MEMORY_STEP&0xffffffff
    lghi %r0, 2048
0:  stg %r2, 0(%r1)
    agr %r2, %r3
    aghi %r1, 8
    brctg %r0, 0b
    br %r14

# Loads: 16 in a turn, of \size bytes
.macro LOADS name, size, load, want, offset=0
    ROWS "memory.load\name", ACCESSES, \want, fill_data
    lghi %r0, ROUNDS
    lghi %r2, 0
0:  llilf %r1, DATA
    lghi %r3, BLOCKS
1:  .set at, \offset
    .rept 2
    .irp reg, 4, 5, 6, 7, 8, 9, 10, 11
    \load %r\reg, at(%r1)
    .set at, at+\size
    .endr
    .endr
    agr %r2, %r4
    la %r1, 16*\size(%r1)
    brctg %r3, 1b
    brctg %r0, 0b
    .irp reg, 5, 6, 7, 8, 9, 10, 11
    agr %r2, %r\reg
    .endr
    br %r14
.endm
    LOADS 1, 1, llgc, MEMORY_LOAD_1
    LOADS 2, 2, llgh, MEMORY_LOAD_2
    LOADS 4, 4, llgf, MEMORY_LOAD_4
    LOADS 8, 8, lg, MEMORY_LOAD_8
    LOADS "8-unaligned", 8, lg, MEMORY_LOAD_8_UNALIGNED, 3

# Sums a sample of what was stored at %r1: element b mod 16 of block b
.macro SAMPLE size, load
    lghi %r3, BLOCKS
    lghi %r2, 0
    lghi %r5, 0                         # b mod 16, in bytes
9930:
    \load %r4, 0(%r5,%r1)
    agr %r2, %r4
    aghi %r5, \size
    nill %r5, 16*\size-1
    la %r1, 16*\size(%r1)
    brctg %r3, 9930b
.endm

# Stores: the even elements get the number of blocks left, the odd ones that of rounds
.macro STORES size, store, load
    ROWS "memory.store\size", ACCESSES, 64*65+64
    lghi %r0, ROUNDS
0:  llilf %r1, DATA
    lghi %r3, BLOCKS
1:  .set at, 0
    .rept 8
    \store %r3, at(%r1)
    \store %r0, at+\size(%r1)
    .set at, at+2*\size
    .endr
    la %r1, 16*\size(%r1)
    brctg %r3, 1b
    brctg %r0, 0b
    llilf %r1, DATA
    SAMPLE \size, \load
    br %r14
.endm
    STORES 1, stc, llgc
    STORES 2, sth, llgh
    STORES 4, st, llgf
    STORES 8, stg, lg

.macro COPIES size, load, store, want
    ROWS "memory.copy\size", ACCESSES, \want, fill_data
    lghi %r0, ROUNDS
0:  llilf %r1, DATA
    llilf %r12, COPY
    lghi %r3, BLOCKS
1:  .set at, 0
    .rept 2
    .irp reg, 4, 5, 6, 7, 8, 9, 10, 11
    \load %r\reg, at(%r1)
    \store %r\reg, at(%r12)
    .set at, at+\size
    .endr
    .endr
    la %r1, 16*\size(%r1)
    la %r12, 16*\size(%r12)
    brctg %r3, 1b
    brctg %r0, 0b
    llilf %r1, COPY
    SAMPLE \size, \load
    br %r14
.endm
    COPIES 1, llgc, stc, MEMORY_COPY_1
    COPIES 2, llgh, sth, MEMORY_COPY_2
    COPIES 4, llgf, st, MEMORY_COPY_4
    COPIES 8, lg, stg, MEMORY_COPY_8

# LMG and STMG of 8 registers
    ROWS "memory.multiple8", ROUNDS*BLOCKS*2, MEMORY_COPY_8, fill_data
    lghi %r0, ROUNDS
0:  llilf %r1, DATA
    llilf %r2, COPY
    lghi %r3, BLOCKS
1:  lmg %r4, %r11, 0(%r1)
    stmg %r4, %r11, 0(%r2)
    lmg %r4, %r11, 64(%r1)
    stmg %r4, %r11, 64(%r2)
    la %r1, 128(%r1)
    la %r2, 128(%r2)
    brctg %r3, 1b
    brctg %r0, 0b
    llilf %r1, COPY
    SAMPLE 8, lg
    br %r14

# Counters in memory: AGSI on 16 of them in a turn
    ROWS "memory.increment8", ROUNDS*BLOCKS*16, ROUNDS*BLOCKS*16, zero_data
    lghi %r0, ROUNDS*BLOCKS
    llilf %r1, DATA
    lg %r2, 0(%r1)
    lg %r3, 120(%r1)
    agr %r2, %r3
0:  .set at, 0
    .rept 16
    agsi at(%r1), 1
    .set at, at+8
    .endr
    brctg %r0, 0b
    lg %r3, 0(%r1)
    ag %r3, 120(%r1)
    sgr %r3, %r2
    sllg %r2, %r3, 3
    br %r14
zero_data:
    llilf %r1, DATA
    xc 0(128,%r1), 0(%r1)
    br %r14

# Loads of 8 bytes at a distance, over 128 KiB; each of the places has its number
.macro STRIDE distance, pages
.equ STRIDE_\distance, \pages*4096/\distance
    ROWS "memory.stride\distance", 16*STRIDE_\distance, 16*STRIDE_\distance*(STRIDE_\distance-1)/2, 8f
    lghi %r0, 16
    lghi %r2, 0
0:  llilf %r1, DATA
    lgfi %r3, STRIDE_\distance/4
1:  lg %r4, 0(%r1)
    agr %r2, %r4
    lg %r5, \distance(%r1)
    agr %r2, %r5
    lg %r6, 2*\distance(%r1)
    agr %r2, %r6
    lg %r7, 3*\distance(%r1)
    agr %r2, %r7
    la %r1, 2*\distance(%r1)
    la %r1, 2*\distance(%r1)
    brctg %r3, 1b
    brctg %r0, 0b
    br %r14
8:  llilf %r1, DATA
    lghi %r2, 0
    lgfi %r3, STRIDE_\distance
9:  stg %r2, 0(%r1)
    aghi %r2, 1
    la %r1, \distance(%r1)
    brctg %r3, 9b
    br %r14
.endm
    STRIDE 64, 32
    STRIDE 1024, 256

# One access to each of many pages, in turn, not at the same place of each
.macro PAGES name, count, rounds, flags
    ROW "pages.\name", \rounds*\count, \rounds*\count*(\count-1)/2, 8f, \flags
    lgfi %r0, \rounds
    lghi %r2, 0
0:  llilf %r1, DATA
    lgfi %r3, \count
1:  ag %r2, 0(%r1)
    lay %r1, 4096+64(%r1)
    brctg %r3, 1b
    brctg %r0, 0b
    br %r14
8:  llilf %r1, DATA
    lghi %r2, 0
    lgfi %r3, \count
9:  stg %r2, 0(%r1)
    aghi %r2, 1
    lay %r1, 4096+64(%r1)
    brctg %r3, 9b
    br %r14
.endm
    PAGES "64", 64, 128, TRANSLATED
    PAGES "512", 512, 8, TRANSLATED
    PAGES "4096", 4096, 1, TRANSLATED

# The same with so many that a pass is only an eighth of them
.equ MANY, 32768
.macro MANY_PAGES name, flags
    ROW "pages.\name", MANY/8, MANY/8*(MANY/8-1)/2, 8f, \flags
    lgrl %r1, pages_at
    lgfi %r3, MANY/8
    lcgr %r2, %r3
    lg %r4, 0(%r1)
    msgr %r2, %r4                       # as if the first one's number were 0
0:  ag %r2, 0(%r1)
    lay %r1, 4096+64(%r1)
    brctg %r3, 0b
    llilf %r3, DATA+MANY*(4096+64)
    cgrjl %r1, %r3, 1f
    llilf %r1, DATA
1:  stgrl %r1, pages_at
    br %r14
8:  llilf %r1, DATA
    stgrl %r1, pages_at
    lghi %r2, 0
    lgfi %r3, MANY
9:  stg %r2, 0(%r1)
    aghi %r2, 1
    lay %r1, 4096+64(%r1)
    brctg %r3, 9b
    br %r14
.endm
    MANY_PAGES "32768", TRANSLATED
    MANY_PAGES "32768.real", 0

# A chain of pointers through all of an area, in an order without a pattern: node i
# is followed by (CHAIN_A * i + CHAIN_C) mod the number of nodes. A pass goes on where
# the last one ended; where it must end is known from where it began.
.equ CHAIN_STEPS, 4096
.macro CHASE name, nodes, shift, flags
    ROW "chase.\name", CHAIN_STEPS, 1, 8f, \flags
    lgrl %r1, chain_at
    lgr %r5, %r1
    lghi %r0, CHAIN_STEPS/16
0:  .rept 16
    lg %r1, 0(%r1)
    .endr
    brctg %r0, 0b
    stgrl %r1, chain_at
    llilf %r3, DATA
    sgr %r5, %r3
    srlg %r5, %r5, \shift
    llilf %r4, CHAIN_STEPS_A
    msgr %r5, %r4
    algfi %r5, CHAIN_STEPS_C
    nilf %r5, \nodes-1
    llgfr %r5, %r5
    sgr %r1, %r3
    srlg %r1, %r1, \shift
    lgr %r2, %r1
    xgr %r2, %r5
    aghi %r2, 1
    br %r14
8:  llilf %r1, DATA
    stgrl %r1, chain_at
    lghi %r2, 0
    llilf %r4, CHAIN_A
9:  lgr %r3, %r2
    msgr %r3, %r4
    algfi %r3, CHAIN_C
    nilf %r3, \nodes-1
    llgfr %r3, %r3
    sllg %r3, %r3, \shift
    algfi %r3, DATA
    stg %r3, 0(%r1)
    la %r1, 1<<\shift(%r1)
    aghi %r2, 1
    clgfi %r2, \nodes
    jl 9b
    br %r14
.endm
    CHASE "32K", 512, 6, TRANSLATED
    CHASE "1M", 8192, 7, TRANSLATED
    CHASE "32M", 262144, 7, TRANSLATED
    CHASE "32M.real", 262144, 7, 0

.bss
    .balign 8
chain_at:
    .skip 8
pages_at:
    .skip 8
