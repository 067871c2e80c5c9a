# One TOD clock for all CPUs: STCK and STCKE are ordered with what CPUs tell each other,
# and no value comes twice; STCKF only never goes back on one CPU.
# Parameter: rounds=N per CPU (default 4000, at most 8192).
.include "rt.inc"
.include "smp.inc"

.equ MOST, 8192
.equ SPACE, MOST*16                     # of one CPU's readings

main:
    NUMBER "rounds=", 4000
    clgfi %r2, MOST
    jnh 0f
    lghi %r2, MOST
0:  stgrl %r2, rounds
    CALL smp_init
    SAY_CPUS
    # Two readings into %r4 and its area, by name
    .macro READ_STCK
    stck LC_FREE+0x80
    lg %r4, LC_FREE+0x80
    .endm
    .macro READ_STCKE
    stcke LC_FREE+0x80
    lg %r4, LC_FREE+0x81
    .endm
    .macro READ_STCKF
    stckf LC_FREE+0x80
    lg %r4, LC_FREE+0x80
    .endm

    # Each CPU looks at the newest value that any has told, reads the clock, and tells: the
    # value read last is greater than what was seen before.
    .macro CHAIN name, read, telling
    BEGIN "\name"
    larl %r10, cell
    xc 0(256,%r10), 0(%r10)
    EVERYWHERE 9950f
    larl %r10, cell
    lg %r2, 64(%r10)
    EXPECT %r2, 0
    lg %r2, 128(%r10)                   # told as often as all rounds
    lgrl %r3, rounds
    lgrl %r4, cpus
    msgr %r3, %r4
    CHECK
    j 9952f
9950:
    ENTER
    CALL barrier
    larl %r10, cell
    lgrl %r11, rounds
9951:
    lg %r3, 0(%r10)
    \read
    clgr %r4, %r3
    jh 9953f
    agsi 64(%r10), 1                    # not later
9953:
    \telling
    agsi 128(%r10), 1
    brctg %r11, 9951b
    LEAVE
9952:
    END
    .endm
    # By compare and swap, until it is told or something newer is there.
    .macro TELL_CSG
9954:
    csg %r3, %r4, 0(%r10)
    je 9955f
    clgr %r3, %r4
    jl 9954b
9955:
    .endm
    # By an ordinary store: values told may go back, but never behind what their reader read.
    .macro TELL_STG
    stg %r4, 0(%r10)
    .endm
    .macro READ_MIXED
    tmll %r11, 1
    jz 9956f
    READ_STCK
    j 9957f
9956:
    READ_STCKE
9957:
    .endm
    CHAIN "STORE CLOCK is later than what was told", READ_STCK, TELL_CSG
    CHAIN "STORE CLOCK EXTENDED is later than what was told", READ_STCKE, TELL_CSG
    CHAIN "both, mixed", READ_MIXED, TELL_CSG
    CHAIN "told by an ordinary store", READ_MIXED, TELL_STG

    # A lock passed around: who holds it reads the clock later than who held it before.
    BEGIN "under a lock"
    larl %r10, cell
    xc 0(256,%r10), 0(%r10)
    EVERYWHERE locked
    larl %r10, cell
    lg %r2, 64(%r10)
    EXPECT %r2, 0
    END

    # Collected by all CPUs at once: each list goes up, and no value is in two of them.
    .macro COLLECT name, function
    BEGIN "\name"
    EVERYWHERE \function
    CALL merge
    EXPECT %r2, 0
    END
    .endm
    COLLECT "no two STORE CLOCK are equal", collect_stck
    COLLECT "no two STORE CLOCK EXTENDED are equal", collect_stcke
    COLLECT "nor are those of both", collect_mixed

    # STCK, filled with zeros, is less than a later STCKE, and more than an earlier one;
    # STCKF does not go back either.
    BEGIN "order on one CPU"
    larl %r10, cell
    xc 0(256,%r10), 0(%r10)
    EVERYWHERE sequence
    larl %r10, cell
    lg %r2, 64(%r10)
    EXPECT %r2, 0
    lg %r2, 72(%r10)
    EXPECT %r2, 0
    lg %r2, 80(%r10)
    EXPECT %r2, 0
    END

    # All CPUs see one clock: what one reads lies between two readings of another around it.
    BEGIN "one reading between two"
    larl %r10, cell
    xc 0(256,%r10), 0(%r10)
    lgrl %r1, cpus
    cghi %r1, 1
    je 0f
    larl %r3, answers
    lghi %r2, 1
    CALL run_on
    lgrl %r11, rounds
    srlg %r11, %r11, 3
    lghi %r9, 0
1:  aghi %r9, 1
    READ_STCK
    lgr %r6, %r4
    stg %r9, 0(%r10)                    # asked
2:  lg %r1, 8(%r10)
    cgr %r1, %r9
    jne 2b
    READ_STCK
    lg %r5, 16(%r10)
    lghi %r2, 0
    clgr %r5, %r6
    jnh 3f
    clgr %r4, %r5
    jh 4f
3:  lghi %r2, 1
4:  EXPECT %r2, 0
    brctg %r11, 1b
    lghi %r2, 1
    CALL wait_for
0:  END
    jg smp_finish

# ---------------------------------------------------------------------------
locked:
    ENTER
    CALL barrier
    larl %r10, cell
    lgrl %r11, rounds
    srlg %r11, %r11, 2
0:  lhi %r2, 0
    lhi %r3, 1
    cs %r2, %r3, 0(%r10)
    je 1f
    YIELD
    j 0b
1:  lg %r5, 8(%r10)
    READ_MIXED
    stg %r4, 8(%r10)
    mvhi 0(%r10), 0
    clgr %r4, %r5
    jh 2f
    agsi 64(%r10), 1
2:  brctg %r11, 0b
    LEAVE

answers:
    ENTER
    larl %r10, cell
    lgrl %r11, rounds
    srlg %r11, %r11, 3
    lghi %r9, 0
0:  aghi %r9, 1
1:  lg %r1, 0(%r10)
    cgr %r1, %r9
    jne 1b
    READ_MIXED
    stg %r4, 16(%r10)
    stg %r9, 8(%r10)
    brctg %r11, 0b
    LEAVE

# Readings of a CPU: 16 bytes each, the clock's bits 0-103 from the left.
.macro COLLECTOR name, read
\name:
    ENTER
    lgr %r8, %r2
    CALL barrier
    larl %r10, readings
    msgfi %r8, SPACE
    agr %r10, %r8
    lgrl %r11, rounds
0:  \read
    la %r10, 16(%r10)
    brctg %r11, 0b
    LEAVE
.endm
.macro INTO_STCK
    mvghi 8(%r10), 0
    stck 0(%r10)
.endm
.macro INTO_STCKE
    stcke 0(%r10)
.endm
.macro INTO_MIXED
    tmll %r11, 1
    jz 1f
    INTO_STCK
    j 2f
1:  INTO_STCKE
    mvc 0(15,%r10), 1(%r10)
    mvhhi 13(%r10), 0
    mvi 15(%r10), 0
2:
.endm
    COLLECTOR collect_stck, INTO_STCK
    COLLECTOR collect_stcke, INTO_STCKE
    COLLECTOR collect_mixed, INTO_MIXED

# Takes the least reading of all lists again and again: how often it is not greater than the
# one before (in bits 0-111 of an image; the programmable field is zero).
merge:
    ENTER
    lghi %r9, 0                         # faults
    lgrl %r12, cpus
    lgr %r8, %r12
    lgrl %r11, rounds
    larl %r7, heads
    larl %r10, readings
    lghi %r1, 0
0:  sllg %r2, %r1, 4                    # next and end of each list
    agr %r2, %r7
    stg %r10, 0(%r2)
    sllg %r3, %r11, 4
    agr %r3, %r10
    stg %r3, 8(%r2)
    agfi %r10, SPACE
    aghi %r1, 1
    cgr %r1, %r12
    jl 0b
    larl %r6, last
    xc 0(16,%r6), 0(%r6)
1:  lghi %r4, 0                         # place of the least
    lghi %r1, 0
2:  sllg %r2, %r1, 4
    agr %r2, %r7
    lg %r3, 0(%r2)
    clg %r3, 8(%r2)
    jnl 3f
    ltgr %r4, %r4
    jz 4f
    clc 0(16,%r3), 0(%r4)
    jnl 3f
4:  lgr %r4, %r3
    lgr %r5, %r2
3:  aghi %r1, 1
    cgr %r1, %r12
    jl 2b
    ltgr %r4, %r4
    jz 6f
    clc 0(16,%r4), 0(%r6)
    jh 5f
    aghi %r9, 1
5:  mvc 0(16,%r6), 0(%r4)
    la %r4, 16(%r4)
    stg %r4, 0(%r5)
    j 1b
6:  # Each list by itself as well: sorted merging hides what goes back in one.
    larl %r10, readings
    lgr %r1, %r12
7:  lgr %r4, %r10
    lgr %r5, %r11
    aghi %r5, -1
8:  clc 16(16,%r4), 0(%r4)
    jh 9f
    aghi %r9, 1
9:  la %r4, 16(%r4)
    brctg %r5, 8b
    agfi %r10, SPACE
    brctg %r1, 7b
    stg %r9, FRAME_R2(%r15)
    LEAVE

sequence:
    ENTER
    CALL barrier
    larl %r10, cell
    lgrl %r11, rounds
    mvghi LC_FREE+0x88, 0
    lghi %r6, 0
0:  xc LC_FREE+0x80(0x60), LC_FREE+0x80
    stck LC_FREE+0x81                   # as bytes 1-8 of an image
    stcke LC_FREE+0x90
    stck LC_FREE+0xa1
    stcke LC_FREE+0xb0
    clc LC_FREE+0x80(16), LC_FREE+0x90
    jl 1f
    agsi 64(%r10), 1
1:  clc LC_FREE+0x90(16), LC_FREE+0xa0
    jl 2f
    agsi 72(%r10), 1
2:  clc LC_FREE+0xa0(16), LC_FREE+0xb0
    jl 3f
    agsi 64(%r10), 1
3:  READ_STCKF
    clgr %r4, %r6
    jnl 4f
    agsi 80(%r10), 1
4:  lgr %r6, %r4
    brctg %r11, 0b
    LEAVE

.bss
    .balign 4096
cell:
    .skip 4096
heads:
    .skip 16*MAX_CPUS
last:
    .skip 16
rounds:
    .skip 8
    .balign 4096
readings:
    .skip SPACE*MAX_CPUS
.text
