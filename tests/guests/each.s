# Executes single instructions in states that an initial RAM disk lists, and writes out,
# in binary, how each ended: for comparing machines (tests/tests/each_instruction.rs has
# the formats). Nothing is checked here.
.machine z15
.include "rt.inc"

# Storage that the instructions see: AREA is in front of the code, EDGE about the end of
# a page whose successor is not mapped. PATTERN fills both.
.equ AREA, 0x200000
.equ AREA_BYTES, 1024
.equ CODE, AREA+0x300
.equ EDGE, 0x201f00
.equ EDGE_BYTES, 512
# Page tables of the first 16 MiB and their segment table.
.equ SEGMENTS, 0x100000
.equ PAGES, 0x110000
.equ UNMAPPED, 0x202000
.equ PROTECTED, 0x203000

.equ SAVED, 0x400                       # registers at the interruption
.equ START_PSW, 0x480
.equ CASE_CR0, 0x490

.equ SET_BYTES, 128+512                 # 16 general, 32 vector registers
.equ RECORD_HEAD, 56

main:
    CALL map
    lgrl %r8, initrd_start
    lg %r9, 0(%r8)                      # cases
    lg %r10, 8(%r8)                     # sets
    la %r8, 16(%r8)
    stgrl %r8, pattern_at
    aghi %r8, AREA_BYTES+EDGE_BYTES
    stgrl %r8, sets_at
    msgfi %r10, SET_BYTES
    agr %r8, %r10
    stgrl %r8, case_at
    stgrl %r9, cases_left
    larl %r1, buffer
    stgrl %r1, buffer_at
    NUMBER "gather=", 3500
    stgrl %r2, most
    larl %r1, first_controls
    stctg %c0, %c15, 0(%r1)
    oi 5(%r1), 0x02                     # vector enablement
    lctlg %c0, %c0, 0(%r1)
    llilf %r2, SEGMENTS
    stg %r2, 8*1(%r1)
    stg %r2, 8*7(%r1)
    stg %r2, 8*13(%r1)
    ON_PGM ended
    larl %r1, called
    stg %r1, LC_SVC_NEW+8

next:
    lgrl %r9, cases_left
    ltgr %r9, %r9
    jz finished
    aghi %r9, -1
    stgrl %r9, cases_left
    lgrl %r13, case_at

    lgrl %r2, pattern_at
    llilf %r3, AREA
    .irp at, 0, 256, 512, 768
    mvc \at(256,%r3), \at(%r2)
    .endr
    llilf %r4, EDGE
    mvc 0(256,%r4), 1024(%r2)
    mvc 256(256,%r4), 1280(%r2)
    mvc 0x300(8,%r3), 0(%r13)           # CODE
    mvc START_PSW(8), 8(%r13)
    llilf %r1, CODE
    stg %r1, START_PSW+8
    mvc CASE_CR0(8), 16(%r13)
    llgf %r12, 24(%r13)
    msgfi %r12, SET_BYTES
    lgrl %r1, sets_at
    agr %r12, %r1
    stgrl %r12, set_now
    larl %r1, zeros
    lfpc 0(%r1)
    lam %a0, %a15, 0(%r1)
    vlm %v0, %v15, 128(%r12)
    vlm %v16, %v31, 128+256(%r12)
    mvghi LC_TEID, 0
    mvghi LC_PGM_ILC, 0
    larl %r1, first_controls
    lctlg %c1, %c15, 8(%r1)
    lctlg %c0, %c0, CASE_CR0
    lmg %r0, %r15, 0(%r12)
    lpswe START_PSW

called:
    stmg %r0, %r15, SAVED
    lghi %r10, 1
    j record
ended:
    stmg %r0, %r15, SAVED
    lghi %r10, 0
record:
    larl %r15, stack_end
    larl %r1, first_controls
    lctlg %c0, %c15, 0(%r1)
    lgrl %r9, buffer_at
    lgrl %r13, case_at
    lgrl %r12, set_now
    mvc 0(4,%r9), 28(%r13)
    st %r10, 4(%r9)
    ltgr %r10, %r10
    jnz 0f
    mvc 8(4,%r9), LC_PGM_ILC
    mvc 16(16,%r9), LC_PGM_OLD
    j 1f
0:  mvc 8(4,%r9), LC_SVC_ILC
    mvc 16(16,%r9), 0x140
1:  mvc 12(4,%r9), LC_DXC
    mvc 32(8,%r9), LC_TEID
    mvc 40(8,%r9), 0x110
    stfpc 48(%r9)
    larl %r1, vectors
    vstm %v0, %v15, 0(%r1)
    vstm %v16, %v31, 256(%r1)
    larl %r1, accesses
    stam %a0, %a15, 0(%r1)
    la %r8, RECORD_HEAD(%r9)
    lghi %r7, 0                         # number of the doubleword
    lghi %r6, 0                         # differences
    lghi %r2, SAVED
    lgr %r3, %r12
    lghi %r4, 16
    CALL differences
    larl %r2, vectors
    la %r3, 128(%r12)
    lghi %r4, 64
    CALL differences
    larl %r2, accesses
    larl %r3, zeros
    lghi %r4, 8
    CALL differences
    llilf %r2, AREA
    lgrl %r3, pattern_at
    lghi %r4, AREA_BYTES/8
    CALL differences
    llilf %r2, EDGE
    lgrl %r3, pattern_at
    aghi %r3, AREA_BYTES
    lghi %r4, EDGE_BYTES/8
    CALL differences
    st %r6, 52(%r9)
    stgrl %r8, buffer_at
    larl %r1, buffer
    sgr %r8, %r1
    lgrl %r1, most
    cgr %r8, %r1
    jl 2f
    CALL send
2:  aghi %r13, 32
    stgrl %r13, case_at
    j next

finished:
    CALL send
    jg stop_self

# Appends at %r8 (number, value) of those of the %r4 doublewords at %r2 that are not as at %r3.
differences:
    lgr %r5, %r4
0:  lg %r0, 0(%r2)
    cg %r0, 0(%r3)
    je 1f
    stg %r7, 0(%r8)
    stg %r0, 8(%r8)
    la %r8, 16(%r8)
    aghi %r6, 1
1:  la %r2, 8(%r2)
    la %r3, 8(%r3)
    aghi %r7, 1
    brctg %r5, 0b
    br %r14

# Writes out the buffer.
send:
    ENTER
    lgrl %r7, buffer_at
    larl %r6, buffer
    stgrl %r6, buffer_at
0:  lgr %r5, %r7
    sgr %r5, %r6
    jz 2f
    lghi %r1, 3900
    cgr %r5, %r1
    jle 1f
    lgr %r5, %r1
1:  larl %r3, sccb_out
    mvghi 0(%r3), 0
    la %r1, 14(%r5)
    sth %r1, 0(%r3)
    la %r1, 6(%r5)
    sth %r1, 8(%r3)
    mvi 10(%r3), 0x1a
    mvi 11(%r3), 0
    mvhhi 12(%r3), 0
    la %r10, 14(%r3)
    lgr %r11, %r5
    lgr %r0, %r6
    lgr %r1, %r5
    mvcle %r10, %r0, 0
    jo .-4
    agr %r6, %r5
    iilf %r2, 0x00760005
    CALL sclp
    j 0b
2:  LEAVE

# Tables: 16 MiB as they are, but for two pages.
map:
    ENTER
    llilf %r2, SEGMENTS
    llilf %r3, PAGES
    lghi %r4, 0
    lghi %r5, 2048
    lghi %r6, 0x20                      # invalid
0:  lgr %r1, %r6
    cghi %r4, 16
    jnl 1f
    sllg %r1, %r4, 11
    agr %r1, %r3
1:  stg %r1, 0(%r2)
    la %r2, 8(%r2)
    aghi %r4, 1
    brctg %r5, 0b
    lghi %r4, 0
    lghi %r5, 4096
2:  stg %r4, 0(%r3)
    aghi %r3, 8
    aghi %r4, 4096
    brctg %r5, 2b
    llilf %r3, PAGES+(UNMAPPED>>9)
    oi 6(%r3), 0x04
    llilf %r3, PAGES+(PROTECTED>>9)
    oi 6(%r3), 0x02
    LEAVE

.data
    .balign 8
case_at:
    .quad 0
cases_left:
    .quad 0
pattern_at:
    .quad 0
sets_at:
    .quad 0
set_now:
    .quad 0
buffer_at:
    .quad 0
most:
    .quad 0                             # bytes of records that are written at once
.bss
    .balign 8
first_controls:
    .skip 128
zeros:
    .skip 64
vectors:
    .skip 512
accesses:
    .skip 64
buffer:
    .skip 16384
