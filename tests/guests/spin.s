# Says that it is there, then runs two instructions for ever: for the latency of
# stop and cont while a CPU never leaves the guest by itself.
.include "rt.inc"

main:
    PRINT "SPIN"
    NEWLINE
    lghi %r2, 0
0:  aghi %r2, 1
    j 0b
