# The TOD clock beyond its 64 bits, checked on one CPU: the epoch index and the
# clock-comparator sign control of the multiple-epoch facility (139) over the
# roll-over of 2042-09-17T23:53:47, and PERFORM TIMING FACILITY FUNCTION (28).
# Without a facility it checks what is there instead of it.
#
# Principles of Operation, chapter "Control", section "Timing". The guest sets its
# clock to shortly before the roll-over by itself, so it runs at any date.
.include "rt.inc"
.include "clock.inc"

.equ MILLISECOND, 4096000
.equ LC_A, LC_FREE+0x80
.equ LC_B, LC_FREE+0x88
.equ LC_C, LC_FREE+0x90
.equ SIGNED, 0x20                       # CR0 bit 10, in its leftmost 16 bits

.macro SET_CLOCK_TO value
    lgrl %r1, \value
    stg %r1, LC_A
    sck LC_A
.endm
.macro SET_COMPARATOR reg
    stg \reg, LC_A
    sckc LC_A
.endm
# Compares signed from now on, or unsigned again.
.macro SIGN_CONTROL how
    lgrl %r1, cr0_std
    .ifc \how, on
    oihh %r1, SIGNED
    .else
    nihh %r1, 0xffff-SIGNED
    .endif
    stgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
.endm
.macro WINDOW want
    brasl %r14, window
    EXPECT %r2, \want
.endm
# The clock is before the comparator for so long, and the interruption is after it.
.macro COMES units
    llilf %r2, \units
    brasl %r14, comes
    EXPECT %r2, 1
.endm
# Installed? %r2 = 1 or 0
.macro FACILITY number
    larl %r2, facilities
    llgc %r2, \number/8(%r2)
    lghi %r3, 0x80>>(\number%8)
    ngr %r2, %r3
    jz 9960f
    lghi %r2, 1
9960:
.endm

main:
    lghi %r0, 3
    larl %r1, facilities
    stfle 0(%r1)
    stck LC_A
    lg %r1, LC_A
    stgrl %r1, tod_before
    FACILITY 139
    ltgr %r2, %r2
    jz no_epochs
    PRINT "EPOCHS"
    NEWLINE

    BEGIN "the index follows the roll-over"
    SET_CLOCK_TO minute_before
    stcke LC_STCKE
    llgc %r5, LC_STCKE
    EXPECT %r5, 0
    lg %r5, LC_STCKE+1
    srlg %r5, %r5, 63
    EXPECT %r5, 1
    SET_CLOCK_TO two_before             # 2 ms before it
0:  stcke LC_STCKE
    lg %r5, LC_STCKE+1
    ltgr %r5, %r5
    jm 0b
    llgc %r5, LC_STCKE
    EXPECT %r5, 1
    END

    BEGIN "image by image nothing goes back over it"
    SET_CLOCK_TO one_before
    lghi %r0, 0
    stcke LC_STCKE
0:  stcke LC_A
    clc LC_STCKE(16), LC_A
    jnl 1f
    mvc LC_STCKE(16), LC_A
    cli LC_A, 0
    je 0b
    lg %r5, LC_A+1                      # and a millisecond more
    clgfi %r5, MILLISECOND
    jl 0b
    lghi %r0, 1
1:  EXPECT %r0, 1
    END

    BEGIN "SET CLOCK makes the index zero"
    stcke LC_STCKE
    llgc %r5, LC_STCKE
    EXPECT %r5, 1
    SET_CLOCK_TO small
    stcke LC_STCKE
    llgc %r5, LC_STCKE
    EXPECT %r5, 0
    SET_CLOCK_TO minute_before
    stcke LC_STCKE
    llgc %r5, LC_STCKE
    EXPECT %r5, 0
    END

    SIGN_CONTROL on
    BEGIN "signed: a comparator beyond the roll-over, running"
    SET_CLOCK_TO minute_before
    lgfi %r6, MILLISECOND
    SET_COMPARATOR %r6
    WINDOW 0
    SET_CLOCK_TO two_before
    COMES 500*MILLISECOND
    WINDOW 0x1004                       # a condition: there again
    END

    BEGIN "signed: a comparator beyond the roll-over, waiting"
    SET_CLOCK_TO two_before
    lgfi %r6, MILLISECOND
    SET_COMPARATOR %r6
    CALL waits
    EXPECT %r2, 1
    END

    BEGIN "signed: one at the roll-over fires right behind it"
    SET_CLOCK_TO minute_before
    lghi %r6, -1
    SET_COMPARATOR %r6
    WINDOW 0
    SET_CLOCK_TO two_before
    COMES 500*MILLISECOND
    END

    BEGIN "signed: one of before it stays passed"
    SET_CLOCK_TO minute_before
    lgrl %r6, one_before
    SET_COMPARATOR %r6
    WINDOW 0
    SET_CLOCK_TO two_before
    COMES 500*MILLISECOND
0:  stck LC_A
    lg %r5, LC_A
    ltgr %r5, %r5
    jm 0b
    WINDOW 0x1004
    END

    BEGIN "signed: the greatest value never comes"
    lgrl %r6, never_signed
    SET_COMPARATOR %r6
    WINDOW 0
    SET_CLOCK_TO minute_before
    WINDOW 0
    SET_CLOCK_TO small
    WINDOW 0
    END

    BEGIN "unsigned: passed comparators are ahead again behind the roll-over"
    SIGN_CONTROL off
    SET_CLOCK_TO minute_before
    lghi %r6, 0
    SET_COMPARATOR %r6
    WINDOW 0x1004
    lgrl %r6, two_before
    aghi %r6, -1
    SET_COMPARATOR %r6
    WINDOW 0
    SET_CLOCK_TO two_before
0:  stck LC_A
    lg %r5, LC_A
    ltgr %r5, %r5
    jm 0b
    WINDOW 0
    END

    BEGIN "the sign control makes and unmakes the condition"
    SET_CLOCK_TO minute_before
    lghi %r6, 0
    SET_COMPARATOR %r6
    lghi %r7, 5
0:  SIGN_CONTROL on
    WINDOW 0
    SIGN_CONTROL off
    WINDOW 0x1004
    brctg %r7, 0b
    SIGN_CONTROL on
    SET_CLOCK_TO two_before             # and the clock comes to it
    COMES 500*MILLISECOND
    SIGN_CONTROL off
    END
    j steering

no_epochs:
    PRINT "NO EPOCHS"
    NEWLINE
    BEGIN "no index without the facility"
    SET_CLOCK_TO one_before
0:  stcke LC_STCKE
    llgc %r5, LC_STCKE
    EXPECT %r5, 0
    lg %r5, LC_STCKE+1
    ltgr %r5, %r5
    jm 0b
    END

    BEGIN "no sign control without the facility"
    SIGN_CONTROL on
    SET_CLOCK_TO minute_before
    lghi %r6, 0
    SET_COMPARATOR %r6
    WINDOW 0x1004
    SIGN_CONTROL off
    END

steering:
    SET_CLOCK_TO tod_before
    lghi %r6, -1
    SET_COMPARATOR %r6
    FACILITY 28
    ltgr %r2, %r2
    jnz steered
    BEGIN "PTFF is not there without its facility"
    ON_PGM 0f
    lghi %r0, 0
    .insn e, 0x0104
0:  ON_PGM unexpected_pgm
    llgh %r2, LC_PGM_CODE
    lghi %r3, 1
    CHECK
    END
    jg finish

# \code in %r0; checks the condition code
.macro PTFF code, cc
    lghi %r0, \code
    larl %r1, block
    spm %r15
    .insn e, 0x0104
    EXPECT_CC \cc
.endm
# The block is filled with X'AA', and what is behind the answer stays so.
.macro ANSWER code, bytes
    brasl %r14, fill
    PTFF \code, 0
    larl %r2, block+\bytes
    CALL untouched
    EXPECT %r2, 1
.endm

steered:
    PRINT "STEERED"
    NEWLINE
    BEGIN "QUERY AVAILABLE FUNCTIONS tells what there is"
    ANSWER 0, 16
    lgrl %r6, block
    stgrl %r6, functions
    lgrl %r7, block+8
    stgrl %r7, functions+8
    srlg %r5, %r6, 60                   # functions 0 to 3
    EXPECT %r5, 0xf
    # Every function, in the supervisor state: condition code 0 if its bit is one, else 3
    lghi %r8, 0
0:  lgr %r0, %r8
    larl %r1, block
    .insn e, 0x0104
    ipm %r9
    srl %r9, 28
    llgfr %r9, %r9
    lghi %r3, 0
    larl %r4, functions
    srlg %r5, %r8, 3
    llgc %r5, 0(%r5,%r4)
    lgr %r1, %r8
    nill %r1, 7
    sll %r5, 0(%r1)
    tmll %r5, 0x80
    jnz 1f
    lghi %r3, 3
1:  lgr %r2, %r9
    CHECK
    aghi %r8, 1
    cghi %r8, 128
    jl 0b
    END

    BEGIN "QUERY TOD OFFSET: physical clock and epoch difference"
    lghi %r10, 2
0:  stck LC_A
    ANSWER 1, 32
    stck LC_B
    lgrl %r5, block                     # physical clock plus epoch difference
    lgrl %r6, block+24
    agr %r5, %r6
    lghi %r2, 0
    clg %r5, LC_A
    jl 1f
    clg %r5, LC_B
    jh 1f
    lghi %r2, 1
1:  lghi %r3, 1
    CHECK
    lgrl %r5, block+8
    EXPECT %r5, 0
    lgrl %r5, block+16
    EXPECT %r5, 0
    lgrl %r7, block
    SET_CLOCK_TO small                  # the second time round
    brctg %r10, 0b
    SET_CLOCK_TO tod_before
    ANSWER 1, 32
    lgrl %r5, block                     # the physical clock has gone on
    sgr %r5, %r7
    lghi %r2, 0
    jnp 2f
    lgrl %r4, minute
    cgr %r5, %r4
    jh 2f
    lghi %r2, 1
2:  lghi %r3, 1
    CHECK
    END

    BEGIN "QUERY STEERING INFORMATION: nothing is steered"
    ANSWER 2, 56
    .irp at, 8, 16, 24, 32, 40, 48
    lgrl %r5, block+\at
    EXPECT %r5, 0
    .endr
    END

    BEGIN "QUERY PHYSICAL CLOCK"
    ANSWER 2, 56
    lgrl %r6, block
    ANSWER 3, 8
    lgrl %r7, block
    lghi %r2, 0
    clgr %r7, %r6
    jl 0f
    lghi %r2, 1
0:  lghi %r3, 1
    CHECK
    END

    BEGIN "QUERY UTC INFORMATION: no server, all zeros"
    larl %r1, functions
    tm 0(%r1), 0x08                     # newer than the others
    jz 1f
    ANSWER 4, 256
    larl %r2, block
    larl %r3, block+1
    lghi %r4, 0
    clc 0(255,%r2), 0(%r3)
    jne 0f
    cli 0(%r2), 0
    jne 0f
    lghi %r4, 1
0:  EXPECT %r4, 1
1:  END

    BEGIN "bit 56 of the function code is no function's"
    lghi %r0, 0x80
    brasl %r14, refused
    EXPECT %r2, 6
    END

    BEGIN "queries in the problem state, control functions are privileged"
    .irp code, 0, 1, 63, 64, 65, 127
    lghi %r0, \code
    brasl %r14, problem
    .if \code < 2
    EXPECT %r2, 0x100
    .elseif \code < 64
    EXPECT %r2, 0x103
    .else
    EXPECT %r2, 2
    .endif
    .endr
    END

    BEGIN "a parameter block that is not there"
    ON_PGM 0f
    lghi %r0, 0
    lghi %r1, -4096
    .insn e, 0x0104
    lghi %r2, 0
    j 1f
0:  llgh %r2, LC_PGM_CODE
1:  ON_PGM unexpected_pgm
    lghi %r3, 5
    CHECK
    END
    jg finish

# ---------------------------------------------------------------------------
# Opens the comparator's interruption for two instructions: its code in %r2, or 0.
window:
    ENTER
    lgrl %r1, cr0_std
    oill %r1, CR0_CKC
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

# Waits in a loop, for %r2 units at most. %r2 = 1 if the comparator's interruption
# came and the clock (signed or not, as CR0 has it) is beyond the comparator.
comes:
    ENTER
    lgrl %r1, cr0_std
    oill %r1, CR0_CKC
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT 1f
    lgr %r4, %r2
    stckf LC_B
    ag %r4, LC_B
    stosm LC_FREE+8, 1
0:  stckf LC_B
    lgr %r5, %r4
    sg %r5, LC_B
    jp 0b
    stnsm LC_FREE+8, 0xfe
    lghi %r2, 0
    j 3f
1:  stckf LC_B
    CALL beyond
3:  stg %r2, FRAME_R2(%r15)
    CALL window_closed
    LEAVE

# The same in the wait state.
waits:
    ENTER
    lgrl %r1, cr0_std
    oill %r1, CR0_CKC
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT 1f
    larl %r1, wait_ext_psw
    lpswe 0(%r1)
1:  stckf LC_B
    CALL beyond
    stg %r2, FRAME_R2(%r15)
    CALL window_closed
    LEAVE

# Is the reading in LC_B beyond the comparator, and was it the comparator?
beyond:
    lghi %r2, 0
    llgh %r1, LC_EXT_CODE
    cghi %r1, 0x1004
    bner %r14
    stckc LC_C
    lg %r3, LC_C
    lg %r4, LC_B
    lgrl %r1, cr0_std
    tmhh %r1, SIGNED
    jz 0f
    cgr %r4, %r3
    bnhr %r14
    lghi %r2, 1
    br %r14
0:  clgr %r4, %r3
    bnhr %r14
    lghi %r2, 1
    br %r14

window_closed:
    lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT unexpected_ext
    br %r14

fill:
    larl %r1, block
    mvi 0(%r1), 0xaa
    mvc 1(256,%r1), 0(%r1)
    mvc 257(63,%r1), 256(%r1)
    br %r14
# Are the 64 bytes at %r2 as they were filled? %r2 = 1 or 0
untouched:
    lgr %r1, %r2
    lghi %r2, 0
    cli 0(%r1), 0xaa
    bner %r14
    clc 1(63,%r1), 0(%r1)
    bner %r14
    lghi %r2, 1
    br %r14

# PTFF with %r0 and the block: the program interruption's code in %r2, or 0
refused:
    ENTER
    ON_PGM 0f
    larl %r1, block
    .insn e, 0x0104
    lghi %r2, 0
    j 1f
0:  llgh %r2, LC_PGM_CODE
1:  stg %r2, FRAME_R2(%r15)
    ON_PGM unexpected_pgm
    LEAVE

# The same in the problem state: the code, or 0x100 plus the condition code
problem:
    ENTER
    lgr %r6, %r0
    larl %r1, 0f
    larl %r2, problem_psw
    stg %r1, 8(%r2)
    ON_PGM 1f
    larl %r1, block
    lpswe 0(%r2)
0:  .insn e, 0x0104
    ipm %r5
    sckpf                               # privileged: back to the supervisor state
1:  llgh %r2, LC_PGM_CODE
    ON_PGM unexpected_pgm
    lg %r4, LC_PGM_OLD+8
    larl %r3, 0b+8                      # behind SCKPF, which is 2 bytes and 6 in
    cgr %r4, %r3
    jne 2f
    srl %r5, 28
    llgfr %r2, %r5
    aghi %r2, 0x100
2:  stg %r2, FRAME_R2(%r15)
    LEAVE

.data
    .balign 8
one_before:
    .quad 0-1*MILLISECOND
two_before:
    .quad 0-2*MILLISECOND
small:
    .quad 0x0000cafef00dbeef
never_signed:
    .quad 0x7fffffffffffffff
minute_before:
    .quad 0-60000*MILLISECOND
minute:
    .quad 60000*MILLISECOND
problem_psw:
    .quad 0x0001000180000000, 0
.bss
    .balign 256
block:
    .skip 512
facilities:
    .skip 32
functions:
    .skip 16
tod_before:
    .skip 8
