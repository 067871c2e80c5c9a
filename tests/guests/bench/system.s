# Benchmark rows: the clock's instructions, interruptions, changes of translation.
# Translation on, as in a kernel, where nothing else is said.
.include "bench.inc"
.include "answers.inc"
.include "dat.inc"

.equ PSW_DAT, 0x0400000180000000        # as PSW_STD, with translation
.equ PSW_DAT_EXT, 0x0500000180000000    # and external interruptions
.equ CR0_EMERGENCY, 0x4000
.equ FAULTY, DATA+0x100000              # pages that are taken away
.equ FAULTY_TABLE, PAGE_TABLES+(FAULTY>>20)*2048
.equ OTHER_SPACE, SEGMENT_TABLE+0x10000 # a second segment table with the same pages
.equ READINGS, DATA
.equ FAR, 0x7fffffffffffffff
.equ SHORT_WHILE, 50*4096               # TOD units

prepare:
    ENTER
    CALL map_all
    llilf %r2, OTHER_SPACE
    lghi %r3, 4096
    llilf %r4, SEGMENT_TABLE
    lghi %r5, 4096
0:  mvcle %r2, %r4, 0
    jo 0b
    lgrl %r1, far
    stg %r1, LC_FREE
    sckc LC_FREE
    spt LC_FREE
    LEAVE

# Interruptions as the runtime had them
unprepare:
    ENTER
    CALL reset_new_psws
    LEAVE

# %r0 = turns, %r1 = READINGS, %r2 = 0
.macro READY turns
    lgfi %r0, \turns
    llilf %r1, READINGS
    lghi %r2, 0
.endm

# Eight readings a turn; those of the last turn must be in order: 7, or one less for each
# step that is not. \size bytes each, the clock's bits from \offset; \jump: taken when right
.macro CLOCK name, turns, insn, size, offset, jump
    ROW "clock.\name", 8*\turns, 7, nothing, TRANSLATED
    READY \turns
0:  .set at, 0
    .rept 8
    \insn at(%r1)
    .set at, at+\size
    .endr
    brctg %r0, 0b
    lghi %r2, 7
    .set at, \offset
    .rept 7
    lg %r3, at(%r1)
    clg %r3, at+\size(%r1)
    \jump .+8
    aghi %r2, -1
    .set at, at+\size
    .endr
    br %r14
.endm
    CLOCK stck, 250, stck, 8, 0, jl     # unique: each one later than the one before
    CLOCK stckf, 250, stckf, 8, 0, jnh
    CLOCK stcke, 250, stcke, 16, 1, jl
    CLOCK stpt, 250, stpt, 8, 0, jnl

# Setting the CPU timer: it has then run down from there, by less than a second
    ROW "clock.spt", 4*100, 1, nothing, TRANSLATED
    READY 100
    lgrl %r3, far
    stg %r3, 0(%r1)
0:  .rept 4
    spt 0(%r1)
    .endr
    brctg %r0, 0b
    stpt 8(%r1)
    sg %r3, 8(%r1)
    srlg %r3, %r3, 32                   # 2**20 microseconds
    ltgr %r3, %r3
    jnz 1f
    lghi %r2, 1
1:  br %r14

# The clock comparator: for ever, and to one and two seconds from now in turn
    ROW "clock.sckc-never", 4*1000, FAR-1, nothing, TRANSLATED
    READY 1000
    lgrl %r3, far
    aghi %r3, -1
    stg %r3, 0(%r1)
0:  .rept 4
    sckc 0(%r1)
    .endr
    brctg %r0, 0b
    stckc 8(%r1)
    lg %r2, 8(%r1)
    br %r14

    ROW "clock.sckc", 4*100, 4096000000, nothing, TRANSLATED
    READY 100
    stckf 0(%r1)
    lg %r3, 0(%r1)
    algfi %r3, 4096000000
    stg %r3, 0(%r1)
    algfi %r3, 4096000000
    stg %r3, 8(%r1)
0:  .rept 2
    sckc 0(%r1)
    sckc 8(%r1)
    .endr
    brctg %r0, 0b
    stckc 16(%r1)
    lg %r2, 16(%r1)
    sg %r2, 0(%r1)
    lgrl %r3, far
    stg %r3, 0(%r1)
    sckc 0(%r1)
    br %r14

# Interruptions: \new = new PSW, \mask = its mask, \handler = its address
.macro NEW_PSW new, mask, handler
    lgrl %r1, \mask
    stg %r1, \new
    larl %r1, \handler
    stg %r1, \new+8
    br %r14
.endm

    ROW "interrupt.svc", 1000, 2000, 8f, TRANSLATED
    READY 1000
0:  svc 7
    aghi %r2, 1
    brctg %r0, 0b
    br %r14
8:  NEW_PSW LC_SVC_NEW, psw_dat, 9f
9:  aghi %r2, 1
    lpswe LC_SVC_OLD

# From the problem state and back to it, as a system call is
    ROW "interrupt.svc-problem", 1000, 2000, 8f, TRANSLATED
    READY 1000
    larl %r3, psw_problem
    larl %r4, 0f
    stg %r4, 8(%r3)
    lpswe 0(%r3)
0:  svc 7
    aghi %r2, 1
    brctg %r0, 0b
    larl %r5, 1f                        # the last call comes back as supervisor
    svc 8
1:  br %r14
8:  NEW_PSW LC_SVC_NEW, psw_dat, 9f
9:  cli LC_SVC_CODE+1, 8
    je 7f
    aghi %r2, 1
    lpswe LC_SVC_OLD
7:  br %r5

    ROW "interrupt.program-check", 1000, 2000, 8f, TRANSLATED
    READY 1000
0:  .short 0                            # no instruction
    aghi %r2, 1
    brctg %r0, 0b
    br %r14
8:  NEW_PSW LC_PGM_NEW, psw_dat, 9f
9:  aghi %r2, 1
    lpswe LC_PGM_OLD

    ROW "interrupt.lpswe", 4*1000, 4*1000, 8f, TRANSLATED
    READY 1000
    larl %r3, psws
0:  .irp n, 1, 2, 3, 4
    lpswe 16*(\n-1)(%r3)
lpswe_\n:
    aghi %r2, 1
    .endr
    brctg %r0, 0b
    br %r14
8:  larl %r3, psws
    .irp n, 1, 2, 3, 4
    larl %r4, lpswe_\n
    stg %r4, 16*(\n-1)+8(%r3)
    .endr
    br %r14

# Interruptions disabled and enabled again, as for a spin lock
    ROW "interrupt.stnsm-stosm", 4*1000, 4*1000, nothing, TRANSLATED
    READY 1000
0:  .rept 4
    stnsm LC_FREE, 0xfc
    aghi %r2, 1
    stosm LC_FREE, 0x03
    .endr
    brctg %r0, 0b
    stnsm LC_FREE, 0xfc
    br %r14

    ROW "interrupt.sigp-sense", 1000, 1000, nothing, TRANSLATED
    READY 1000
    stap LC_FREE
    llgh %r4, LC_FREE
    lghi %r5, 0
0:  sigp %r5, %r4, 1
    brc 7, 1f                           # condition code 0: it runs
    aghi %r2, 1
1:  brctg %r0, 0b
    br %r14

# An emergency signal to this CPU, taken at once
    ROW "interrupt.sigp-self", 500, 0x1201+500, 8f, TRANSLATED
    lgrl %r1, cr0_std
    oill %r1, CR0_EMERGENCY
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    READY 500
    stap LC_FREE
    llgh %r4, LC_FREE
    lghi %r5, 0
0:  sigp %r5, %r4, 3
    stosm LC_FREE, 0x01
    stnsm LC_FREE, 0xfe
    brctg %r0, 0b
    lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    llgh %r3, LC_EXT_CODE
    agr %r2, %r3
    br %r14
8:  NEW_PSW LC_EXT_NEW, psw_dat, 9f
9:  aghi %r2, 1
    lpswe LC_EXT_OLD

# How late an interruption of the clock comparator comes: one a pass, 50 us ahead. NOT
# the time of an instruction; the median is one of single interruptions.
.macro LATE name, psw
    ROW "late.\name", 1, 0x1004, 8f, TRANSLATED|OWN_TIME|MEDIAN
    lgrl %r1, cr0_std
    oill %r1, CR0_CKC
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    larl %r4, \psw
    llilf %r3, SHORT_WHILE
    stckf LC_FREE
    ag %r3, LC_FREE
    stg %r3, LC_FREE
    sckc LC_FREE
    lpswe 0(%r4)
9:  stckf LC_FREE
    lcgr %r3, %r3
    ag %r3, LC_FREE
    lgrl %r1, far
    stg %r1, LC_FREE
    sckc LC_FREE
    lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    llgh %r2, LC_EXT_CODE
    br %r14
8:  larl %r1, spin
    larl %r2, psw_busy
    stg %r1, 8(%r2)
    NEW_PSW LC_EXT_NEW, psw_dat, 9b
.endm
    LATE waiting, psw_waiting
    LATE busy, psw_busy
spin:
    aghi %r5, 1
    j spin

# A page that is not there, the program check that makes it valid, and IPTE
    ROW "dat.fault-ipte", 256, 256+64*63/2*4, 8f, TRANSLATED
    lghi %r2, 0
    lghi %r0, 4
    llilf %r4, FAULTY_TABLE
0:  llilf %r3, FAULTY
    lghi %r5, 64
1:  ag %r2, 0(%r3)
    ipte %r4, %r3
    aghi %r3, 4096
    brctg %r5, 1b
    brctg %r0, 0b
    br %r14
8:  llilf %r3, FAULTY
    llilf %r4, FAULTY_TABLE
    lghi %r5, 0
0:  lgr %r1, %r3
    stg %r5, 0(%r1)
    aghi %r1, PAGE_INVALID
    stg %r1, 0(%r4)
    aghi %r3, 4096
    aghi %r4, 8
    aghi %r5, 1
    cghi %r5, 64
    jl 0b
    ptlb
    NEW_PSW LC_PGM_NEW, psw_dat, 9f
9:  lg %r10, LC_TEID
    risbg %r11, %r10, 53, 128+60, 64-9  # the page's index, in doublewords
    nilf %r10, 0xfffff000
    stg %r10, 0(%r11,%r4)
    aghi %r2, 1
    lpswe LC_PGM_OLD

# Eight pages after a purge, and after a change of the address space
.macro EIGHT_PAGES
    llilf %r3, DATA+0x200000
    .rept 8
    ag %r2, 0(%r3)
    aghi %r3, 4096+64
    .endr
.endm
.macro FILL_EIGHT
    llilf %r3, DATA+0x200000
    .rept 8
    mvghi 0(%r3), 3
    aghi %r3, 4096+64
    .endr
    br %r14
.endm
    ROW "dat.purge", 500, 8*3*500, 8f, TRANSLATED
    READY 500
0:  ptlb
    EIGHT_PAGES
    brctg %r0, 0b
    br %r14
8:  FILL_EIGHT

    ROW "dat.switch-space", 500, 8*3*500, 8f, TRANSLATED
    READY 250
    larl %r4, spaces
0:  .irp space, 8, 0
    lctlg %c1, %c1, \space(%r4)
    EIGHT_PAGES
    .endr
    brctg %r0, 0b
    br %r14
8:  FILL_EIGHT

.data
    .balign 8
psw_dat:
    .quad PSW_DAT
psw_problem:
    .quad 0x0401000180000000, 0
psw_waiting:
    .quad 0x0502000180000000, 0
psw_busy:
    .quad PSW_DAT_EXT, 0
psws:
    .rept 4
    .quad PSW_DAT, 0
    .endr
far:
    .quad FAR
spaces:
    .quad SEGMENT_TABLE, OTHER_SPACE
