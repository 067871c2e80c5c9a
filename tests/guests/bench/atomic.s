# Benchmark rows: locked operations, alone and shared with a second CPU, and signals
# between CPUs. Needs two CPUs. Translation off: both have the same lowcore.
.include "bench.inc"
.include "answers.inc"

.equ TURNS, 2000
.equ STEPS, 5000
.equ CR0_EMERGENCY, 0x4000
# What the second CPU is told to do
.equ IDLE, 0
.equ COUNT_CSG, 1
.equ COUNT_LAAG, 2
.equ TAKE_SIGNALS, 3
.equ STOP, 4

prepare:
    ENTER
    stap LC_FREE
    llgh %r4, LC_FREE
    lghi %r3, 1                         # the other one's address
    sgr %r3, %r4
    stgrl %r3, other
    lgrl %r1, psw_std
    stg %r1, LC_RST_NEW
    larl %r1, second
    stg %r1, LC_RST_NEW+8
    lghi %r5, 0
0:  sigp %r5, %r3, 6                    # restart
    brc 2, 0b                           # busy
    LEAVE

# The second CPU stops, so that the first one's end is the machine's.
unprepare:
    ENTER
    lghi %r1, STOP
    stgrl %r1, order
    lgrl %r3, other
0:  lghi %r5, 0
    sigp %r5, %r3, 1
    brc 11, 0b                          # no status yet
    tmll %r5, 0x40                      # stopped
    jz 0b
    CALL reset_new_psws
    LEAVE

# %r1 = counter, which is zero, %r0 = turns
.macro READY turns
    lgfi %r0, \turns
    larl %r1, counter
    mvghi 0(%r1), 0
    mvghi 8(%r1), 0
    lghi %r3, 1
.endm

    ROW "atomic.cs", 4*TURNS, 4*TURNS
    READY TURNS
    l %r4, 0(%r1)
0:  .rept 4
    lr %r5, %r4
    ahi %r5, 1
    cs %r4, %r5, 0(%r1)
    jne 9f
    lr %r4, %r5
    .endr
    brctg %r0, 0b
9:  llgf %r2, 0(%r1)
    br %r14

    ROW "atomic.csg", 4*TURNS, 4*TURNS
    READY TURNS
    lg %r4, 0(%r1)
0:  .rept 4
    la %r5, 1(%r4)
    csg %r4, %r5, 0(%r1)
    jne 9f
    lgr %r4, %r5
    .endr
    brctg %r0, 0b
9:  lg %r2, 0(%r1)
    br %r14

    ROW "atomic.cdsg", 4*TURNS, 8*TURNS
    READY TURNS
    lmg %r4, %r5, 0(%r1)
0:  .rept 4
    la %r6, 1(%r4)
    la %r7, 1(%r5)
    cdsg %r4, %r6, 0(%r1)
    jne 9f
    lgr %r4, %r6
    lgr %r5, %r7
    .endr
    brctg %r0, 0b
9:  lg %r2, 0(%r1)
    ag %r2, 8(%r1)
    br %r14

.macro FETCH_AND name, insn, load
    ROW "atomic.\name", 4*TURNS, 4*TURNS
    READY TURNS
0:  .irp reg, 4, 5, 6, 7
    \insn %r\reg, %r3, 0(%r1)
    .endr
    brctg %r0, 0b
    \load %r2, 0(%r1)
    br %r14
.endm
    FETCH_AND laa, laa, llgf
    FETCH_AND laag, laag, lg

    ROW "atomic.lao-lan", 8*TURNS, 0xfe
    READY TURNS
    mvghi 0(%r1), 0xff
    lghi %r4, -2
0:  .rept 4
    laog %r5, %r3, 0(%r1)
    lang %r6, %r4, 0(%r1)
    .endr
    brctg %r0, 0b
    lg %r2, 0(%r1)
    br %r14

    ROW "atomic.serialize", 4*TURNS, TURNS
    READY TURNS
    lghi %r2, 0
0:  bcr 15, 0
    stg %r0, 0(%r1)
    bcr 15, 0
    lg %r4, 0(%r1)
    bcr 15, 0
    aghi %r2, 1
    bcr 15, 0
    brctg %r0, 0b
    br %r14

# A spin lock taken and given back, with what it guards
    ROW "atomic.lock", TURNS, TURNS
    READY TURNS
0:  lghi %r4, 0
    cs %r4, %r3, 8(%r1)
    jne 0b
    agsi 0(%r1), 1
    mvhi 8(%r1), 0
    brctg %r0, 0b
    lg %r2, 0(%r1)
    br %r14

# Both CPUs count one doubleword up. Timed are the first one's STEPS, while the other
# one goes on; what it has counted is taken off.
.macro SHARED what, order
    ROW "shared.\what", STEPS, STEPS, nothing, OWN_TIME|MEDIAN
    lgr %r13, %r14
    mvghi LC_FREE, 0
    larl %r1, counter
    larl %r12, counted
    mvghi 0(%r1), 0
    mvghi 0(%r12), -1
    lghi %r3, \order
    stgrl %r3, order
0:  lg %r3, 0(%r1)
    ltgr %r3, %r3                       # it has begun
    jz 0b
    lgfi %r0, STEPS
    stcke LC_FREE+16
.endm
.macro SHARED_END
    stcke LC_FREE+32
    lghi %r3, IDLE
    stgrl %r3, order
0:  lg %r4, 0(%r12)
    cghi %r4, -1
    je 0b
    lg %r2, 0(%r1)
    sgr %r2, %r4
    lg %r3, LC_FREE+33
    sg %r3, LC_FREE+17
    br %r13
.endm
    SHARED csg, COUNT_CSG
    lg %r4, 0(%r1)
1:  la %r5, 1(%r4)
    csg %r4, %r5, 0(%r1)
    jne 1b
    lgr %r4, %r5
    brctg %r0, 1b
    SHARED_END

    SHARED laag, COUNT_LAAG
    lghi %r3, 1
1:  laag %r4, %r3, 0(%r1)
    brctg %r0, 1b
    SHARED_END

# A signal to the other CPU, which waits, and its answer in storage
    ROW "shared.signal", 50, 50, nothing, OWN_TIME|MEDIAN
    lgr %r13, %r14
    larl %r1, counter
    mvghi 0(%r1), 0
    larl %r12, counted
    mvghi 0(%r12), -1
    larl %r3, signalled
    stg %r3, LC_EXT_NEW+8
    lghi %r3, TAKE_SIGNALS
    stgrl %r3, order
    lgrl %r6, other
    lghi %r5, 0
    lghi %r2, 0
    larl %r7, ready
0:  lg %r3, 0(%r7)
    ltgr %r3, %r3
    jz 0b
    stcke LC_FREE+16
1:  sigp %r5, %r6, 3
2:  lg %r3, 0(%r1)
    cgr %r3, %r2
    je 2b
    aghi %r2, 1
    cghi %r2, 50
    jl 1b
    stcke LC_FREE+32
    lghi %r3, IDLE
    stgrl %r3, order
    sigp %r5, %r6, 3                    # to see it
3:  lg %r3, 0(%r12)
    cghi %r3, -1
    je 3b
    lg %r3, LC_FREE+33
    sg %r3, LC_FREE+17
    larl %r4, unexpected_ext
    stg %r4, LC_EXT_NEW+8
    br %r13

# The second CPU: obeys `order`, says in `counted` how much it counted. No stack.
second:
    larl %r9, order
    larl %r1, counter
    larl %r12, counted
idle:
    lg %r8, 0(%r9)
    cghi %r8, COUNT_CSG
    je count_csg
    cghi %r8, COUNT_LAAG
    je count_laag
    cghi %r8, TAKE_SIGNALS
    je take_signals
    cghi %r8, STOP
    jne idle
    lgrl %r3, other
0:  sigp %r5, %r3, 5
    j 0b
count_csg:
    lghi %r8, 0
0:  lg %r4, 0(%r1)
1:  la %r5, 1(%r4)
    csg %r4, %r5, 0(%r1)
    jne 1b
    aghi %r8, 1
    lg %r4, 0(%r9)
    cghi %r4, COUNT_CSG
    je 0b
    stg %r8, 0(%r12)
    j idle
count_laag:
    lghi %r8, 0
    lghi %r3, 1
0:  laag %r4, %r3, 0(%r1)
    aghi %r8, 1
    lg %r4, 0(%r9)
    cghi %r4, COUNT_LAAG
    je 0b
    stg %r8, 0(%r12)
    j idle
take_signals:
    larl %r3, cr0_signals
    lctlg %c0, %c0, 0(%r3)
    lghi %r8, 0
    larl %r7, ready
    larl %r10, wait_ext_psw
    mvghi 0(%r7), 1
    lpswe 0(%r10)
signalled:
    lg %r4, 0(%r9)
    cghi %r4, TAKE_SIGNALS
    jne 0f
    aghi %r8, 1
    stg %r8, 0(%r1)
    lpswe 0(%r10)
0:  mvghi 0(%r7), 0
    stg %r8, 0(%r12)
    j idle

.data
    .balign 8
cr0_signals:
    .quad CR0_AFP+CR0_EMERGENCY
.bss
    .balign 256
counter:
    .skip 256
order:
    .skip 256
counted:
    .skip 256
ready:
    .skip 256
other:
    .skip 8
