# A guest that shows its own clocks, once every `period=` milliseconds (1000 by
# default). The clock comparator wakes it; in between the CPU waits. Key q ends it.
# With `raw` on the command line each line carries every clock, for programs:
#   CLOCK n=1 utc=... stcke=<32 digits> stck=<16> stckf=<16> timer=<16> late=<16> up=<16>
# n is decimal, the others but utc are hexadecimal; `late` and `up` in TOD units
# (1/4096 of a microsecond), `timer` is the CPU timer, which counts down.
.include "rt.inc"
.include "clock.inc"
.include "signed.inc"

main:
    CALL signed_comparator
    NUMBER "period=", 1000
    msgfi %r2, 4096000                  # TOD units in a millisecond
    lgr %r8, %r2                        # %r8 period
    STRING "raw"
    CALL option
    lgr %r9, %r2                        # %r9 not zero: raw
    ltgr %r9, %r9
    jnz 0f
    NEWLINE
    PRINT "  This guest shows its own time-of-day clock. The key q ends it."
    NEWLINE
    PRINT "  While the machine is stopped, the clock stands: try 'stop' and 'cont' in the"
    NEWLINE
    PRINT "  monitor, and compare with a watch."
    NEWLINE
    NEWLINE
    PRINT "  line  date and time (UTC)         TOD clock              up, s  woken late, us"
    NEWLINE
0:  READ_TOD %r6, LC_STCKE
    larl %r1, timer_start
    spt 0(%r1)
    stgrl %r6, started
    lghi %r7, 0                         # %r7 line number
next_line:
    agr %r6, %r8                        # %r6 when the next line is due
wait:
    lgr %r2, %r6
    CALL sleep_until
    cghi %r2, 0x1004
    je woken
    CALL getkey
    cghi %r2, 'q'
    jne wait
    PRINT "CLOCK end: "
    lgr %r2, %r7
    CALL putdec
    PRINT " lines"
    NEWLINE
    jg stop_self

woken:
    larl %r5, readings
    stcke 0(%r5)
    stck 16(%r5)
    stckf 24(%r5)
    stpt 32(%r5)
    aghi %r7, 1
    lg %r4, 1(%r5)
    lgr %r12, %r4
    sgr %r12, %r6                       # %r12 how late
    lgr %r13, %r4
    lgrl %r1, started
    sgr %r13, %r1                       # %r13 up for
    ltgr %r9, %r9
    jnz raw_line

    lgr %r2, %r7
    lghi %r3, 6
    lghi %r4, ' '
    CALL putdec_width
    PRINT "  "
    llgc %r2, 0(%r5)
    lg %r3, 1(%r5)
    lghi %r4, ' '
    CALL put_utc
    PRINT "  "
    lg %r2, 1(%r5)
    CALL puthex
    lgr %r2, %r13
    lghi %r3, 6
    CALL put_seconds
    PRINT "  "
    srag %r2, %r12, 12
    lghi %r3, 14
    lghi %r4, ' '
    CALL putdec_width
    NEWLINE
    j lined

raw_line:
    PRINT "CLOCK n="
    lgr %r2, %r7
    CALL putdec
    PRINT " utc="
    llgc %r2, 0(%r5)
    lg %r3, 1(%r5)
    lghi %r4, 'T'
    CALL put_utc
    PRINT " stcke="
    lg %r2, 0(%r5)
    CALL puthex
    lg %r2, 8(%r5)
    CALL puthex
    PRINT " stck="
    lg %r2, 16(%r5)
    CALL puthex
    PRINT " stckf="
    lg %r2, 24(%r5)
    CALL puthex
    PRINT " timer="
    lg %r2, 32(%r5)
    CALL puthex
    PRINT " late="
    lgr %r2, %r12
    CALL puthex
    PRINT " up="
    lgr %r2, %r13
    CALL puthex
    NEWLINE

lined:
    # Due times are absolute, so that lateness does not add up; a guest that was
    # kept away for more than a period goes on from now.
    READ_TOD %r4, LC_STCKE
    lgr %r1, %r6
    agr %r1, %r8
    sgrk %r2, %r1, %r4
    jp next_line
    lgr %r6, %r4
    j next_line

.data
    .balign 8
timer_start:
    .quad 0x7fffffffffffffff
.bss
    .balign 8
started:
    .skip 8
readings:
    .skip 40
