# The watchdog of DIAGNOSE X'288', and the restart interruption that may follow it.
#
# Keys: `s` starts the watchdog with 15 s, `c` sets it anew, `o` turns it off; each line tells
# the program interruption's code, 0 if there was none. `q` ends. A restart interruption is
# reported, with whether the watchdog can still be set anew, and the guest goes on.
.include "rt.inc"

.equ LC_RST_OLD, 0x120
.equ SHORTEST, 15                       # seconds: the least there is

main:
    PRINT "WDOG start"
    NEWLINE
again:
    larl %r1, restarted
    stg %r1, LC_RST_NEW+8
next_key:
    CALL getkey
    cghi %r2, 's'
    je 1f
    cghi %r2, 'c'
    je 2f
    cghi %r2, 'o'
    je 3f
    cghi %r2, 'q'
    jne next_key
    PRINT "WDOG end"
    NEWLINE
    jg stop_self
1:  PRINT "WDOG started pgm="
    lghi %r2, 0
    j 4f
2:  PRINT "WDOG changed pgm="
    lghi %r2, 1
    j 4f
3:  PRINT "WDOG cancelled pgm="
    lghi %r2, 2
4:  CALL watchdog
    CALL putdec
    NEWLINE
    j next_key

# %r2 = function; returns the code of the program interruption, or 0
watchdog:
    ENTER
    lgr %r4, %r2
    lghi %r5, SHORTEST
    lghi %r6, 0                         # the action that the machine's owner has chosen
    mvhhi LC_PGM_CODE, 0
    ON_PGM 0f
    diag %r4, %r6, 0x288
0:  ON_PGM unexpected_pgm
    llgh %r2, LC_PGM_CODE
    stg %r2, FRAME_R2(%r15)
    LEAVE

# It comes at any place: what was under way there is given up.
restarted:
    larl %r15, stack_end
    lghi %r1, CR0_SERVICE
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT 0f                           # the signal of a request that was under way: while it
    stosm LC_FREE, 1                    # is pending, the console is busy
    stnsm LC_FREE, 0xfc
0:  lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    lghi %r1, 0
    stgrl %r1, out_length
    stgrl %r1, keys_left
    ON_EXT unexpected_ext               # but not the restart new PSW: another one may come
    ON_PGM unexpected_pgm
    PRINT "WDOG restart changed pgm="
    lghi %r2, 1
    CALL watchdog
    CALL putdec
    NEWLINE
    j again
