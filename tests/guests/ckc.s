# What the architecture says of the TOD clock, the clock comparator and the CPU
# timer, checked on one CPU. Prints PASS or FAIL for each property.
#
# Principles of Operation, chapter "Control", section "Timing". The comparator and
# the timer are conditions, not events: pending for as long as the condition holds,
# and pending again after the interruption has been taken.
# QEMU 7.2's translation treats them as events; what it fails is in README.md.
.include "rt.inc"
.include "clock.inc"

.equ MILLISECOND, 4096000
.equ LC_A, LC_FREE+0x80                 # doublewords for operands and readings
.equ LC_B, LC_FREE+0x88
.equ LC_C, LC_FREE+0x90

# Comparator = now + \units (a 32-bit signed number); leaves it in %r6
.macro SET_CKC units
    READ_TOD %r6, LC_STCKE
    agfi %r6, \units
    stg %r6, LC_A
    sckc LC_A
.endm
.macro SET_TIMER value
    lgfi %r1, \value
    stg %r1, LC_A
    spt LC_A
.endm
.macro WINDOW mask
    lghi %r2, \mask
    brasl %r14, window
.endm
.macro WINDOW_FOR mask, units
    lghi %r2, \mask
    llilf %r3, \units
    brasl %r14, window_for
.endm
# \insn gives program interruption \code
.macro EXPECT_PGM code, insn:vararg
    ON_PGM 9970f
    \insn
    ON_PGM unexpected_pgm
    lghi %r2, -1
    j 9971f
9970:
    ON_PGM unexpected_pgm
    llgh %r2, LC_PGM_CODE
9971:
    lghi %r3, \code
    brasl %r14, group_check
.endm
# The same in the problem state
.macro EXPECT_PRIVILEGED insn:vararg
    larl %r1, 9972f
    larl %r2, problem_psw
    stg %r1, 8(%r2)
    ON_PGM 9973f
    lpswe 0(%r2)
9972:
    \insn
    .long 0                             # the wrong program check, if it got here
9973:
    ON_PGM unexpected_pgm
    llgh %r2, LC_PGM_CODE
    lghi %r3, 2
    brasl %r14, group_check
.endm
# The clocks are put where they disturb nothing.
.macro CALM
    lghi %r1, -1
    stg %r1, LC_A
    sckc LC_A
    lgrl %r1, long_time
    stg %r1, LC_A
    spt LC_A
.endm

main:
    stckc LC_A
    stpt LC_B
    stcke LC_STCKE
    BEGIN "initial values"              # set by the initial CPU reset
    lg %r5, LC_A
    EXPECT %r5, 0
    lg %r5, LC_B                        # 0, and it has counted down since
    lgr %r2, %r5
    srag %r2, %r2, 63
    lghi %r3, -1
    CHECK
    llgh %r5, LC_STCKE+14
    EXPECT %r5, 0
    END
    CALM

    BEGIN "store clock condition code"
    spm %r15                            # some other code first
    stck LC_A
    EXPECT_CC 0
    stckf LC_A
    EXPECT_CC 0
    stcke LC_STCKE
    EXPECT_CC 0
    END

    BEGIN "store clock operand need not be aligned"
    stck LC_A+1
    stckf LC_A+3
    stcke LC_STCKE+1
    END

    BEGIN "STCK unique and increasing"
    lgfi %r0, 20000
    stck LC_A
    lg %r6, LC_A
0:  stck LC_A
    lg %r7, LC_A
    clgr %r7, %r6
    jnh 1f
    lgr %r6, %r7
    brctg %r0, 0b
1:  EXPECT %r0, 0
    END

    BEGIN "STCKF never backwards"
    lgfi %r0, 20000
    stckf LC_A
    lg %r6, LC_A
0:  stckf LC_A
    lg %r7, LC_A
    clgr %r7, %r6
    jl 1f
    lgr %r6, %r7
    brctg %r0, 0b
1:  EXPECT %r0, 0
    END

    # STCK, eight zero bits before and zeros behind it, is below a later STCKE.
    BEGIN "STCK below a later STCKE"
    lgfi %r0, 20000
    larl %r5, extended
0:  stck 1(%r5)
    stcke LC_STCKE
    clc LC_STCKE(14), 0(%r5)
    jnh 1f
    brctg %r0, 0b
1:  EXPECT %r0, 0
    END

    BEGIN "STCKE fields"
    llilf %r0, 0x1234
    sckpf
    stcke LC_STCKE
    llgh %r5, LC_STCKE+14
    EXPECT %r5, 0x1234
    llgc %r5, LC_STCKE                  # the epoch index, which is 0
    EXPECT %r5, 0
    lg %r5, LC_STCKE+6                  # bits 64-103 of the clock are not all zero
    sllg %r5, %r5, 24
    ltgr %r5, %r5
    lghi %r5, 0
    jz 0f
    lghi %r5, 1
0:  EXPECT %r5, 1
    lghi %r0, 0
    sckpf
    stcke LC_STCKE
    llgh %r5, LC_STCKE+14
    EXPECT %r5, 0
    END

    BEGIN "SCKPF specification exception"
    llilf %r0, 0x10000
    EXPECT_PGM 6, sckpf
    llilf %r0, 0x80000000
    EXPECT_PGM 6, sckpf
    llihl %r0, 1                        # bits 0-31 are ignored
    sckpf
    END

    BEGIN "operands must be on doublewords"
    EXPECT_PGM 6, sck LC_A+4
    EXPECT_PGM 6, sckc LC_A+4
    EXPECT_PGM 6, stckc LC_A+4
    EXPECT_PGM 6, spt LC_A+4
    EXPECT_PGM 6, stpt LC_A+1
    END

    BEGIN "privileged in the problem state"
    EXPECT_PRIVILEGED sck LC_A
    EXPECT_PRIVILEGED sckc LC_A
    EXPECT_PRIVILEGED stckc LC_A
    EXPECT_PRIVILEGED spt LC_A
    EXPECT_PRIVILEGED stpt LC_A
    EXPECT_PRIVILEGED sckpf
    END

    BEGIN "STCKC returns what was set"
    lgrl %r5, pattern
    stg %r5, LC_A
    sckc LC_A
    stckc LC_B
    lg %r5, LC_B
    EXPECT %r5, 0x8123456789abcdef
    CALM
    END

    BEGIN "comparator passed half a second ago: at once"
    SET_CKC -500*MILLISECOND
    WINDOW CR0_CKC
    EXPECT %r2, 0x1004
    CALM
    END

    BEGIN "comparator zero: at once"
    lghi %r1, 0
    stg %r1, LC_A
    sckc LC_A
    WINDOW CR0_CKC
    EXPECT %r2, 0x1004
    CALM
    END

    BEGIN "comparator in the future fires"
    SET_CKC 1*MILLISECOND
    WINDOW_FOR CR0_CKC, 500*MILLISECOND
    EXPECT %r2, 0x1004
    CALM
    END

    BEGIN "comparator pending again each time"
    SET_CKC 1*MILLISECOND
    WINDOW_FOR CR0_CKC, 500*MILLISECOND
    lghi %r7, 5
0:  WINDOW CR0_CKC
    EXPECT %r2, 0x1004
    brctg %r7, 0b
    CALM
    END

    BEGIN "comparator masked stays pending"
    SET_CKC -1*MILLISECOND
    WINDOW_FOR 0, 5*MILLISECOND
    EXPECT %r2, 0
    WINDOW CR0_CPUT
    EXPECT %r2, 0
    WINDOW CR0_CKC
    EXPECT %r2, 0x1004
    CALM
    END

    BEGIN "comparator moved ahead is withdrawn"
    SET_CKC -1*MILLISECOND
    WINDOW_FOR 0, 2*MILLISECOND
    SET_CKC 500*MILLISECOND
    WINDOW_FOR CR0_CKC, 5*MILLISECOND
    EXPECT %r2, 0
    CALM
    END

    BEGIN "comparator all ones never fires"
    lghi %r1, -1
    stg %r1, LC_A
    sckc LC_A
    WINDOW_FOR CR0_CKC, 20*MILLISECOND
    EXPECT %r2, 0
    END

    # The first clock reading after the interruption is past the comparator.
    BEGIN "comparator never early, running"
    lghi %r7, 300
0:  lgr %r5, %r7
    msgfi %r5, 4096                     # 1 to 300 microseconds ahead
    READ_TOD %r6, LC_STCKE
    agr %r6, %r5
    stg %r6, LC_A
    sckc LC_A
    WINDOW_FOR CR0_CKC, 500*MILLISECOND # %r3: the reading
    lgr %r8, %r3
    EXPECT %r2, 0x1004
    lghi %r5, 0
    clgr %r8, %r6
    jnh 1f
    lghi %r5, 1
1:  EXPECT %r5, 1
    brctg %r7, 0b
    CALM
    END

    BEGIN "comparator never early, waiting"
    lghi %r7, 100
0:  lgr %r5, %r7
    msgfi %r5, 40960
    READ_TOD %r6, LC_STCKE
    agr %r6, %r5
    stg %r6, LC_A
    sckc LC_A
    lghi %r2, CR0_CKC
    CALL wait_for                       # %r3: the reading
    lgr %r8, %r3
    EXPECT %r2, 0x1004
    lghi %r5, 0
    clgr %r8, %r6
    jnh 1f
    lghi %r5, 1
1:  EXPECT %r5, 1
    brctg %r7, 0b
    CALM
    END

    BEGIN "wait with the comparator passed ends at once"
    SET_CKC -500*MILLISECOND
    lghi %r2, CR0_CKC
    # Where this does not work the guest would wait for ever: the CPU timer ends it.
    SET_TIMER 50*MILLISECOND
    lghi %r2, CR0_CKC+CR0_CPUT
    CALL wait_for
    EXPECT %r2, 0x1004
    CALM
    END

    BEGIN "CPU timer stores and counts down"
    SET_TIMER 1000000000
    stpt LC_A
    lg %r5, LC_A
    lghi %r4, 0
    cgfi %r5, 1000000000
    jh 0f
    cgfi %r5, 0
    jnh 0f
    lghi %r4, 1
0:  EXPECT %r4, 1
    lghi %r7, 1000
    stpt LC_A
    lg %r5, LC_A
1:  stpt LC_B
    lg %r4, LC_B
    cgr %r4, %r5
    jh 2f
    lgr %r5, %r4
    brctg %r7, 1b
2:  EXPECT %r7, 0
    END

    # Both clocks read in the order TOD, timer, TOD, twice, some time apart: the
    # timer's step lies between the TOD's inner and outer steps (1 us allowed).
    BEGIN "CPU timer runs at the TOD clock's rate"
    lgrl %r1, long_time
    stg %r1, LC_A
    spt LC_A
    READ_TOD %r5, LC_STCKE
    stpt LC_A
    READ_TOD %r6, LC_STCKE
    WINDOW_FOR 0, 20*MILLISECOND
    READ_TOD %r7, LC_STCKE
    stpt LC_B
    READ_TOD %r8, LC_STCKE
    lg %r9, LC_A
    sg %r9, LC_B                        # the timer's step
    sgr %r8, %r5
    aghi %r8, 4096                      # the outer one
    sgr %r7, %r6
    aghi %r7, -4096                     # the inner one
    lghi %r4, 0
    cgr %r9, %r8
    jh 0f
    cgr %r9, %r7
    jl 0f
    lghi %r4, 1
0:  EXPECT %r4, 1
    CALM
    END

    BEGIN "CPU timer negative: at once"
    SET_TIMER -1*MILLISECOND
    WINDOW CR0_CPUT
    EXPECT %r2, 0x1005
    CALM
    END

    BEGIN "CPU timer minus one is a value"
    SET_TIMER -1
    stpt LC_B
    lg %r5, LC_B
    lghi %r4, 0
    cghi %r5, -1
    jh 0f
    cgfi %r5, -500*MILLISECOND
    jl 0f
    lghi %r4, 1
0:  EXPECT %r4, 1
    WINDOW CR0_CPUT
    EXPECT %r2, 0x1005
    CALM
    END

    BEGIN "CPU timer fires when it passes zero"
    SET_TIMER 2*MILLISECOND
    lghi %r2, CR0_CPUT
    CALL wait_for
    EXPECT %r2, 0x1005
    stpt LC_B
    lg %r5, LC_B
    srag %r5, %r5, 63
    EXPECT %r5, -1
    END

    BEGIN "CPU timer pending again each time"
    SET_TIMER 1*MILLISECOND
    WINDOW_FOR CR0_CPUT, 500*MILLISECOND
    lghi %r7, 5
0:  WINDOW CR0_CPUT
    EXPECT %r2, 0x1005
    brctg %r7, 0b
    CALM
    END

    BEGIN "CPU timer masked, and withdrawn"
    SET_TIMER -1*MILLISECOND
    WINDOW_FOR 0, 2*MILLISECOND
    EXPECT %r2, 0
    WINDOW CR0_CKC
    EXPECT %r2, 0
    CALM
    WINDOW_FOR CR0_CPUT, 2*MILLISECOND
    EXPECT %r2, 0
    END

    BEGIN "comparator before CPU timer"
    SET_CKC 1*MILLISECOND
    SET_TIMER 1*MILLISECOND
    WINDOW_FOR 0, 5*MILLISECOND
    WINDOW_FOR CR0_CKC+CR0_CPUT, 5*MILLISECOND
    EXPECT %r2, 0x1004
    SET_CKC 500*MILLISECOND
    WINDOW_FOR CR0_CKC+CR0_CPUT, 5*MILLISECOND
    EXPECT %r2, 0x1005
    CALM
    END

    # From here the clock is set to other values, and near the right one at the end.
    READ_TOD %r2, LC_STCKE
    stgrl %r2, tod_before

    BEGIN "SET CLOCK: reads follow from the value set"
    .irp value, near_zero, ahead
    lgrl %r6, \value
    stg %r6, LC_A
    sck LC_A
    EXPECT_CC 0
    stck LC_B
    stckf LC_C
    READ_TOD %r7, LC_STCKE
    lg %r4, LC_B
    CALL soon_after
    EXPECT %r2, 1
    lg %r4, LC_C
    CALL soon_after
    EXPECT %r2, 1
    lgr %r4, %r7
    CALL soon_after
    EXPECT %r2, 1
    .endr
    END

    BEGIN "SET CLOCK: right rate afterwards"
    READ_TOD %r5, LC_STCKE
    stpt LC_A
    READ_TOD %r6, LC_STCKE
    WINDOW_FOR 0, 20*MILLISECOND
    READ_TOD %r7, LC_STCKE
    stpt LC_B
    READ_TOD %r8, LC_STCKE
    lg %r9, LC_A
    sg %r9, LC_B
    sgr %r8, %r5
    aghi %r8, 4096
    sgr %r7, %r6
    aghi %r7, -4096
    lghi %r4, 0
    cgr %r9, %r8
    jh 0f
    cgr %r9, %r7
    jl 0f
    lghi %r4, 1
0:  EXPECT %r4, 1
    END

    BEGIN "SET CLOCK: past the comparator makes it pending"
    lgrl %r5, ahead
    stg %r5, LC_A
    sck LC_A
    lgrl %r5, ahead_more
    stg %r5, LC_A
    sckc LC_A
    WINDOW_FOR CR0_CKC, 2*MILLISECOND
    EXPECT %r2, 0
    lgrl %r5, ahead_most
    stg %r5, LC_A
    sck LC_A
    WINDOW CR0_CKC
    EXPECT %r2, 0x1004
    END

    BEGIN "SET CLOCK: back before the comparator withdraws it"
    lgrl %r5, ahead
    stg %r5, LC_A
    sck LC_A
    WINDOW_FOR CR0_CKC, 2*MILLISECOND
    EXPECT %r2, 0
    CALM
    END

    lgrl %r2, tod_before
    stg %r2, LC_A
    sck LC_A
    jg finish

# Is %r4 at or after %r6, by less than a second? %r2 = 1 or 0.
soon_after:
    sgrk %r2, %r4, %r6
    clgfi %r2, 4096000000
    lghi %r2, 0
    bnlr %r14
    lghi %r2, 1
    br %r14

# Opens the external interruptions of CR0 mask %r2 for the length of two
# instructions. Returns the interruption's code, or 0.
window:
    ENTER
    lgrl %r1, cr0_std
    ogr %r1, %r2
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT 1f
    lghi %r2, 0
    stosm LC_FREE+8, 1
    stnsm LC_FREE+8, 0xfe
    j 2f
1:  llgh %r2, LC_EXT_CODE
2:  stg %r2, FRAME_R2(%r15)
    CALL window_closed
    LEAVE

# The same for %r3 TOD units. Returns the first clock reading after it in %r3.
window_for:
    ENTER
    lgrl %r1, cr0_std
    ogr %r1, %r2
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT 1f
    lghi %r2, 0
    READ_TOD %r4, LC_STCKE
    agr %r3, %r4
    stosm LC_FREE+8, 1
0:  stckf LC_B
    clg %r3, LC_B
    jh 0b
    stnsm LC_FREE+8, 0xfe
    stckf LC_B
    j 2f
1:  stckf LC_B
    llgh %r2, LC_EXT_CODE
2:  stg %r2, FRAME_R2(%r15)
    lg %r1, LC_B
    stg %r1, FRAME_R2+8(%r15)
    CALL window_closed
    LEAVE

# The same in the wait state, until an interruption comes.
wait_for:
    ENTER
    lgrl %r1, cr0_std
    ogr %r1, %r2
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT 1f
    larl %r1, wait_ext_psw
    lpswe 0(%r1)
1:  stckf LC_B
    llgh %r2, LC_EXT_CODE
    stg %r2, FRAME_R2(%r15)
    lg %r1, LC_B
    stg %r1, FRAME_R2+8(%r15)
    CALL window_closed
    LEAVE

window_closed:
    lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT unexpected_ext
    br %r14

.data
    .balign 8
long_time:
    .quad 0x7fffffffffffffff
pattern:
    .quad 0x8123456789abcdef
near_zero:
    .quad 0x0000cafef00dbeef
ahead:
    .quad 0xfacef00dcafe0000
ahead_more:
    .quad 0xfacf000000000000
ahead_most:
    .quad 0xfacf000100000000
problem_psw:
    .quad 0x0001000180000000, 0
.bss
    .balign 8
extended:
    .skip 16
tod_before:
    .skip 8
