# Program-event recording: which instructions cause which events, what is stored about
# them, and how they go with other interruptions.
# Principles of Operation, "Program-Event Recording". What QEMU 7.2 fails is in README.md.
.include "rt.inc"

.equ LC_PER_CODE, 0x96
.equ LC_PER_ADDRESS, 0x98
.equ LC_PER_ACCESS, 0xa1
.equ LC_A, LC_FREE+0x80

.equ BRANCH, 0x80000000
.equ FETCH, 0x40000000
.equ STORE, 0x20000000
.equ STORE_REAL, 0x08000000
.equ NULLIFY, 0x01000000
.equ BRANCH_ADDRESS, 0x00800000
.equ IN_SPACE, 0x00200000
.equ MODES, 0xe0                        # 64-bit, valid, translation off
.equ DAT_MODES, 0xf0

.equ PSW_PER, 0x4000000180000000
.equ PSW_PER_DAT, 0x4400000180000000
.equ PSW_PER_SECONDARY, 0x4400800180000000
.equ PSW_PER_REGISTER, 0x4400400180000000
.equ PSW_PER_HOME, 0x4400c00180000000
.equ PSW_PER_PROBLEM, 0x4001000180000000

# \insn is executed under \mask (a label of .data with a PSW) while \events are recorded for
# the area from %r10 to %r11. Then the program interruption is in the lowcore and %r1 to %r6
# are changed. What follows \insn is an operation exception.
.macro UNDER mask, events, insn
    llilf %r1, \events
    stg %r1, LC_FREE+0x10
    stg %r10, LC_FREE+0x18
    stg %r11, LC_FREE+0x20
    lctlg %c9, %c11, LC_FREE+0x10
    ON_PGM 9941f
    larl %r2, \mask
    larl %r1, 9940f
    stg %r1, 8(%r2)
    lpswe 0(%r2)
    .balign 8
9940:
    \insn
9942:
    .long 0
9941:
    ON_PGM unexpected_pgm
.endm
# The area is the instruction under test that comes next.
.macro AREA_HERE
    larl %r10, 9940f
    lgr %r11, %r10
.endm
.macro AREA_ALL
    lghi %r10, 0
    lghi %r11, -1
.endm
.macro AREA start, bytes
    larl %r10, \start
    lgr %r11, %r10
    aghi %r11, \bytes-1
.endm

# Checks the interruption: length and code as one word, PER code with modes, and that the PER
# address is the instruction's; the old PSW's address is \next.
.macro EVENT id, per, next
    llgf %r2, LC_PGM_ILC
    lgfi %r3, \id
    brasl %r14, group_check
    llgh %r2, LC_PER_CODE
    llilf %r3, \per
    brasl %r14, group_check
    lg %r2, LC_PER_ADDRESS
    larl %r3, 9940b
    brasl %r14, group_check
    lg %r2, LC_PGM_OLD+8
    larl %r3, \next
    brasl %r14, group_check
.endm
# The same where the PER address is not the instruction's: \at.
.macro EVENT_AT id, per, at, next
    llgf %r2, LC_PGM_ILC
    lgfi %r3, \id
    brasl %r14, group_check
    llgh %r2, LC_PER_CODE
    llilf %r3, \per
    brasl %r14, group_check
    lg %r2, LC_PER_ADDRESS
    larl %r3, \at
    brasl %r14, group_check
    lg %r2, LC_PGM_OLD+8
    larl %r3, \next
    brasl %r14, group_check
.endm
# There was no event: what follows the instruction has interrupted (\id, old PSW behind it).
.macro NO_EVENT
    llgf %r2, LC_PGM_ILC
    lgfi %r3, 0x20001
    brasl %r14, group_check
    lg %r2, LC_PGM_OLD+8
    larl %r3, 9942b+2
    brasl %r14, group_check
.endm
# An instruction of \length bytes stores into the area of the doubleword `place`...
.macro STORES length, insn
    AREA place, 8
    UNDER per_psw, STORE, "\insn"
    EVENT \length<<16|0x80, 0x2000|MODES, 9942b
.endm
# ...or it does not.
.macro STORES_NOT insn
    AREA place, 8
    UNDER per_psw, STORE, "\insn"
    NO_EVENT
.endm
.macro BRANCHES length, insn
    AREA_ALL
    UNDER per_psw, BRANCH, "\insn"
    EVENT \length<<16|0x80, 0x8000|MODES, 9945f
    j 9946f
9945:
    .long 0
9946:
.endm
.macro BRANCHES_NOT insn
    AREA_ALL
    UNDER per_psw, BRANCH, "\insn"
    NO_EVENT
    j 9946f
9945:
    .long 0
9946:
.endm

main:
    larl %r12, place

    BEGIN "fetch"
    AREA_HERE
    UNDER per_psw, FETCH, "lgr %r1, %r1"
    EVENT 0x40080, 0x4000|MODES, 9942b
    AREA_HERE
    UNDER per_psw, FETCH, "lr %r1, %r1"
    EVENT 0x20080, 0x4000|MODES, 9942b
    AREA_ALL
    UNDER per_psw, FETCH, "lgfi %r1, 1"
    EVENT 0x60080, 0x4000|MODES, 9942b
    AREA_HERE
    UNDER per31_psw, FETCH, "lr %r1, %r1"
    EVENT 0x20080, 0x4060, 9942b
    END

    BEGIN "the area"
    AREA_HERE                           # not its second byte
    aghi %r10, 1
    aghi %r11, 1
    UNDER per_psw, FETCH, "lgr %r1, %r1"
    NO_EVENT
    AREA_HERE                           # wraps around
    aghi %r11, -8
    UNDER per_psw, FETCH, "lgr %r1, %r1"
    EVENT 0x40080, 0x4000|MODES, 9942b
    AREA_HERE                           # all but the instruction
    aghi %r10, 1
    aghi %r11, -1
    UNDER per_psw, FETCH, "lgr %r1, %r1"
    EVENT_AT 0x20081, 0x4000|MODES, 9942b, 9942b+2
    AREA place, 8                       # bits 0-31 count
    llihf %r1, 1
    ogr %r10, %r1
    ogr %r11, %r1
    UNDER per_psw, STORE, "stg %r1, 0(%r12)"
    NO_EVENT
    END

    BEGIN "nullified fetching"
    AREA_HERE
    lghi %r7, 1
    UNDER per_psw, FETCH|NULLIFY, "lghi %r7, 2"
    EVENT 0x40080, 0x4100|MODES, 9940b
    EXPECT %r7, 1
    END

    BEGIN "no events are recorded"
    AREA_ALL
    UNDER pgm_psw, BRANCH|FETCH|STORE|NULLIFY, "stg %r1, 0(%r12)"
    NO_EVENT
    UNDER per_psw, 0, "stg %r1, 0(%r12)"
    NO_EVENT
    END

    BEGIN "branches"
    lghi %r8, 1
    .macro TAKEN length, insn
    larl %r13, 9945f
    lghi %r9, 5
    BRANCHES \length, "\insn"
    .endm
    TAKEN 4, "j 9945f"
    TAKEN 6, "jg 9945f"
    TAKEN 2, "br %r13"
    TAKEN 4, "b 0(%r13)"
    TAKEN 2, "basr %r7, %r13"
    TAKEN 2, "balr %r7, %r13"
    TAKEN 4, "bas %r7, 0(%r13)"
    TAKEN 4, "bras %r7, 9945f"
    TAKEN 6, "brasl %r7, 9945f"
    TAKEN 4, "brct %r9, 9945f"
    TAKEN 4, "brctg %r9, 9945f"
    TAKEN 2, "bctr %r9, %r13"
    TAKEN 6, "cgijne %r9, 0, 9945f"
    TAKEN 6, "cgrje %r9, %r9, 9945f"
    TAKEN 6, "cgibne %r9, 0, 0(%r13)"
    TAKEN 6, "brxhg %r9, %r8, 9945f"
    TAKEN 4, "bxh %r9, %r8, 0(%r13)"
    larl %r13, 9945f
    oill %r13, 1
    BRANCHES 2, "bsm %r0, %r13"
    larl %r13, 9945f
    oill %r13, 1
    BRANCHES 2, "bassm %r7, %r13"
    lghi %r9, 0
    BRANCHES_NOT "lgr %r7, %r7; lghi %r7, 1"
    BRANCHES_NOT "brc 0, 9945f"
    BRANCHES_NOT "basr %r7, %r0"
    BRANCHES_NOT "bcr 15, %r0"
    BRANCHES_NOT "cgijne %r9, 0, 9945f"
    END

    BEGIN "branches into the area"
    AREA 9945f, 1
    UNDER per_psw, BRANCH|BRANCH_ADDRESS, "j 9945f"
    EVENT 0x40080, 0x8000|MODES, 9945f
    j 0f
9945:
    .long 0
0:  AREA 9945f, 1
    aghi %r10, 2
    aghi %r11, 2
    UNDER per_psw, BRANCH|BRANCH_ADDRESS, "j 9945f"
    llgf %r2, LC_PGM_ILC
    EXPECT %r2, 0x20001
    j 0f
9945:
    .long 0
0:  END

    BEGIN "a branch that is fetched"
    AREA_ALL
    UNDER per_psw, BRANCH|FETCH, "j 9945f"
    EVENT 0x40080, 0xc000|MODES, 9945f
    j 0f
9945:
    .long 0
0:  END

    BEGIN "stores"
    larl %r8, pattern
    STORES 4, "st %r1, 0(%r12)"
    STORES 6, "stg %r1, 0(%r12)"
    STORES 6, "stg %r1, -7(%r12)"
    STORES 6, "stg %r1, 7(%r12)"
    STORES_NOT "stg %r1, -8(%r12)"
    STORES_NOT "stg %r1, 8(%r12)"
    STORES_NOT "lg %r1, 0(%r12)"
    STORES 4, "stc %r1, 7(%r12)"
    STORES 4, "sth %r1, 6(%r12)"
    STORES 4, "mvi 0(%r12), 1"
    STORES 4, "oi 0(%r12), 1"
    STORES 6, "asi 0(%r12), 1"
    STORES 6, "laa %r7, %r8, 0(%r12)"
    STORES 6, "stmy %r0, %r15, -60(%r12)"
    STORES 6, "stmg %r0, %r15, -120(%r12)"
    STORES_NOT "stmg %r0, %r15, -128(%r12)"
    STORES_NOT "stmg %r0, %r15, 8(%r12)"
    STORES 6, "stamy %a0, %a15, -4(%r12)"
    STORES 6, "mvc 0(1,%r12), 0(%r8)"
    STORES 6, "mvc 0(256,%r12), 0(%r8)"
    STORES 6, "xc 0(8,%r12), 0(%r12)"
    STORES 6, "oc 7(2,%r12), 0(%r8)"
    STORES 6, "mvcin 0(8,%r12), 8(%r8)"
    STORES 6, "mvz 0(8,%r12), 8(%r8)"
    STORES 6, "tr 0(8,%r12), 0(%r8)"
    STORES 6, "unpk 0(8,%r12), 0(2,%r8)"
    STORES 6, "pack 0(8,%r12), 0(2,%r8)"
    STORES 4, "cvd %r1, 0(%r12)"
    STORES_NOT "clc 0(8,%r12), 0(%r8)"
    STORES_NOT "stcm %r1, 0, 0(%r12)"
    STORES 4, "stcm %r1, 1, 7(%r12)"
    STORES 4, "std %f0, 0(%r12)"
    STORES 4, "stfpc 0(%r12)"
    STORES 4, "stck 0(%r12)"
    STORES 4, "stckf 0(%r12)"
    lay %r7, -15(%r12)
    STORES 4, "stcke 0(%r7)"
    STORES 4, "stpt 0(%r12)"
    STORES 6, "stctg %c0, %c0, 0(%r12)"
    STORES 4, "stap 0(%r12)"
    STORES 4, "stnsm 0(%r12), 255"
    STORES 4, "ts 7(%r12)"
    STORES 6, "stoc %r1, 0(%r12), 15"
    STORES_NOT "stoc %r1, 0(%r12), 0"
    lg %r6, 0(%r12)
    lgr %r7, %r6
    STORES 6, "csg %r6, %r7, 0(%r12)"
    END

    BEGIN "long stores"
    AREA place, 8
    lgr %r6, %r12
    lghi %r7, 16
    lgr %r8, %r12
    lghi %r9, 0
    UNDER per_psw, STORE, "mvcl %r6, %r8"
    EVENT 0x20080, 0x2000|MODES, 9942b
    EXPECT %r7, 0
    AREA place, 8
    lgr %r6, %r12
    aghi %r6, -16
    lghi %r7, 16                        # up to the area
    lghi %r9, 0
    UNDER per_psw, STORE, "mvcl %r6, %r8"
    NO_EVENT
    AREA place, 8
    lgr %r6, %r12
    lghi %r7, 16
    lghi %r9, 0
    UNDER per_psw, STORE, "mvcle %r6, %r8, 0"
    EVENT 0x40080, 0x2000|MODES, 9942b
    AREA place, 8
    lghi %r0, 0
    larl %r8, pattern
    lgr %r6, %r12
    UNDER per_psw, STORE, "lghi %r0, 'd'; mvst %r6, %r8"
    EVENT_AT 0x40080, 0x2000|MODES, 9940b+4, 9942b
    AREA place+4, 4                     # four characters do not reach it
    larl %r8, pattern
    lgr %r6, %r12
    UNDER per_psw, STORE, "lghi %r0, 'd'; mvst %r6, %r8"
    llgf %r2, LC_PGM_ILC
    EXPECT %r2, 0x20001
    END

    # The second page of the destination is protected: what went to the first one is told.
    BEGIN "a long store that ends early"
    AREA_ALL
    lay %r6, -16
    nihh %r6, 0x7fff
    lghi %r7, 64
    lghi %r9, 0
    UNDER per_psw, STORE, "mvcle %r6, %r8, 0"
    llgf %r2, LC_PGM_ILC
    EXPECT %r2, 0x40005
    lghi %r2, -1
    larl %r10, last_page
    lg %r6, 0(%r10)
    aghi %r6, -16
    lghi %r7, 64
    lghi %r9, 0
    AREA_ALL
    UNDER per_psw, STORE, "mvcle %r6, %r8, 0"
    EVENT 0x40085, 0x2000|MODES, 9942b
    EXPECT %r7, 48
    END

    BEGIN "stores by real addresses"
    AREA place, 8
    UNDER per_psw, STORE, "sturg %r1, %r12"
    NO_EVENT
    UNDER per_psw, STORE|STORE_REAL, "sturg %r1, %r12"
    EVENT 0x40080, 0x2800|MODES, 9942b
    UNDER per_psw, STORE_REAL, "sturg %r1, %r12"
    NO_EVENT
    lghi %r10, 0                        # the area does not matter
    lghi %r11, 0
    UNDER per_psw, STORE|STORE_REAL, "stura %r1, %r12"
    EVENT 0x40080, 0x2800|MODES, 9942b
    END

    BEGIN "execute"
    larl %r7, 0f
    larl %r8, pattern
    AREA_HERE
    UNDER per_psw, FETCH, "ex %r0, 0(%r7)"
    EVENT 0x40080, 0x4000|MODES, 9942b
    lgr %r10, %r7                       # its target
    lgr %r11, %r7
    UNDER per_psw, FETCH, "ex %r0, 0(%r7)"
    EVENT 0x40080, 0x4000|MODES, 9942b
    UNDER per_psw, FETCH, "exrl %r0, 0f"
    EVENT 0x60080, 0x4000|MODES, 9942b
    aghi %r10, 1
    aghi %r11, 1
    UNDER per_psw, FETCH, "exrl %r0, 0f"
    NO_EVENT
    AREA place, 8
    UNDER per_psw, STORE, "ex %r0, 0(%r7)"
    EVENT 0x40080, 0x2000|MODES, 9942b
    UNDER per_psw, STORE, "exrl %r0, 0f"
    EVENT 0x60080, 0x2000|MODES, 9942b
    AREA_ALL
    UNDER per_psw, FETCH|STORE, "exrl %r0, 0f"
    EVENT 0x60080, 0x6000|MODES, 9942b
    larl %r7, 1f
    larl %r13, 9945f
    UNDER per_psw, BRANCH|FETCH|STORE, "ex %r0, 0(%r7)"
    EVENT 0x40080, 0xc000|MODES, 9945f
    lgr %r10, %r7
    lgr %r11, %r7
    lghi %r9, 1
    UNDER per_psw, FETCH|NULLIFY, "ex %r0, 0(%r7)"
    EVENT 0x40080, 0x4100|MODES, 9940b
    j 2f
0:  mvc 0(8,%r12), 0(%r8)
1:  br %r13
9945:
    .long 0
2:  END

    BEGIN "with another interruption"
    AREA_ALL
    UNDER per_psw, BRANCH|FETCH|STORE, ".short 0"
    EVENT 0x20081, 0x4000|MODES, 9942b
    UNDER per_psw, BRANCH|FETCH|STORE, "stpt 1(%r12)"
    EVENT 0x40086, 0x4000|MODES, 9942b
    UNDER per_psw, STORE, "stpt 1(%r12)"
    llgf %r2, LC_PGM_ILC
    EXPECT %r2, 0x40006
    UNDER problem_psw, BRANCH|FETCH|STORE, "stpt 0(%r12)"
    EVENT 0x40082, 0x4000|MODES, 9942b
    UNDER per_psw, FETCH, "ex %r0, 1(%r12)"
    EVENT 0x40086, 0x4000|MODES, 9942b
    larl %r7, 9943f
    UNDER per_psw, FETCH, "9943: ex %r0, 0(%r7)"
    EVENT 0x40083, 0x4000|MODES, 9942b
    END

    BEGIN "with what completes"
    lghi %r1, 0x80
    stg %r1, LC_A
    lctlg %c8, %c8, LC_A
    AREA_ALL
    UNDER per_psw, FETCH, "mc 0, 8"
    EVENT 0x400c0, 0x4000|MODES, 9942b
    llgh %r2, LC_MON_CLASS
    EXPECT %r2, 8
    larl %r8, nines
    AREA place, 8
    mvc 0(2,%r12), 0(%r8)
    UNDER overflow_psw, STORE, "ap 0(2,%r12), 0(2,%r8)"
    EVENT 0x6008a, 0x2000|MODES, 9942b
    END

    # The supervisor-call interruption is taken first; its new PSW is the old one of the
    # program interruption, whether that PSW allows PER or not.
    BEGIN "supervisor call"
    larl %r1, 9945f
    stg %r1, LC_SVC_NEW+8
    AREA_ALL
    UNDER per_psw, FETCH, "svc 7"
    EVENT 0x20080, 0x4000|MODES, 9945f
    llgf %r2, LC_SVC_ILC
    EXPECT %r2, 0x20007
    lg %r2, LC_SVC_NEW-0x80+8           # the old one
    larl %r3, 9942b
    CHECK
    lg %r2, LC_PGM_OLD
    EXPECT %r2, PSW_STD
    larl %r1, unexpected_svc
    stg %r1, LC_SVC_NEW+8
    j 0f
9945:
    .long 0
0:  END

    # An external interruption that becomes enabled by the instruction comes after, under what
    # the program new PSW allows: its old PSW is that one.
    BEGIN "external interruption"
    mvghi LC_A, 0
    sckc LC_A                           # passed long ago
    lgrl %r1, cr0_std
    oill %r1, CR0_CKC
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_EXT 9947f
    mvi LC_PGM_NEW, 1
    AREA_ALL
    UNDER per_psw, FETCH, "stosm 0(%r12), 1"
9947:
    mvi LC_PGM_NEW, 0
    ON_PGM unexpected_pgm
    lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    EVENT 0x40080, 0x4000|MODES, 9942b
    lg %r2, LC_PGM_OLD                  # enabled already
    EXPECT %r2, 0x4100000180000000
    llgh %r2, LC_EXT_CODE
    EXPECT %r2, 0x1004
    lg %r2, LC_EXT_OLD
    EXPECT %r2, 0x0100000180000000
    lg %r2, LC_EXT_OLD+8
    larl %r3, 9941b
    CHECK
    ON_EXT unexpected_ext
    END

    BEGIN "loading a PSW"
    larl %r7, pgm_psw
    larl %r1, 9945f
    stg %r1, 8(%r7)
    AREA_ALL
    UNDER per_psw, BRANCH|FETCH, "lpswe 0(%r7)"
    EVENT 0x40080, 0x4000|MODES, 9945f
    lg %r2, LC_PGM_OLD
    EXPECT %r2, PSW_STD
    larl %r7, bad_psw                   # one that is invalid at once
    UNDER per_psw, FETCH, "lpswe 0(%r7)"
    llgf %r2, LC_PGM_ILC
    EXPECT %r2, 0x86
    llgh %r2, LC_PER_CODE
    EXPECT %r2, 0x4000|MODES
    lg %r2, LC_PER_ADDRESS
    larl %r3, 9940b
    CHECK
    lg %r2, LC_PGM_OLD+8
    EXPECT %r2, 0x1234
    larl %r7, odd_psw                   # one whose address is odd: not before it is used
    UNDER per_psw, FETCH, "lpswe 0(%r7)"
    llgf %r2, LC_PGM_ILC
    EXPECT %r2, 0x40080
    lg %r2, LC_PGM_OLD+8
    EXPECT %r2, 0x1235
    j 0f
9945:
    .long 0
0:  END

    BEGIN "the mask changes"
    AREA_ALL
    UNDER per_psw, FETCH, "stnsm 0(%r12), 0xbf"
    EVENT 0x40080, 0x4000|MODES, 9942b
    lg %r2, LC_PGM_OLD
    EXPECT %r2, PSW_STD
    UNDER per_psw, STORE, "stnsm 0(%r12), 0xbf"
    EVENT 0x40080, 0x2000|MODES, 9942b
    UNDER pgm_psw, FETCH, "stosm 0(%r12), 0x40"
    EVENT_AT 0x20081, 0x4000|MODES, 9942b, 9942b+2
    UNDER pgm_psw, STORE, "stosm 0(%r12), 0x40; st %r1, 0(%r12)"
    EVENT_AT 0x40080, 0x2000|MODES, 9940b+4, 9942b
    mvi LC_A, 0x40
    UNDER pgm_psw, STORE, "ssm LC_A; st %r1, 0(%r12)"
    EVENT_AT 0x40080, 0x2000|MODES, 9940b+4, 9942b
    mvi LC_A, 0
    UNDER per_psw, STORE, "ssm LC_A; st %r1, 0(%r12)"
    llgf %r2, LC_PGM_ILC
    EXPECT %r2, 0x20001
    END

    # What CR9 to CR11 held when the instruction began counts.
    BEGIN "the controls change"
    AREA_ALL
    mvghi LC_A, 0
    UNDER per_psw, FETCH, "lctlg %c9, %c9, LC_A"
    EVENT 0x60080, 0x4000|MODES, 9942b
    llilf %r1, STORE
    stg %r1, LC_A
    UNDER per_psw, 0, "lctlg %c9, %c9, LC_A; st %r1, 0(%r12)"
    EVENT_AT 0x40080, 0x2000|MODES, 9940b+6, 9942b
    END

    # Real-space designations: addresses are real, but there are spaces.
    BEGIN "address spaces"
    mvghi LC_A, 0x20
    lctlg %c1, %c1, LC_A
    lctlg %c7, %c7, LC_A
    lctlg %c13, %c13, LC_A
    lam %a0, %a15, zeros
    AREA place, 8
    UNDER dat_psw, STORE, "st %r1, 0(%r12)"
    EVENT 0x40080, 0x2000|DAT_MODES, 9942b
    UNDER secondary_psw, STORE, "st %r1, 0(%r12)"
    EVENT 0x40080, 0x2000|DAT_MODES|8|2, 9942b
    UNDER home_psw, STORE, "st %r1, 0(%r12)"
    EVENT 0x40080, 0x2000|DAT_MODES|12|3, 9942b
    UNDER register_psw, STORE, "st %r1, 0(%r12)"
    EVENT 0x40080, 0x2000|DAT_MODES|4|1, 9942b
    llgc %r2, LC_PER_ACCESS
    EXPECT %r2, 12
    UNDER dat_psw, STORE, "sturg %r1, %r12"
    NO_EVENT
    UNDER dat_psw, STORE|STORE_REAL, "sturg %r1, %r12"
    EVENT 0x40080, 0x2800|DAT_MODES, 9942b
    END

    BEGIN "only designated spaces"
    AREA place, 8
    UNDER dat_psw, STORE|IN_SPACE, "st %r1, 0(%r12)"
    NO_EVENT
    UNDER per_psw, STORE|IN_SPACE, "st %r1, 0(%r12)"
    EVENT 0x40080, 0x2000|MODES, 9942b
    mvghi LC_A, 0xa0
    lctlg %c1, %c1, LC_A
    UNDER dat_psw, STORE|IN_SPACE, "st %r1, 0(%r12)"
    EVENT 0x40080, 0x2000|DAT_MODES, 9942b
    UNDER home_psw, STORE|IN_SPACE, "st %r1, 0(%r12)"
    NO_EVENT
    UNDER home_psw, FETCH|IN_SPACE, "st %r1, 0(%r12)"
    llgf %r2, LC_PGM_ILC
    EXPECT %r2, 0x20001
    END

    # Every instruction of a loop, and the stores of one counter.
    # Often enough for translated code to become machine code.
    BEGIN "single steps"
    lghi %r4, 30
0:
    lghi %r1, 0
    stg %r1, LC_A
    llilf %r1, FETCH
    CALL stepped
    EXPECT %r7, 31
    llilf %r1, STORE
    CALL stepped
    EXPECT %r7, 10
    llilf %r1, BRANCH
    CALL stepped
    EXPECT %r7, 9
    llilf %r1, BRANCH|STORE
    CALL stepped
    EXPECT %r7, 19
    brctg %r4, 0b
    END

    mvghi LC_A, 0
    lctlg %c9, %c9, LC_A
    jg finish

# Counts in %r7 the PER interruptions of a loop of ten passes with events %r1.
stepped:
    ENTER
    stg %r1, LC_FREE+0x10
    larl %r1, 3f
    stg %r1, LC_FREE+0x18
    larl %r1, 5f-1
    stg %r1, LC_FREE+0x20
    tm LC_FREE+0x14, 0x20
    jz 0f
    larl %r1, place
    stg %r1, LC_FREE+0x18
    aghi %r1, 7
    stg %r1, LC_FREE+0x20
0:  lctlg %c9, %c11, LC_FREE+0x10
    ON_PGM 2f
    lghi %r7, 0
    lghi %r9, 10
    larl %r6, per_psw
    larl %r1, 3f
    stg %r1, 8(%r6)
    lpswe 0(%r6)
2:  clhhsi LC_PGM_CODE, 0x80
    jne 4f
    aghi %r7, 1
    lpswe LC_PGM_OLD
3:  lghi %r8, 1
1:  agsi 0(%r12), 1
    lr %r8, %r8
    brctg %r9, 1b
5:  .long 0
4:  ON_PGM unexpected_pgm
    stg %r7, 56(%r15)
    LEAVE

.data
    .balign 16
per_psw:
    .quad PSW_PER, 0
per31_psw:
    .quad 0x4000000080000000, 0
problem_psw:
    .quad PSW_PER_PROBLEM, 0
overflow_psw:
    .quad 0x4000040180000000, 0
dat_psw:
    .quad PSW_PER_DAT, 0
secondary_psw:
    .quad PSW_PER_SECONDARY, 0
register_psw:
    .quad PSW_PER_REGISTER, 0
home_psw:
    .quad PSW_PER_HOME, 0
pgm_psw:
    .quad PSW_STD, 0
bad_psw:
    .quad PSW_STD|1, 0x1234
odd_psw:
    .quad PSW_STD, 0x1235
nines:
    .byte 0x99, 0x9c
pattern:
    .ascii "abcdefghijklmnopqrstuvwxyz"
    .balign 8
last_page:
    .quad 64<<20
.bss
    .balign 4096
zeros:
    .skip 2048
place:
    .skip 512
