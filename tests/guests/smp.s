# SIGNAL PROCESSOR: bringing CPUs up, stopping, starting and restarting them, calling
# them, and what their states answer. With one CPU only what one CPU can do to itself.
# Parameter: rounds=N (default 60).
.include "rt.inc"
.include "smp.inc"

.equ PSW_EXT, 0x0100000180000000        # external interruptions enabled
.equ CR0_EMERGENCY, 0x4000
.equ CR0_EXTERNAL_CALL, 0x2000

# The condition code wanted of the SIGNAL just given, and the low word of the status
.macro ANSWER cc, status
    EXPECT_CC \cc
    .ifnb \status
    llgfr %r9, %r0
    EXPECT %r9, \status
    .endif
.endm

main:
    NUMBER "rounds=", 60
    stgrl %r2, rounds
    CALL smp_init
    SAY_CPUS

    BEGIN "all CPUs run"
    EVERYWHERE tell_number
    lgrl %r8, cpus
    lghi %r9, 0
    larl %r10, numbers
0:  lgr %r3, %r9
    sllg %r1, %r9, 4
    lg %r2, 0(%r1,%r10)
    CHECK
    lg %r2, 8(%r1,%r10)
    CHECK
    aghi %r9, 1
    cgr %r9, %r8
    jl 0b
    END

    BEGIN "orders nobody can take"
    lghi %r8, 63
    SIGNAL SIGP_SENSE, %r8
    ANSWER 3
    lghi %r8, -1                        # only bits 48-63 are the address
    SIGNAL SIGP_EMERGENCY, %r8
    ANSWER 3
    lghi %r8, 0
    SIGNAL 0x7f, %r8
    ANSWER 1, 2
    llihl %r0, 7                        # the left half of the status register stays
    SIGNAL 0x00, %r8
    ANSWER 1, 2
    srlg %r9, %r0, 32
    EXPECT %r9, 7
    SIGNAL SIGP_SENSE, %r8
    ANSWER 0
    SIGNAL SIGP_SENSE_RUNNING, %r8
    ANSWER 0
    lgrl %r1, cpus                      # z/Architecture is set already
    lghi %r1, 1
    SIGNAL 0x12, %r8
    ANSWER 1, 0x100
    llilf %r1, 0x7fffe000               # no storage there
    SIGNAL SIGP_SET_PREFIX, %r8
    ANSWER 1, 0x100
    larl %r1, prefix_spare              # not stopped
    SIGNAL SIGP_SET_PREFIX, %r8
    ANSWER 1, 0x200
    larl %r1, status_area
    SIGNAL SIGP_STORE_STATUS, %r8
    ANSWER 1, 0x200
    SIGNAL SIGP_START, %r8              # to itself: it runs
    ANSWER 0
    END

    BEGIN "emergency signal and external call to itself"
    lghi %r8, 0
    SIGNAL SIGP_EMERGENCY, %r8
    ANSWER 0
    SIGNAL SIGP_EMERGENCY, %r8          # one is pending: taken as one
    ANSWER 0
    SIGNAL SIGP_EXTERNAL_CALL, %r8
    ANSWER 0
    SIGNAL SIGP_EXTERNAL_CALL, %r8      # one is pending: refused
    ANSWER 1, 0x80
    SIGNAL SIGP_SENSE, %r8
    ANSWER 1, 0x80
    CALL take_external                  # emergency signals first
    EXPECT %r2, 0x1201
    llgh %r9, LC_EXT_CODE-2
    EXPECT %r9, 0
    CALL take_external
    EXPECT %r2, 0x1202
    CALL take_external
    EXPECT %r2, 0
    SIGNAL SIGP_SENSE, %r8
    ANSWER 0
    END

    BEGIN "restart of itself"
    larl %r1, 1f
    stg %r1, LC_RST_NEW+8
    lghi %r3, 0
    sigp %r0, %r3, SIGP_RESTART
2:  lghi %r9, 1
    j 3f
1:  lghi %r9, 2
3:  EXPECT %r9, 2
    lg %r2, LC_RESTART_OLD+8
    larl %r3, 2b
    CHECK
    larl %r1, unexpected_restart
    stg %r1, LC_RST_NEW+8
    END

    lgrl %r1, cpus
    cghi %r1, 1
    jne 0f
    jg finish
0:
    # CPU 1 counts; %r12 = its counter, %r8 = 1.
    lghi %r8, 1
    larl %r12, counter

    BEGIN "stop and start"
    larl %r3, count
    lgr %r2, %r8
    CALL run_on
    CALL counts
    SIGNAL SIGP_SENSE, %r8
    ANSWER 0
    lgrl %r7, rounds
1:  SIGNAL SIGP_STOP, %r8
    ANSWER 0
    CALL sense_stopped
    CALL stands
    SIGNAL SIGP_SENSE_RUNNING, %r8
    ANSWER 1, 0x400
    SIGNAL SIGP_STOP, %r8               # stopped already
    ANSWER 0
    SIGNAL SIGP_START, %r8
    ANSWER 0
    CALL counts
    brctg %r7, 1b
    END

    BEGIN "no order is taken before the stop is done"
    lgrl %r7, rounds
1:  sigp %r0, %r8, SIGP_STOP
    jh 1b
    lg %r4, 0(%r12)
2:  sigp %r0, %r8, SIGP_SENSE           # either busy, or stopped
    jh 2b
    ANSWER 1, 0x40
    CALL stands
    SIGNAL SIGP_START, %r8
    CALL counts
    brctg %r7, 1b
    END

    BEGIN "stop and store status"
    lgrl %r7, rounds
    lgr %r2, %r8
    CALL lowcore_of
    lgr %r10, %r2
    lghi %r6, 0x1000                    # at absolute addresses, whatever its prefix
1:  mvghi 0x280+13*8(%r6), 0
    mvghi 0x300(%r6), 0
    mvghi 0x308(%r6), 0
    SIGNAL SIGP_STOP_STORE, %r8
    ANSWER 0
    CALL sense_stopped
    lg %r2, 0x280+13*8(%r6)           # the register that counts
    lg %r3, 0(%r12)
    sgr %r2, %r3
    clgfi %r2, 1
    jnh 2f
    lghi %r2, 9
2:  srlg %r2, %r2, 1                    # at most one ahead of what it stored
    EXPECT %r2, 0
    lg %r2, 0x300(%r6)
    lgrl %r3, psw_std
    xgr %r2, %r3
    llihl %r3, 0x3000                   # but for the condition code
    lghi %r4, -1
    xgr %r3, %r4
    ngr %r2, %r3
    EXPECT %r2, 0
    lg %r2, 0x308(%r6)
    larl %r3, count
    sgr %r2, %r3
    clgfi %r2, count_end-count
    jnh 3f
    EXPECT %r2, 0
3:  llgf %r2, 0x318(%r6)              # prefix
    lgr %r3, %r10
    CHECK
    lg %r2, 0x380(%r6)                # CR0
    lgrl %r3, cr0_std
    CHECK
    # The same again where the program says.
    larl %r1, status_area
    mvghi 0x80+13*8(%r1), 0
    SIGNAL SIGP_STORE_STATUS, %r8
    ANSWER 0
    larl %r1, status_area
    lg %r2, 0x80+13*8(%r1)
    lg %r3, 0x280+13*8(%r6)
    CHECK
    lg %r2, 0x108(%r1)
    lg %r3, 0x308(%r6)
    CHECK
    SIGNAL SIGP_START, %r8
    CALL counts
    brctg %r7, 1b
    SIGNAL SIGP_STOP, %r8               # of one that is stopped: stores as well
    CALL sense_stopped
    mvghi 0x280+13*8(%r6), 0
    SIGNAL SIGP_STOP_STORE, %r8
    ANSWER 0
    lg %r2, 0x280+13*8(%r6)
    ltgr %r2, %r2
    EXPECT_CC 2
    SIGNAL SIGP_START, %r8
    CALL counts
    END

    BEGIN "restart"
    lgr %r2, %r8
    CALL lowcore_of
    lgr %r10, %r2
    lgrl %r7, rounds
1:  larl %r1, restarted                 # it runs
    stg %r1, LC_RST_NEW+8(%r10)
    mvghi LC_RESTART_OLD+8(%r10), 0
    larl %r9, restarts
    lg %r9, 0(%r9)
    SIGNAL SIGP_RESTART, %r8
    ANSWER 0
2:  larl %r2, restarts
    lg %r2, 0(%r2)
    cgr %r2, %r9
    jne 3f
    YIELD
    j 2b
3:  CALL counts
    SIGNAL SIGP_STOP, %r8
    CALL sense_stopped
    larl %r9, restarts
    lg %r9, 0(%r9)
    SIGNAL SIGP_RESTART, %r8            # it is stopped
    ANSWER 0
4:  larl %r2, restarts
    lg %r2, 0(%r2)
    cgr %r2, %r9
    jne 5f
    YIELD
    j 4b
5:  CALL counts
    lg %r2, LC_RESTART_OLD+8(%r10)
    larl %r3, count
    sgr %r2, %r3
    clgfi %r2, count_end-count
    jnh 6f
    EXPECT %r2, 0
6:  brctg %r7, 1b
    END

    BEGIN "prefix of a stopped CPU"
    larl %r1, prefix_spare
    SIGNAL SIGP_SET_PREFIX, %r8
    ANSWER 1, 0x200
    SIGNAL SIGP_STOP, %r8
    CALL sense_stopped
    larl %r1, prefix_spare
    SIGNAL SIGP_SET_PREFIX, %r8
    ANSWER 0
    larl %r2, prefix_spare
    mvc 0x1a0(0x60,%r2), 0x1a0(%r10)
    mvc LC_CPU(8,%r2), LC_CPU(%r10)
    mvghi LC_RESTART_OLD+8(%r2), 0
    SIGNAL SIGP_RESTART, %r8
    ANSWER 0
    CALL counts
    larl %r2, prefix_spare
    lg %r2, LC_RESTART_OLD+8(%r2)
    ltgr %r2, %r2
    EXPECT_CC 2
    SIGNAL SIGP_STOP, %r8
    CALL sense_stopped
    lgr %r1, %r10
    SIGNAL SIGP_SET_PREFIX, %r8
    ANSWER 0
    SIGNAL SIGP_START, %r8
    CALL counts
    END

    BEGIN "resets"
    SIGNAL SIGP_RESET, %r8              # stops it; registers and PSW stay
    ANSWER 0
    CALL sense_stopped
    CALL stands
    SIGNAL SIGP_START, %r8
    CALL counts
    SIGNAL SIGP_EXTERNAL_CALL, %r8
    ANSWER 0
    SIGNAL SIGP_SENSE, %r8
    ANSWER 1, 0x80
    SIGNAL SIGP_INITIAL_RESET, %r8
    ANSWER 0
    SIGNAL SIGP_SENSE, %r8              # stopped, and no call is pending
    ANSWER 1, 0x40
    larl %r1, status_area
    SIGNAL SIGP_STORE_STATUS, %r8
    ANSWER 0
    larl %r1, status_area
    lg %r9, 0x180(%r1)
    EXPECT %r9, 0xe0
    lg %r9, 0x180+14*8(%r1)
    EXPECT %r9, 0xc2000000
    lg %r9, 0x100(%r1)
    EXPECT %r9, 0
    llgf %r9, 0x118(%r1)
    EXPECT %r9, 0
    lg %r2, 0x80+12*8(%r1)              # general registers stay
    lgr %r3, %r12
    CHECK
    lgr %r2, %r8
    larl %r1, work
    mvghi 8(%r1), 0
    CALL bring_up
    END

    # Conditional emergency signal: a CPU that is not stopped gets it; a stopped one if its PSW
    # disables external or I/O interruptions, or its ASN is the one given.
    BEGIN "conditional emergency signal"
    larl %r3, count
    lgr %r2, %r8
    CALL run_on
    CALL counts
    lghi %r1, 0
    SIGNAL SIGP_CONDITIONAL_EMERGENCY, %r8
    ANSWER 0
    SIGNAL SIGP_STOP, %r8
    CALL sense_stopped
    lghi %r1, 77
    SIGNAL SIGP_CONDITIONAL_EMERGENCY, %r8
    ANSWER 0
    SIGNAL SIGP_INITIAL_RESET, %r8
    larl %r1, work
    mvghi 8(%r1), 0
    lgr %r2, %r8
    CALL bring_up
    larl %r3, count_enabled             # I/O and external interruptions enabled, ASN 5
    lgr %r2, %r8
    CALL run_on
    CALL counts
    SIGNAL SIGP_STOP, %r8
    CALL sense_stopped
    lghi %r1, 77
    SIGNAL SIGP_CONDITIONAL_EMERGENCY, %r8
    ANSWER 1, 0x200
    lghi %r1, 5
    SIGNAL SIGP_CONDITIONAL_EMERGENCY, %r8
    ANSWER 0
    SIGNAL SIGP_INITIAL_RESET, %r8
    larl %r1, work
    mvghi 8(%r1), 0
    lgr %r2, %r8
    CALL bring_up
    END

    # A CPU that stops itself and is started again, as Linux's CPUs that go offline.
    BEGIN "a CPU stops itself"
    larl %r3, stops_itself
    lgr %r2, %r8
    CALL run_on
    lgrl %r7, rounds
1:  CALL sense_stopped
    CALL stands
    lg %r4, 0(%r12)
    SIGNAL SIGP_START, %r8
    ANSWER 0
2:  lg %r5, 0(%r12)
    cgr %r4, %r5
    jne 3f
    YIELD
    j 2b
3:  brctg %r7, 1b
    larl %r1, no_more
    mvghi 0(%r1), 1
    CALL sense_stopped
    SIGNAL SIGP_START, %r8
    lgr %r2, %r8
    CALL wait_for
    END

    # Every CPU brought down and up again, as CPU hotplug does.
    BEGIN "down and up again"
    lghi %r7, 20
1:  lgrl %r9, cpus
2:  aghi %r9, -1
    jz 3f
    SIGNAL SIGP_STOP, %r9
4:  sigp %r0, %r9, SIGP_SENSE
    jh 4b
    lgr %r2, %r9
    CALL bring_up
    j 2b
3:  EVERYWHERE tell_number
    brctg %r7, 1b
    END

    # One emergency signal from every CPU: each source interrupts once.
    BEGIN "emergency signals from all CPUs"
    lgrl %r7, rounds
1:  EVERYWHERE signal_zero
    lgrl %r9, cpus
    lghi %r5, 1
    sllg %r5, %r5, 0(%r9)
    aghi %r5, -1                        # %r5 sources that are still missing
2:  CALL take_external
    EXPECT %r2, 0x1201
    llgh %r1, LC_EXT_CODE-2
    lghi %r4, 1
    sllg %r4, %r4, 0(%r1)
    xgr %r5, %r4
    brctg %r9, 2b
    EXPECT %r5, 0
    CALL take_external
    EXPECT %r2, 0
    brctg %r7, 1b
    END

    # All CPUs call their neighbours and take calls: as many are taken as were accepted. Then
    # the same with emergency signals, of which several may be taken as one, and none is lost.
    BEGIN "external calls in a ring"
    larl %r10, calls
    xc 0(256,%r10), 0(%r10)
    EVERYWHERE call_ring
    larl %r10, calls
    lg %r2, 0(%r10)
    lg %r3, 8(%r10)
    CHECK
    lgrl %r4, cpus
    lgrl %r3, rounds
    msgr %r3, %r4
    CHECK
    END

    BEGIN "emergency signals in a ring"
    larl %r10, calls
    xc 0(256,%r10), 0(%r10)
    EVERYWHERE emergency_ring
    larl %r10, calls
    lg %r2, 8(%r10)
    lgrl %r4, cpus
    lgrl %r3, rounds
    msgr %r3, %r4
    CHECK
    END

    # A CPU in an enabled wait wakes for a call, each time.
    BEGIN "a waiting CPU is called"
    larl %r10, calls
    xc 0(256,%r10), 0(%r10)
    larl %r3, waits
    lgr %r2, %r8
    CALL run_on
    lgrl %r7, rounds
    lghi %r9, 0
1:  SIGNAL SIGP_EXTERNAL_CALL, %r8
    ANSWER 0
    aghi %r9, 1
2:  lg %r2, 0(%r10)
    cgr %r2, %r9
    je 3f
    YIELD
    j 2b
3:  brctg %r7, 1b
    lgr %r2, %r8
    CALL wait_for
    END

    # All CPUs give one CPU orders at once: nothing hangs, and all are taken or refused.
    BEGIN "orders from all CPUs to one"
    EVERYWHERE order_zero
    larl %r10, calls
    lg %r2, 16(%r10)
    EXPECT %r2, 0
    CALL take_external
    END
    jg smp_finish

# ---------------------------------------------------------------------------
tell_number:
    larl %r1, numbers
    sllg %r3, %r2, 4
    agr %r1, %r3
    stg %r2, 0(%r1)
    stap LC_FREE
    llgh %r2, LC_FREE
    stg %r2, 8(%r1)
    br %r14

# Counts in %r13 for ever; %r12 = its counter.
restarted:
    larl %r12, restarts
    agsi 0(%r12), 1
count:
    larl %r12, counter
    lg %r13, 0(%r12)
0:  aghi %r13, 1
    stg %r13, 0(%r12)
    j 0b
count_end:

count_enabled:
    mvghi LC_FREE, 0
    lctlg %c0, %c0, LC_FREE
    mvghi LC_FREE, 5
    lctlg %c4, %c4, LC_FREE
    mvghi LC_FREE, 6
    lctlg %c3, %c3, LC_FREE
    stosm LC_FREE, 3
    j count

stops_itself:
    ENTER
    larl %r12, counter
0:  larl %r1, no_more
    lg %r1, 0(%r1)
    ltgr %r1, %r1
    jnz 1f
    agsi 0(%r12), 1
    stap LC_FREE
    llgh %r3, LC_FREE
    sigp %r0, %r3, SIGP_STOP
    j 0b
1:  LEAVE

# Waits until the counter has moved.
counts:
    ENTER
    lg %r4, 0(%r12)
0:  lg %r5, 0(%r12)
    cgr %r4, %r5
    jne 1f
    YIELD
    j 0b
1:  LEAVE

# The counter must not move.
stands:
    ENTER
    lg %r4, 0(%r12)
    lghi %r5, 200
0:  lg %r2, 0(%r12)
    lgr %r3, %r4
    cgr %r2, %r3
    je 1f
    CHECK
1:  brctg %r5, 0b
    LEAVE

# Waits until CPU %r8 is stopped.
sense_stopped:
    ENTER
    j 1f
0:  YIELD
1:  sigp %r0, %r8, SIGP_SENSE
    brc 11, 0b
    llgfr %r0, %r0
    tmll %r0, 0x40
    jz 0b
    LEAVE
# Takes one emergency signal or external call, if one is pending: %r2 = its code, or 0.
take_external:
    ENTER
    mvghi FRAME_R2(%r15), 0
    lgrl %r1, cr0_std
    oill %r1, CR0_EMERGENCY+CR0_EXTERNAL_CALL
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT 1f
    stosm LC_FREE, 1
    stnsm LC_FREE, 0xfc
    j 2f
1:  llgh %r1, LC_EXT_CODE
    stg %r1, FRAME_R2(%r15)
2:  lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT unexpected_ext
    LEAVE

signal_zero:
    lghi %r3, 0
    SIGNAL SIGP_EMERGENCY, %r3
    br %r14

# Calls the next CPU `rounds` times and takes what comes, until all is taken.
call_ring:
    ENTER
    larl %r10, calls
    lgrl %r11, rounds
    aghi %r2, 1
    lgr %r8, %r2
    larl %r1, cpus
    cg %r8, 0(%r1)
    jne 0f
    lghi %r8, 0
0:  sigp %r0, %r8, SIGP_EXTERNAL_CALL
    jnz 1f
    agsi 0(%r10), 1                     # accepted
    aghi %r11, -1
1:  CALL take_external
    ltgr %r2, %r2
    jz 2f
    agsi 8(%r10), 1                     # taken
    j 7f
2:  YIELD
7:  ltgr %r11, %r11
    jnz 0b
    agsi 16(%r10), 1                    # has called
3:  CALL take_external
    ltgr %r2, %r2
    jz 4f
    agsi 8(%r10), 1
4:  lg %r2, 16(%r10)
    larl %r1, cpus
    cg %r2, 0(%r1)
    jne 5f
    lg %r2, 0(%r10)
    cg %r2, 8(%r10)
    je 6f
5:  YIELD
    j 3b
6:  CALL barrier
    mvghi 16(%r10), 0
    LEAVE

# Gives the next CPU an emergency signal and waits until it has been taken, and so on.
emergency_ring:
    ENTER
    larl %r10, calls
    lgrl %r11, rounds
    lgr %r9, %r2
    sllg %r7, %r9, 3                    # this CPU's count of what it has taken
    aghi %r2, 1
    lgr %r8, %r2
    larl %r1, cpus
    cg %r8, 0(%r1)
    jne 0f
    lghi %r8, 0
0:  sllg %r6, %r8, 3
    agr %r6, %r10
    lg %r5, 64(%r6)                     # what the neighbour has taken
    SIGNAL SIGP_EMERGENCY, %r8
1:  CALL take_external
    ltgr %r2, %r2
    jz 2f
    la %r1, 64(%r7,%r10)
    agsi 0(%r1), 1
2:  lg %r2, 64(%r6)
    cgr %r2, %r5
    je 1b
    agsi 8(%r10), 1
    brctg %r11, 0b
    agsi 16(%r10), 1
3:  CALL take_external
    ltgr %r2, %r2
    jz 4f
    la %r1, 64(%r7,%r10)
    agsi 0(%r1), 1
4:  lg %r2, 16(%r10)
    larl %r1, cpus
    cg %r2, 0(%r1)
    jne 3b
    LEAVE

# Waits enabled for `rounds` calls.
waits:
    ENTER
    larl %r10, calls
    lgrl %r11, rounds
    lgrl %r1, cr0_std
    oill %r1, CR0_EXTERNAL_CALL
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
0:  ON_EXT 1f
    larl %r1, wait_ext_psw
    lpswe 0(%r1)
1:  agsi 0(%r10), 1
    brctg %r11, 0b
    lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT unexpected_ext
    LEAVE

# Orders to CPU 0 (which gives them too): what is taken changes nothing.
order_zero:
    ENTER
    larl %r10, calls
    mvghi 16(%r10), 0
    lgrl %r11, rounds
    lghi %r8, 0
0:  SIGNAL SIGP_START, %r8
    jnz 2f
    larl %r1, prefix_spare
    SIGNAL SIGP_SET_PREFIX, %r8
    brc 11, 2f
    larl %r1, status_area
    SIGNAL SIGP_STORE_STATUS, %r8
    brc 11, 2f
    SIGNAL SIGP_SENSE_RUNNING, %r8
    brc 3, 2f                            # running or not
    SIGNAL SIGP_EMERGENCY, %r8
    jnz 2f
    brctg %r11, 0b
    j 3f
2:  agsi 16(%r10), 1
3:  LEAVE

.bss
    .balign 8192
prefix_spare:
    .skip 8192
    .balign 512
status_area:
    .skip 512
numbers:
    .skip 16*MAX_CPUS
    .balign 256
counter:
    .skip 256
restarts:
    .skip 256
calls:
    .skip 256
rounds:
    .skip 8
no_more:
    .skip 8
.text
