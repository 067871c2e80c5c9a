# What a guest can see of being moved: writes memory over and over and checks that
# everything is still there, while its clock comparator ticks and its clocks are
# compared with each other. Parameters (decimal):
#   mb=N     MiB of memory written in each sweep, a word at the start and one at the
#            end of every page (default 64)
#   rest=N   microseconds in the wait state after each sweep (default 0)
#   tick=N   microseconds from one tick to the next (default 10000)
#   every=N  report every N milliseconds of guest time (default 0: on a key only)
# Keys: r reports, x reports and forgets the greatest values, q ends.
#   MOVE sweeps=<dec> ticks=<dec> late=<hex> step=<hex> apart=<hex> tod=<hex>
# late is the longest from a tick's due time to its interruption, step the longest
# between two looks at the clock, apart how much further the TOD clock has moved
# than the CPU timer since the start (two's complement); all in TOD units. Printing
# is not counted in late and step. The clock may roll over meanwhile. What must not be:
#   LOST page=<hex> found=<hex> expected=<hex>
#   BACKWARDS from=<hex> to=<hex>
#   EARLY due=<hex> came=<hex>
#   MISSED due=<hex> now=<hex>
.include "rt.inc"
.include "clock.inc"
.include "signed.inc"

.equ FIRST_PAGE, 0x1000000
.equ SAVED, LC_FREE+0x100               # the interrupted registers
.equ LC_TICK, LC_FREE+0x60              # 16 bytes for the handler's reading
.equ LC_TIMER, LC_FREE+0x80
.equ LATEST, 4096000000                 # a second: later than that is missed

main:
    CALL signed_comparator
    NUMBER "mb=", 64
    sllg %r2, %r2, 8
    stgrl %r2, pages
    NUMBER "rest=", 0
    sllg %r2, %r2, 12
    stgrl %r2, rest
    NUMBER "tick=", 10000
    sllg %r2, %r2, 12
    stgrl %r2, period
    NUMBER "every=", 0
    msgfi %r2, 4096000
    stgrl %r2, every
    PRINT "MOVE start"
    NEWLINE
    lghi %r8, 0                         # %r8 number of the sweep
    lghi %r10, 0                        # %r10 longest step
    lgrl %r1, timer_start
    stg %r1, LC_TIMER
    spt LC_TIMER
    READ_TOD %r9, LC_STCKE              # %r9 last look at the clock
    stgrl %r9, tod_start
    lgrl %r1, period
    agr %r1, %r9
    stgrl %r1, due
    lgrl %r1, every
    agr %r1, %r9
    stgrl %r1, report_at
    CALL open

sweep:
    lgr %r3, %r8
    aghi %r8, 1
    lgrl %r4, pages
    lgfi %r5, FIRST_PAGE
page:
    lg %r2, 0(%r5)
    cgr %r2, %r3
    jne lost
    lg %r2, 4088(%r5)
    cgr %r2, %r3
    jne lost
    stg %r8, 0(%r5)
    stg %r8, 4088(%r5)
    tmll %r4, 0xff
    jnz 0f
    CALL look
0:  aghi %r5, 4096
    brctg %r4, page
    lgrl %r6, rest
    ltgr %r6, %r6
    jz 2f
    READ_TOD %r9, LC_STCKE
    agr %r6, %r9
1:  larl %r1, wait_open
    lpswe 0(%r1)                        # until the next tick
awake:
    CALL look
    sgrk %r1, %r9, %r6
    jm 1b
2:  CALL look
    j sweep

lost:
    CALL quiet
    PRINT "LOST page="
    lgr %r1, %r2
    lgr %r2, %r5
    CALL puthex
    PRINT " found="
    lgr %r2, %r1
    CALL puthex
    PRINT " expected="
    lgr %r2, %r3
    CALL puthex
    NEWLINE
    jg stop_self

# A look at the clock, and at what the interruptions have left. Keeps all but %r9,
# %r10 and what prints.
look:
    lgr %r7, %r14
    READ_TOD %r1, LC_STCKE
    sgrk %r2, %r1, %r9
    jm backwards
    lgr %r9, %r1
    clgr %r2, %r10
    jnh 0f
    lgr %r10, %r2
0:  lgrl %r1, early
    ltgr %r1, %r1
    jnz came_early
    lgrl %r1, due
    algfi %r1, LATEST
    sgrk %r1, %r9, %r1
    jp missed
    lgrl %r1, input_pending
    ltgr %r1, %r1
    jnz keys
    lgrl %r1, every
    ltgr %r1, %r1
    jz 1f
    lgrl %r1, report_at
    sgrk %r1, %r9, %r1
    jnp 1f
    CALL quiet
    CALL report
    CALL open
1:  lgr %r14, %r7
    br %r14

keys:
    CALL quiet
2:  CALL getkey
    ltgr %r2, %r2
    jz 5f
    cghi %r2, 'q'
    je end
    cghi %r2, 'r'
    jne 3f
    CALL report
3:  cghi %r2, 'x'
    jne 2b
    CALL report
    lghi %r10, 0
    lghi %r1, 0
    stgrl %r1, late
    j 2b
5:  CALL open
    lgr %r14, %r7
    br %r14

end:
    CALL report
    PRINT "MOVE end"
    NEWLINE
    jg stop_self

backwards:
    lgr %r4, %r1
    CALL quiet
    PRINT "BACKWARDS from="
    lgr %r2, %r9
    CALL puthex
    PRINT " to="
    lgr %r2, %r4
    CALL puthex
    NEWLINE
    jg stop_self

came_early:
    CALL quiet
    PRINT "EARLY due="
    lgrl %r2, due
    CALL puthex
    PRINT " came="
    lgrl %r2, early
    CALL puthex
    NEWLINE
    jg stop_self

missed:
    CALL quiet
    PRINT "MISSED due="
    lgrl %r2, due
    CALL puthex
    PRINT " now="
    lgr %r2, %r9
    CALL puthex
    NEWLINE
    jg stop_self

# Interruptions by tick and input from here on. What came due meanwhile is not
# late: ticks go on from the next whole period.
open:
    ENTER
    READ_TOD %r9, LC_STCKE
    stg %r9, 8*9(%r15)                  # ENTER's frame: %r9 stays
    lgrl %r2, due
    lgrl %r3, period
0:  sgrk %r4, %r2, %r9
    jp 1f
    agr %r2, %r3
    j 0b
1:  stgrl %r2, due
    larl %r1, due
    sckc 0(%r1)
    lgrl %r1, cr0_std
    oill %r1, CR0_CKC+CR0_SERVICE
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT interrupted
    stosm LC_FREE, 1
    LEAVE

# Interruptions off, and the console's own again.
quiet:
    stnsm LC_FREE, 0xfc
    ON_EXT unexpected_ext
    br %r14

interrupted:
    stmg %r0, %r5, SAVED
    ni LC_EXT_OLD+1, 0xfd               # no longer waiting
    llgh %r1, LC_EXT_CODE
    cghi %r1, 0x1004
    je 0f
    lghi %r1, 1
    stgrl %r1, input_pending
    j 3f
0:  READ_TOD %r2, LC_TICK
    lgrl %r3, due
    sgrk %r4, %r2, %r3
    jp 1f
    stgrl %r2, early
    j 3f
1:  lgr %r2, %r4
    clgrl %r2, late
    jnh 2f
    stgrl %r2, late
2:  lgrl %r2, ticks
    aghi %r2, 1
    stgrl %r2, ticks
    lgrl %r2, period
    agr %r3, %r2
    stgrl %r3, due
    larl %r1, due
    sckc 0(%r1)
3:  lmg %r0, %r5, SAVED
    lpswe LC_EXT_OLD

report:
    ENTER
    PRINT "MOVE sweeps="
    lgr %r2, %r8
    CALL putdec
    PRINT " ticks="
    lgrl %r2, ticks
    CALL putdec
    PRINT " late="
    lgrl %r2, late
    CALL puthex
    PRINT " step="
    lgr %r2, %r10
    CALL puthex
    READ_TOD %r4, LC_STCKE
    stpt LC_TIMER
    lgrl %r5, timer_start
    sg %r5, LC_TIMER                    # how far the CPU timer has gone down
    lgr %r2, %r4
    lgrl %r3, tod_start
    sgr %r2, %r3
    sgr %r2, %r5
    lgr %r6, %r2
    PRINT " apart="
    lgr %r2, %r6
    CALL puthex
    PRINT " tod="
    lgr %r2, %r4
    CALL puthex
    NEWLINE
    lgrl %r1, every
    agr %r1, %r4
    stgrl %r1, report_at
    LEAVE

.data
    .balign 8
timer_start:
    .quad 0x7fffffffffffffff
# Waits enabled for external interruptions.
wait_open:
    .quad 0x0102000180000000
    .quad awake

.bss
    .balign 8
pages:
    .skip 8
rest:
    .skip 8
period:
    .skip 8
every:
    .skip 8
report_at:
    .skip 8
tod_start:
    .skip 8
due:
    .skip 8
ticks:
    .skip 8
late:
    .skip 8
early:
    .skip 8
