# New PSWs that lead nowhere: what a CPU does whose interruptions have no end, or whose new PSW
# is invalid. `kind=N` says which; each prints its line first. After a reset by other means the
# guest prints it again.
#
#   0  the program new PSW has an unassigned bit      1  its address is odd
#   2  its address is beyond storage                  3  its address cannot be translated
#   4  it leads to an invalid instruction             5  the same, enabled for interruptions
#   6  the SVC new PSW leads to SVC: no loop of interruptions, but one without end
#   7  the external new PSW is invalid, and the program new PSW reports that
#   8  the external new PSW is enabled for the clock comparator, whose condition holds
#   9  the restart new PSW is invalid, and the program new PSW reports that: waits for a restart
#  10  both are invalid: waits for a restart
.include "rt.inc"

.equ LC_RST_OLD, 0x120
.equ LC_A, LC_FREE+0x80

.macro NEW_PSW slot, mask, address
    lgrl %r1, 9981f
    stg %r1, \slot
    lgrl %r1, 9982f
    stg %r1, \slot+8
    .pushsection .data
    .balign 8
9981:
    .quad \mask
9982:
    .quad \address
    .popsection
.endm
.macro KIND n, label
    cghi %r2, \n
    je \label
.endm

main:
    NUMBER "kind=", 0
    lgr %r3, %r2
    PRINT "BADPSW kind="
    lgr %r2, %r3
    CALL putdec
    NEWLINE
    lgr %r2, %r3
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
    KIND \n, kind_\n
    .endr
    jg stop_self

kind_0:
    NEW_PSW LC_PGM_NEW, 0x8000000180000000, 0x2000
    .short 0
kind_1:
    NEW_PSW LC_PGM_NEW, PSW_STD, 0x10001
    .short 0
kind_2:
    NEW_PSW LC_PGM_NEW, PSW_STD, 0x7ffffffff000
    .short 0
kind_3:
    larl %r1, no_space
    lctlg %c1, %c1, 0(%r1)
    NEW_PSW LC_PGM_NEW, 0x0400000180000000, 0x4000000000
    .short 0
kind_4:
    larl %r1, 0f
    stg %r1, LC_PGM_NEW+8
0:  .short 0
kind_5:
    lgrl %r1, enabled_mask
    stg %r1, LC_PGM_NEW
    larl %r1, 0f
    stg %r1, LC_PGM_NEW+8
0:  .short 0
kind_6:
    larl %r1, 0f
    stg %r1, LC_SVC_NEW+8
0:  svc 0
kind_7:
    ON_PGM reported
    NEW_PSW LC_EXT_NEW, 0x8000000180000000, 0x2468
    j interrupt
kind_8:
    lgrl %r1, enabled_mask
    stg %r1, LC_EXT_NEW
    larl %r1, 0f
    stg %r1, LC_EXT_NEW+8
    j interrupt
0:  j 0b

# The clock comparator's condition holds, and is enabled.
interrupt:
    lghi %r1, 0
    stg %r1, LC_A
    sckc LC_A
    lghi %r1, CR0_CKC
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    stosm LC_A, 1
0:  j 0b

kind_9:
    ON_PGM reported
kind_10:
    NEW_PSW LC_RST_NEW, 0x8000000180000000, 0x2468
    cghi %r2, 9
    je 1f
    NEW_PSW LC_PGM_NEW, 0x8000000180000000, 0x2468
1:  PRINT "BADPSW ready"
    NEWLINE
0:  j 0b

# An early specification exception: its old PSW is the invalid one, its length code 0.
reported:
    lg %r10, LC_PGM_OLD
    lg %r11, LC_PGM_OLD+8
    llgf %r12, LC_PGM_ILC
    larl %r15, stack_end
    lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    CALL reset_new_psws
    PRINT "BADPSW pgm="
    lgr %r2, %r12
    CALL puthex
    PRINT " old="
    lgr %r2, %r10
    CALL puthex
    PRINT ","
    lgr %r2, %r11
    CALL puthex
    NEWLINE
    jg stop_self

.data
    .balign 8
enabled_mask:
    .quad 0x0100000180000000
no_space:
    .quad 0x000000000000000f            # a region-first table of zeros, all valid and of no type
