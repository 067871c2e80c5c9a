# The smallest guest: one line, then this CPU stops, and with it the machine.
.include "rt.inc"

main:
    PRINT "Hello from a bare-metal s390x guest."
    NEWLINE
    jg stop_self
