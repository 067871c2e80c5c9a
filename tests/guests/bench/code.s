# Benchmark rows: code that is changed, data beside code, code that runs once.
.include "bench.inc"
.include "answers.inc"
.include "dat.inc"

.equ PAGE_OF_CODE, DATA
.equ WORDS, DATA+0x10000                # doublewords of 1, two pages
.equ STORED, DATA+0x20000
.equ COLD, DATA+0x1000000               # where code is written that runs once
.equ COLD_END, COLD+0x4000000
.equ WIDE, COLD_END                     # code that stays
.equ PIECE, 0x2000                      # room for one piece of it
.equ UNITS, 256                        # in a piece
.equ INSTRUCTIONS, UNITS/4*21
.equ LOWCORE_CODE, 0xf00
.equ LOWCORE_PSW, LC_FREE+0x80

prepare:
    ENTER
    CALL map_all
    llilf %r1, WORDS
    lghi %r0, 1024
0:  mvghi 0(%r1), 1
    la %r1, 8(%r1)
    brctg %r0, 0b
    llilf %r1, COLD
    stgrl %r1, cold_at
    LEAVE
unprepare:
    br %r14

# A function in a page of its own: AGHI %r2,0 and BR %r14
put_function:
    llilf %r1, PAGE_OF_CODE
    llilf %r3, 0xa72b0000
    st %r3, 0(%r1)
    mvhhi 4(%r1), 0x07fe
    br %r14

# An immediate operand stored, and the function called
    ROW "code.patch-call", 200, 200*201/2, put_function, TRANSLATED
    lgr %r13, %r14
    llilf %r1, PAGE_OF_CODE
    lghi %r0, 200
    lghi %r2, 0
0:  sth %r0, 2(%r1)
    basr %r14, %r1
    brctg %r0, 0b
    br %r13

# The same in the page of the caller
    ROW "code.patch-near", 200, 200*201/2, nothing, TRANSLATED
    lgr %r13, %r14
    larl %r1, near
    lghi %r0, 200
    lghi %r2, 0
0:  sth %r0, 2(%r1)
    brasl %r14, near
    brctg %r0, 0b
    br %r13
    .balign 64
near:
    aghi %r2, 0
    br %r14
    .balign 64

# The whole function copied over itself, two versions in turn
    ROW "code.patch-mvc", 200, 300, put_function, TRANSLATED
    lgr %r13, %r14
    llilf %r1, PAGE_OF_CODE
    larl %r3, versions
    lghi %r0, 100
    lghi %r2, 0
0:  .irp version, 0, 8
    mvc 0(6,%r1), \version(%r3)
    basr %r14, %r1
    .endr
    brctg %r0, 0b
    br %r13

# Stores into the page of the running loop, a few lines further on
    ROW "code.beside", 8*200, 200*201/2, nothing, TRANSLATED
    larl %r1, beside
    lghi %r0, 200
    lghi %r2, 0
0:  .irp at, 0, 8, 16, 24, 32, 40, 48, 56
    stg %r0, \at(%r1)
    .endr
    ag %r2, 24(%r1)
    brctg %r0, 0b
    br %r14
    .balign 256
    .skip 256
beside:
    .skip 64
    .skip 192

# Stores into a page that has a function in its first bytes, which has run
.macro STORES_IN_PAGE
    llilf %r1, PAGE_OF_CODE
    lgfi %r0, 1000
    lghi %r2, 0
9940:
    .irp at, 256, 712, 1224, 1736, 2248, 2760, 3272, 3784
    stg %r0, \at(%r1)
    .endr
    ag %r2, 1736(%r1)
    brctg %r0, 9940b
    br %r14
.endm
    ROW "code.near-data", 8*1000, 1000*1001/2, run_function, TRANSLATED
    STORES_IN_PAGE

# The same after the function has been overwritten
    ROW "code.reused-page", 8*1000, 1000*1001/2, 8f, TRANSLATED
    STORES_IN_PAGE
8:  lgr %r12, %r14
    brasl %r14, run_function
    llilf %r1, PAGE_OF_CODE
    mvghi 0(%r1), 0
    br %r12

run_function:
    lgr %r13, %r14
    brasl %r14, put_function
    llilf %r1, PAGE_OF_CODE
    lghi %r0, 100
    stosm LC_FREE, 0x04
0:  basr %r14, %r1
    brctg %r0, 0b
    stnsm LC_FREE, 0xfb
    br %r13

# Calls of functions in four other pages
    ROW "code.cross-page", 4*2000, 2000*4*3, 8f, TRANSLATED
    lgr %r13, %r14
    llilf %r1, PAGE_OF_CODE
    lay %r3, 0x1100(%r1)
    lay %r4, 0x2200(%r1)
    lay %r5, 0x3300(%r1)
    lghi %r0, 2000
    lghi %r2, 0
0:  .irp function, 1, 3, 4, 5
    basr %r14, %r\function
    .endr
    brctg %r0, 0b
    br %r13
8:  llilf %r1, PAGE_OF_CODE
    llilf %r3, 0xa72b0003
    lghi %r0, 4
9:  st %r3, 0(%r1)
    mvhhi 4(%r1), 0x07fe
    lay %r1, 0x1100(%r1)
    brctg %r0, 9b
    br %r14

# A PSW stored in the lowcore and loaded by an instruction there, as kernels return
    ROW "code.lowcore", 500, 500, 8f, TRANSLATED
    lgfi %r0, 500
    lghi %r2, 0
    larl %r3, 1f
    lgrl %r4, psw_dat
    lghi %r5, LOWCORE_CODE
0:  stg %r4, LOWCORE_PSW
    stg %r3, LOWCORE_PSW+8
    br %r5
1:  aghi %r2, 1
    brctg %r0, 0b
    br %r14
8:  larl %r1, 9f
    mvc LOWCORE_CODE(4), 0(%r1)
    br %r14
9:  lpswe LOWCORE_PSW

# Code that has never run: one operation is one instruction
    ROW "code.cold", INSTRUCTIONS, 1, nothing, TRANSLATED|OWN_TIME
    lgr %r13, %r14
    lgrl %r1, cold_at
    brasl %r14, write_piece
    lgrl %r1, cold_at
    lgr %r3, %r1
    agfi %r3, PIECE
    clgfi %r3, COLD_END
    jl 0f
    llilf %r3, COLD
0:  stgrl %r3, cold_at
    aghi %r15, -8
    stg %r2, 0(%r15)                    # what it will compute
    stcke LC_FREE+16
    brasl %r14, call_piece
    stcke LC_FREE+32
    sg %r2, 0(%r15)
    aghi %r2, 1
    aghi %r15, 8
    lg %r3, LC_FREE+33
    sg %r3, LC_FREE+17
    br %r13

# Much code that has run: 32 pieces in turn
    ROW "code.wide", 32*INSTRUCTIONS, 1, 8f, TRANSLATED
    lgr %r13, %r14
    aghi %r15, -16
    lgrl %r2, wide_sum
    stg %r2, 0(%r15)
    llilf %r1, WIDE
0:  stg %r1, 8(%r15)
    brasl %r14, call_piece
    lcgr %r2, %r2
    ag %r2, 0(%r15)
    stg %r2, 0(%r15)
    lg %r1, 8(%r15)
    agfi %r1, PIECE
    clgfi %r1, WIDE+32*PIECE
    jl 0b
    lg %r2, 0(%r15)
    aghi %r2, 1
    aghi %r15, 16
    br %r13
8:  lgr %r13, %r14
    lghi %r12, 0
    llilf %r1, WIDE
9:  brasl %r14, write_piece
    agr %r12, %r2
    aghi %r1, PIECE-UNITS*24            # behind what was written
    clgfi %r1, WIDE+32*PIECE
    jl 9b
    stgrl %r12, wide_sum
    br %r13

# Calls the piece at %r1: %r2 = what it computes. Changes all but %r12, %r13, %r15.
call_piece:
    lghi %r0, -1
    lghi %r2, 0
    lghi %r5, 0
    lghi %r9, 0
    llilf %r6, WORDS
    llilf %r7, STORED
    br %r1

# Writes a piece of code at %r1, UNITS times 24 bytes of four sorts in turn, each with
# operands of its own. %r2 = what it will compute, %r1 = behind it. Keeps %r12 and %r13.
write_piece:
    larl %r3, sorts
    lghi %r2, 0
    lgrl %r4, random
    lgfi %r0, UNITS
0:  mvc 0(24,%r1), 0(%r3)
    sllg %r5, %r4, 13
    xgr %r4, %r5
    srlg %r5, %r4, 7
    xgr %r4, %r5
    sllg %r5, %r4, 17
    xgr %r4, %r5
    sth %r4, 2(%r1)                     # the immediate operand of AGHI
    lghr %r5, %r4
    agr %r2, %r5
    srlg %r5, %r4, 20
    nill %r5, 0x0ff8                    # a displacement
    tm 23(%r3), 1                       # the sort's flags, behind its code
    jz 1f
    oill %r5, 0x6000
    sth %r5, 6(%r1)
    aghi %r2, 1                         # it loads a one and adds it
1:  tm 23(%r3), 2
    jz 2f
    oill %r5, 0x7000
    sth %r5, 6(%r1)
2:  mvi 23(%r1), 0
    oc 23(1,%r1), 24(%r3)               # the code's own last byte
    la %r1, 24(%r1)
    la %r3, 32(%r3)
    larl %r5, sorts_end
    cgr %r3, %r5
    jl 3f
    larl %r3, sorts
3:  brctg %r0, 0b
    stgrl %r4, random
    mvhhi 0(%r1), 0x07fe
    br %r14

# Each: 23 bytes of code, flags (1: loads by %r6, 2: stores by %r7, both in the second
# instruction), the code's last byte, filler. 21 instructions in all.
.section .rodata
    .balign 32
sorts:
    aghi %r2, 0
    lg %r4, 0(%r6)
    agr %r2, %r4
    xgr %r5, %r2
    .byte 0xeb, 0x82, 0x00, 0x03, 0x00, 1, 0x0d # SLLG %r8,%r2,3
    .balign 32

    aghi %r2, 0
    stg %r2, 0(%r7)
    cgije %r0, 1, .+14                  # never
    la %r9, 8(%r9)
    .byte 0xb9, 0x08, 0x00, 2, 0x59     # AGR %r5,%r9
    .balign 32

    aghi %r2, 0
    ltgr %r4, %r6
    je .+16                             # never
    oill %r5, 16
    lgr %r10, %r2
    .byte 0xa7, 0xf4, 0x00, 0, 0x02     # J to the next
    .balign 32

    aghi %r2, 0
    cgfi %r2, 12345
    jh .+4                              # to the next, either way
    lay %r8, 100(%r2)
    .byte 0xb9, 0x04, 0x00, 0, 0xb8     # LGR %r11,%r8
    .balign 32
sorts_end:
versions:
    aghi %r2, 1
    br %r14
    .balign 8
    aghi %r2, 2
    br %r14

.data
    .balign 8
random:
    .quad PATTERN_2
psw_dat:
    .quad 0x0400000180000000
.bss
    .balign 8
cold_at:
    .skip 8
wide_sum:
    .skip 8
