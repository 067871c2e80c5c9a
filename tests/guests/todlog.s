# Reads the TOD clock (STCKE) in a tight loop and looks at the step from each
# reading to the next: how far the clock moved while the guest did not run shows
# as one long step. Parameters (decimal):
#   gap=N    announce every step longer than N TOD units (default 20480: 5 us)
#   every=N  report every N milliseconds of guest time (default 200; 0: on a key only)
# Keys: r reports, x reports and forgets the longest and shortest step, v shows one
# reading in full, q ends.
#   GAP step=<hex> at=<hex>
#   TODLOG max=<hex> n=<dec> last=<hex> min=<hex>
#   BACKWARDS from=<hex> to=<hex>
#   READ stcke=<32 digits>
# The steps while the guest prints are not counted; everything else is.
.include "rt.inc"
.include "clock.inc"

main:
    NUMBER "gap=", 20480
    lgr %r8, %r2                        # %r8 announced above this
    NUMBER "every=", 200
    msgfi %r2, 4096000
    stgrl %r2, every
    PRINT "TODLOG start gap="
    lgr %r2, %r8
    CALL putdec
    NEWLINE
    lghi %r9, 0                         # %r9 longest step
    lghi %r10, 0                        # %r10 readings
    lghi %r12, -1                       # %r12 shortest step, unsigned
    READ_TOD %r7, LC_STCKE
    CALL next_report

# From here the loop is interruptible by input only.
resume:
    lgrl %r1, input_pending             # told while the console was busy
    ltgr %r1, %r1
    jnz keys
    lgrl %r1, cr0_std
    oill %r1, CR0_SERVICE
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT interrupted
    READ_TOD %r7, LC_STCKE              # %r7 last reading
    stosm LC_FREE, 1
again:
    READ_TOD %r6, LC_STCKE
    aghi %r10, 1
    clgr %r6, %r7
    jl backwards
    lgr %r5, %r6
    sgr %r5, %r7                        # %r5 step
    lgr %r7, %r6
    clgr %r5, %r12
    jnl 0f
    lgr %r12, %r5
0:  clgr %r5, %r9
    jnh 1f
    lgr %r9, %r5
1:  clgr %r5, %r8
    jh gap
    clgr %r6, %r13                      # %r13 when to report
    jl again
    CALL quiet
    CALL report
    CALL next_report
    j resume

gap:
    CALL quiet
    PRINT "GAP step="
    lgr %r2, %r5
    CALL puthex
    PRINT " at="
    lgr %r2, %r6
    CALL puthex
    NEWLINE
    j resume

backwards:
    CALL quiet
    PRINT "BACKWARDS from="
    lgr %r2, %r7
    CALL puthex
    PRINT " to="
    lgr %r2, %r6
    CALL puthex
    NEWLINE
    j resume

# An input interruption can come between any two instructions of the loop; the
# loop is entered afresh, and at most one step is not counted.
interrupted:
    CALL quiet
keys:
1:  CALL getkey
    ltgr %r2, %r2
    jz resume
    cghi %r2, 'q'
    je end
    cghi %r2, 'r'
    jne 2f
    CALL report
2:  cghi %r2, 'x'
    jne 3f
    CALL report
    lghi %r9, 0
    lghi %r12, -1
3:  cghi %r2, 'v'
    jne 1b
    PRINT "READ stcke="
    stcke LC_STCKE
    lg %r2, LC_STCKE
    CALL puthex
    lg %r2, LC_STCKE+8
    CALL puthex
    NEWLINE
    j 1b
end:
    CALL report
    PRINT "TODLOG end"
    NEWLINE
    jg stop_self

# Interruptions off, and the console's own again.
quiet:
    stnsm LC_FREE, 0xfc
    ON_EXT unexpected_ext
    br %r14

report:
    ENTER
    PRINT "TODLOG max="
    lgr %r2, %r9
    CALL puthex
    PRINT " n="
    lgr %r2, %r10
    CALL putdec
    PRINT " last="
    lgr %r2, %r7
    CALL puthex
    PRINT " min="
    lgr %r2, %r12
    CALL puthex
    NEWLINE
    LEAVE

next_report:
    lghi %r13, -1
    lgrl %r1, every
    ltgr %r1, %r1
    bzr %r14
    READ_TOD %r13, LC_STCKE
    agr %r13, %r1
    br %r14

.bss
    .balign 8
every:
    .skip 8
