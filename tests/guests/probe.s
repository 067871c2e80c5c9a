# The clock, the clock comparators and the CPU timers of several CPUs at once: what each CPU
# sees of its own conditions while the others run, what SET CLOCK on one does to all, and how
# a CPU timer stands while its CPU is stopped. One CPU's own are in ckc.s, the order of
# readings over CPUs in smptod.s, what is beyond 64 bits in epoch.s.
#
# Principles of Operation, chapter "Control", section "Timing".
# Parameter: rounds=N (default 200).
.include "rt.inc"
.include "clock.inc"
.include "smp.inc"

.equ MILLISECOND, 4096000
.equ LC_A, LC_FREE+0x80                 # doublewords for operands and readings
.equ LC_B, LC_FREE+0x88
.equ LC_C, LC_FREE+0x90
.equ LC_WANT, LC_FREE+0x98
.equ FAULTS, 64                         # places in `cell`
.equ DONE, 128
.equ ASKED, 192
.equ TOLD, 256

# All CPUs run the function; it counts in `cell` what was wrong, and that it came to its end.
.macro PROBE name, function
    BEGIN "\name"
    brasl %r14, clear_cell
    EVERYWHERE \function
    larl %r10, cell
    lg %r2, FAULTS(%r10)
    EXPECT %r2, 0
    lg %r2, DONE(%r10)
    lgrl %r3, cpus
    CHECK
    END
.endm
.macro FAULT
    larl %r1, cell
    agsi FAULTS(%r1), 1
.endm
.macro ENDS
    brasl %r14, calm
    larl %r1, cell
    agsi DONE(%r1), 1
    LEAVE
.endm
.macro SET_COMPARATOR reg
    stg \reg, LC_A
    sckc LC_A
.endm
.macro SET_TIMER value
    lgfi %r1, \value
    stg %r1, LC_A
    spt LC_A
.endm
.macro SET_CLOCK_TO value
    lgrl %r1, \value
    stg %r1, LC_A
    sck LC_A
.endm
# The code of the interruption that the masks \mask give at once, or 0, is \want.
.macro WINDOW mask, want
    lghi %r2, \mask
    brasl %r14, window
    cghi %r2, \want
    je 9940f
    FAULT
9940:
.endm

main:
    NUMBER "rounds=", 200
    stgrl %r2, rounds
    CALL smp_init
    SAY_CPUS
    stck LC_A
    lg %r1, LC_A
    stgrl %r1, tod_before

    PROBE "a comparator of 0 is pending at once on every CPU", zero
    PROBE "a comparator of long ago is pending at once on every CPU", long_ago
    PROBE "a comparator that was delivered comes again on every CPU", again
    PROBE "a comparator of all ones never comes on any CPU", never
    PROBE "comparators are never early, running and waiting", never_early
    PROBE "a CPU timer of -1 ms is pending at once and again on every CPU", negative
    PROBE "a CPU timer of -1 reads about -1 on every CPU", minus_one
    PROBE "CPU timers are never early, running and waiting", timer_never_early
    PROBE "both conditions at once, comparator first", both
    PROBE "SET CLOCK to beyond their comparators wakes CPUs that wait", woken
    PROBE "SET CLOCK to before their comparators withdraws them", withdrawn
    PROBE "readings while a CPU sets the clock forth and back", race
    SET_CLOCK_TO tod_before
    PROBE "all CPUs read the clock that was set last", together

    BEGIN "a CPU timer stands while its CPU is stopped, the clock does not"
    lgrl %r1, cpus
    cghi %r1, 1
    je 0f
    CALL clear_cell
    CALL stopped_timer
    larl %r10, cell
    lg %r2, FAULTS(%r10)
    EXPECT %r2, 0
    lg %r2, DONE(%r10)
    EXPECT %r2, 1
0:  END
    jg smp_finish

# ---------------------------------------------------------------------------
zero:
    ENTER
    CALL calm
    CALL barrier
    lghi %r6, 0
    SET_COMPARATOR %r6
    WINDOW CR0_CKC, 0x1004
    ENDS

long_ago:
    ENTER
    CALL calm
    CALL barrier
    lgrl %r6, in_2000
    SET_COMPARATOR %r6
    WINDOW CR0_CPUT, 0
    WINDOW CR0_CKC, 0x1004
    ENDS

again:
    ENTER
    CALL calm
    CALL barrier
    READ_TOD %r6, LC_STCKE
    agfi %r6, MILLISECOND
    SET_COMPARATOR %r6
    lghi %r2, CR0_CKC
    CALL wait_open
    cghi %r2, 0x1004
    je 0f
    FAULT
0:  lghi %r7, 5
1:  WINDOW CR0_CKC, 0x1004
    brctg %r7, 1b
    lgrl %r1, two_seconds               # in the wait state as well; without it the
    stg %r1, LC_A                       # CPU timer ends that
    spt LC_A
    lghi %r2, CR0_CKC+CR0_CPUT
    CALL wait_open
    cghi %r2, 0x1004
    je 2f
    FAULT
2:  ENDS

never:
    ENTER
    CALL calm
    CALL barrier
    lghi %r6, -1
    SET_COMPARATOR %r6
    lghi %r7, 100
0:  WINDOW CR0_CKC, 0
    brctg %r7, 0b
    ENDS

# Odd rounds wait, even ones run; distances from a microsecond on.
never_early:
    ENTER
    CALL calm
    CALL barrier
    lgrl %r7, rounds
0:  lgr %r5, %r7
    nill %r5, 0xff
    aghi %r5, 1
    sllg %r5, %r5, 12
    READ_TOD %r6, LC_STCKE
    agr %r6, %r5
    SET_COMPARATOR %r6
    lghi %r2, CR0_CKC
    tmll %r7, 1
    jz 1f
    CALL wait_open
    j 2f
1:  CALL run_open
2:  lg %r3, LC_B                        # the first reading after it
    cghi %r2, 0x1004
    jne 3f
    clgr %r3, %r6
    jh 4f
3:  FAULT
4:  brctg %r7, 0b
    ENDS

negative:
    ENTER
    CALL calm
    CALL barrier
    lghi %r7, 5
    SET_TIMER -1*MILLISECOND
0:  WINDOW CR0_CKC, 0
    WINDOW CR0_CPUT, 0x1005
    brctg %r7, 0b
    ENDS

minus_one:
    ENTER
    CALL calm
    CALL barrier
    lgrl %r7, rounds
    lghi %r8, 0
0:  SET_TIMER -1
    stpt LC_B
    lg %r5, LC_B
    cghi %r5, -1
    jh 1f
    cgfi %r5, -500*MILLISECOND
    jnl 2f
1:  FAULT
2:  brctg %r7, 0b
    ENDS

timer_never_early:
    ENTER
    CALL calm
    CALL barrier
    lgrl %r7, rounds
0:  lgr %r5, %r7
    nill %r5, 0xff
    aghi %r5, 1
    sllg %r5, %r5, 12
    stg %r5, LC_A
    spt LC_A
    lghi %r2, CR0_CPUT
    tmll %r7, 1
    jz 1f
    CALL wait_open
    j 2f
1:  CALL run_open
2:  lg %r3, LC_C                        # the timer after it
    cghi %r2, 0x1005
    jne 3f
    ltgr %r3, %r3
    jm 4f
3:  FAULT
4:  brctg %r7, 0b
    ENDS

both:
    ENTER
    CALL calm
    CALL barrier
    lghi %r7, 20
0:  lghi %r6, 0
    SET_COMPARATOR %r6
    SET_TIMER -1
    WINDOW CR0_CKC+CR0_CPUT, 0x1004
    lghi %r6, -1
    SET_COMPARATOR %r6
    WINDOW CR0_CKC+CR0_CPUT, 0x1005
    CALL calm
    WINDOW CR0_CKC+CR0_CPUT, 0
    brctg %r7, 0b
    ENDS

# CPU 0 sets the clock; the others wait for a comparator that is minutes ahead. Should they
# not be woken, their CPU timers wake them two seconds later.
woken:
    ENTER
    CALL calm
    lghi %r7, 3
0:  CALL barrier
    lg %r1, LC_CPU
    ltgr %r1, %r1
    jnz 1f
    SET_CLOCK_TO base
1:  CALL barrier
    lgrl %r6, base_and_minutes
    SET_COMPARATOR %r6
    WINDOW CR0_CKC, 0
    lgrl %r1, two_seconds
    stg %r1, LC_A
    spt LC_A
    CALL barrier
    lg %r1, LC_CPU
    ltgr %r1, %r1
    jnz 3f
    lghi %r1, 1000                      # they are on their way
2:  brctg %r1, 2b
    SET_CLOCK_TO base_and_hours
    WINDOW CR0_CKC, 0x1004
    j 5f
3:  lghi %r2, CR0_CKC+CR0_CPUT
    CALL wait_open
    cghi %r2, 0x1004
    jne 4f
    lg %r3, LC_B
    clgr %r3, %r6
    jh 5f
4:  FAULT
5:  CALL calm
    brctg %r7, 0b
    ENDS

withdrawn:
    ENTER
    CALL calm
    lghi %r7, 20
0:  CALL barrier
    lg %r1, LC_CPU
    ltgr %r1, %r1
    jnz 1f
    SET_CLOCK_TO base_and_hours
1:  CALL barrier
    lgrl %r6, base_and_minutes
    SET_COMPARATOR %r6
    WINDOW CR0_CKC, 0x1004
    CALL barrier
    lg %r1, LC_CPU
    ltgr %r1, %r1
    jnz 2f
    SET_CLOCK_TO base
2:  CALL barrier
    WINDOW CR0_CKC, 0
    brctg %r7, 0b
    ENDS

# CPU 0 sets the clock again and again: to turn << 40, with bit 1 or bit 2 in turn, so that it
# goes forth and back by hundreds of years. The others read: the turn they see never goes back,
# it fits to the bit, and within a turn no reading is equal to or below the one before.
race:
    ENTER
    CALL calm
    lg %r1, LC_CPU
    ltgr %r1, %r1
    jnz 0f
    lghi %r2, 1
    CALL set_turn                       # before anybody reads
0:  CALL barrier
    lg %r1, LC_CPU
    ltgr %r1, %r1
    jnz 4f
    lgrl %r7, rounds
    lghi %r8, 1
1:  aghi %r8, 1
    lgr %r2, %r8
    CALL set_turn
    lghi %r9, 50                        # and it reads what it has set
2:  stck LC_B
    lg %r4, LC_B
    CALL turn_of
    cgr %r5, %r8
    je 3f
    FAULT
3:  brctg %r9, 2b
    brctg %r7, 1b
    larl %r1, cell
    mvghi ASKED(%r1), 1                 # it is over
    j 9f
4:  lghi %r6, 0                         # last turn
    lghi %r7, 0                         # last reading
5:  tmll %r7, 0x10                      # STCK and STCKE as it comes
    jz 6f
    stck LC_B
    lg %r4, LC_B
    j 7f
6:  READ_TOD %r4, LC_STCKE
7:  CALL turn_of
    cgr %r5, %r6
    jl 8f                               # a turn of before
    jh 10f
    clgr %r4, %r7
    jh 10f
8:  FAULT
10: lgr %r6, %r5
    lgr %r7, %r4
    larl %r1, cell
    lg %r1, ASKED(%r1)
    ltgr %r1, %r1
    jz 5b
9:  ENDS

# Sets the clock to the beginning of turn %r2.
set_turn:
    ENTER
    lgrl %r3, even_turn
    tmll %r2, 1
    jz 0f
    lgrl %r3, odd_turn
0:  sllg %r2, %r2, 40
    ogr %r3, %r2
    stg %r3, LC_A
    sck LC_A
    LEAVE
# %r5 = the turn that the reading in %r4 belongs to; 0 if it fits to none.
turn_of:
    srlg %r5, %r4, 40
    nilh %r5, 0xf
    llgfr %r5, %r5
    srlg %r1, %r4, 60
    tmll %r5, 1
    jz 0f
    cghi %r1, 1
    ber %r14
    lghi %r5, 0
    br %r14
0:  cghi %r1, 2
    ber %r14
    lghi %r5, 0
    br %r14

# After SET CLOCK all CPUs agree to within what a slow host may take.
together:
    ENTER
    CALL calm
    CALL barrier
    lgrl %r6, tod_before
    READ_TOD %r4, LC_STCKE
    sgr %r4, %r6
    lgrl %r5, ten_minutes
    clgr %r4, %r5
    jl 0f
    FAULT
0:  ENDS

# CPU 1 runs, is stopped for 20 ms and more, and runs again. Between its two looks at both of
# its clocks the timer has gone down by less than the clock went up, by no less than it was
# known to be stopped and no more than it can have been.
stopped_timer:
    ENTER
    larl %r10, cell
    lghi %r2, 1
    larl %r3, keeps_time
    CALL run_on
0:  lg %r1, TOLD(%r10)                  # it has looked
    ltgr %r1, %r1
    jz 0b
    lghi %r9, 1
    READ_TOD %r5, LC_STCKE              # runs until now
    SIGNAL SIGP_STOP, %r9
1:  SIGNAL SIGP_SENSE, %r9
    brc 8, 1b
    tmll %r0, 0x40                      # stopped
    jz 1b
    READ_TOD %r6, LC_STCKE              # stopped by now
2:  READ_TOD %r7, LC_STCKE
    lgr %r1, %r7
    sgr %r1, %r6
    clgfi %r1, 20*MILLISECOND
    jl 2b
    READ_TOD %r7, LC_STCKE              # stopped until now
    SIGNAL SIGP_START, %r9
    mvghi ASKED(%r10), 1
    lghi %r2, 1
    CALL wait_for
    READ_TOD %r8, LC_STCKE              # runs by now
    lg %r2, TOLD+8(%r10)                # how much further the clock went
    sgr %r7, %r6
    aghi %r7, -4096
    cgr %r2, %r7
    jl 3f
    sgr %r8, %r5
    aghi %r8, 4096
    cgr %r2, %r8
    jnh 4f
3:  FAULT
4:  LEAVE

keeps_time:
    ENTER
    larl %r10, cell
    CALL calm
    CALL apart
    lgr %r6, %r2
    mvghi TOLD(%r10), 1
0:  lg %r1, ASKED(%r10)
    ltgr %r1, %r1
    jz 0b
    CALL apart
    sgr %r2, %r6
    stg %r2, TOLD+8(%r10)
    ENDS

# %r2 = TOD clock plus CPU timer, which stands while both run: the least of some readings, so
# that it is not what the host took between the two.
apart:
    ENTER
    lgrl %r5, long_time
    lghi %r7, 20
0:  stpt LC_B
    READ_TOD %r4, LC_STCKE
    ag %r4, LC_B
    lgrl %r1, long_time                 # without carry
    sgr %r4, %r1
    cgr %r4, %r5
    jnl 1f
    lgr %r5, %r4
1:  brctg %r7, 0b
    stg %r5, FRAME_R2(%r15)
    LEAVE

# ---------------------------------------------------------------------------
# Both conditions far away.
calm:
    ENTER
    lghi %r1, -1
    stg %r1, LC_A
    sckc LC_A
    lgrl %r1, long_time
    stg %r1, LC_A
    spt LC_A
    LEAVE

clear_cell:
    ENTER
    larl %r1, cell
    xc 0(256,%r1), 0(%r1)
    xc 256(256,%r1), 256(%r1)
    LEAVE

# Enables the masks %r2 in this CPU's control register 0.
.macro MASKS
    lgrl %r1, cr0_std
    ogr %r1, %r2
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
.endm
# Opens the interruptions for two instructions: the code in %r2, or 0.
window:
    ENTER
    MASKS
    ON_EXT 1f
    lghi %r2, 0
    stosm LC_FREE+8, 1
    stnsm LC_FREE+8, 0xfe
    j closed
1:  llgh %r2, LC_EXT_CODE
    j closed

# Waits for them in the wait state, or in a loop: the code in %r2; the first readings of the
# clock in LC_B and of the CPU timer in LC_C.
wait_open:
    ENTER
    MASKS
    ON_EXT opened
    larl %r1, wait_ext_psw
    lpswe 0(%r1)
run_open:
    ENTER
    MASKS
    ON_EXT opened
    stosm LC_FREE+8, 1
0:  j 0b
opened:
    stckf LC_B
    stpt LC_C
    llgh %r2, LC_EXT_CODE
closed:
    stg %r2, FRAME_R2(%r15)
    lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT unexpected_ext
    LEAVE

.data
    .balign 8
long_time:
    .quad 0x7fffffffffffffff
in_2000:
    .quad 0xb361183f48000000            # 2000-01-01
base:
    .quad 0xe000000000000000
base_and_minutes:
    .quad 0xe000000000000000+300000*MILLISECOND
base_and_hours:
    .quad 0xe000000000000000+7200000*MILLISECOND
two_seconds:
    .quad 2000*MILLISECOND
ten_minutes:
    .quad 600000*MILLISECOND
odd_turn:
    .quad 0x1000000000000000
even_turn:
    .quad 0x2000000000000000
.bss
    .balign 256
cell:
    .skip 512
rounds:
    .skip 8
tod_before:
    .skip 8
