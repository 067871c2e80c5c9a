# Ends in a disabled wait. `code=N` on the command line gives its address: low 12
# bits all ones (4095) are an orderly end, anything else is a crash (0xdead).
.include "rt.inc"

main:
    PRINT "DWAIT"
    NEWLINE
    NUMBER "code=", 0xdead
    jg disabled_wait
