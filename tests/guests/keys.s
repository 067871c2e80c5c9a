# Storage keys and what they protect: every kind of refusal with its translation-exception
# identification, overrides, changes of keys and of the PSW key while translations are
# remembered, instructions that have keys of their own, frames of 1 MiB,
# instruction-execution protection, access registers. One CPU.
# Principles of Operation, "Protection" and "Access-Register Translation".
.include "rt.inc"

.equ CR0_SECONDARY, 0x04000000
.equ CR0_FETCH_OVERRIDE, 0x02000000
.equ CR0_STORAGE_OVERRIDE, 0x01000000
.equ CR0_ENHANCED_DAT, 0x00800000
.equ CR0_NO_EXECUTE, 0x00100000

# Where identifications say what was refused
.equ STORE, 0x400
.equ FETCH, 0x800
.equ BY_KEY, 0x08
.equ BY_DAT, 0x04
.equ BY_LIST, 0x0c
.equ BY_EXECUTION, 0x84
.equ IN_SPACE_OF_AR, 1

# Storage that belongs to nobody else; %r8 and %r9 hold A and B
.equ A, 0x200000
.equ B, 0x201000
.equ TABLES, 0x210000
.equ LISTS, 0x220000
.equ RW, 0x300000                       # a megabyte

.macro CR0 bits
    llilf %r1, CR0_AFP|(\bits)
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
.endm
.macro DAT_ON
    stosm LC_FREE, 0x04
.endm
.macro DAT_OFF
    stnsm LC_FREE, 0xfb
.endm
# The key of the page at a register. Changes %r1.
.macro SET_KEY key, at
    lghi %r1, \key
    sske %r1, \at
.endm
.macro GET_KEY at, want
    lghi %r5, 0
    iske %r5, \at
    EXPECT %r5, \want
.endm
# \insn under an access key must be refused with this identification
.macro REFUSED key, teid, insn
    ON_PGM 9941f
    spka (\key)*16
    \insn
    spka 0
    lghi %r2, -1
    lghi %r3, 4
    brasl %r14, group_check
    j 9943f
9941:
    lgrl %r3, 9944f
    brasl %r14, check_refused
9943:
    ON_PGM unexpected_pgm
    .pushsection .data
    .balign 8
9944:
    .quad \teid
    .popsection
.endm
# \insn must give a program interruption with this code
.macro PGM code, insn
    ON_PGM 9941f
    \insn
    lghi %r2, -1
    j 9942f
9941:
    llgh %r2, LC_PGM_CODE
9942:
    lghi %r3, \code
    brasl %r14, group_check
    ON_PGM unexpected_pgm
.endm
# \insn under an access key must be allowed
.macro ALLOWED key, insn
    spka (\key)*16
    \insn
    spka 0
.endm
.macro PROBLEM_STATE
    larl %r1, 9941f
    larl %r2, problem_psw
    stg %r1, 8(%r2)
    lpswe 0(%r2)
9941:
.endm
.macro LOAD_CR number, value
    llilf %r1, \value
    stg %r1, LC_FREE
    lctlg %c\number, %c\number, LC_FREE
.endm

main:
    llilf %r8, A
    llilf %r9, B
    mvghi 0(%r8), 1
    mvghi 0(%r9), 2

    BEGIN "keys are set, shown and reset"
    SET_KEY 0xff, %r8
    GET_KEY %r8, 0xfe
    rrbe %r0, %r8
    EXPECT_CC 3
    GET_KEY %r8, 0xfa
    rrbe %r0, %r8
    EXPECT_CC 1
    SET_KEY 0, %r8
    rrbe %r0, %r8
    EXPECT_CC 0
    lg %r5, 0(%r8)
    GET_KEY %r8, 4
    rrbe %r0, %r8
    EXPECT_CC 2
    lg %r5, 0(%r8)                      # recorded anew, though just translated
    GET_KEY %r8, 4
    mvghi 0(%r8), 1
    GET_KEY %r8, 6
    SET_KEY 0x30, %r8
    mvghi 0(%r8), 1
    GET_KEY %r8, 0x36
    END

    BEGIN "conditional keys"
    SET_KEY 0x36, %r8
    lghi %r6, 0x30
    sske %r6, %r8, 6                    # neither reference nor change counts
    EXPECT_CC 0
    EXPECT %r6, 0x3630
    GET_KEY %r8, 0x36
    sske %r6, %r8, 4                    # change counts
    EXPECT_CC 1
    GET_KEY %r8, 0x30
    lghi %r6, 0x34
    sske %r6, %r8, 2                    # reference counts
    EXPECT_CC 1
    EXPECT %r6, 0x3034
    lghi %r6, 0x42
    sske %r6, %r8, 6
    EXPECT_CC 1
    EXPECT %r6, 0x3442
    GET_KEY %r8, 0x42
    END

    BEGIN "keys of a block of 1 MiB"
    llilf %r6, RW+0xfe123
    lghi %r5, 0x58
    sske %r5, %r6, 1
    EXPECT %r6, RW+0x100123
    llilf %r6, RW+0xfe000
    GET_KEY %r6, 0x58
    llilf %r6, RW+0xff000
    GET_KEY %r6, 0x58
    llilf %r6, RW+0xfd000
    GET_KEY %r6, 0
    llilf %r6, RW
    lghi %r5, 0
    sske %r5, %r6, 1
    llilf %r6, RW+0xff000
    GET_KEY %r6, 0
    END

    BEGIN "stores under another key"
    SET_KEY 0x40, %r8
    SET_KEY 0x30, %r9
    mvghi 0(%r8), 1
    lghi %r5, 7
    ALLOWED 4, "stg %r5, 8(%r8)"
    ALLOWED 0, "stg %r5, 16(%r8)"
    REFUSED 3, A+STORE+BY_KEY, "stg %r5, 0(%r8)"
    REFUSED 3, A+STORE+BY_KEY, "mvi 0(%r8), 9"
    REFUSED 3, A+STORE+BY_KEY, "asi 0(%r8), 1"
    REFUSED 3, A+STORE+BY_KEY, "xc 0(8,%r8), 0(%r8)"
    REFUSED 3, A+STORE+BY_KEY, "mvc 0(8,%r8), 0(%r9)"
    REFUSED 3, A+STORE+BY_KEY, "stmg %r0, %r15, 0(%r8)"
    REFUSED 3, A+STORE+BY_KEY, "cs %r5, %r6, 0(%r8)"
    REFUSED 3, A+STORE+BY_KEY, "lgr %r4, %r8; lghi %r5, 8; lgr %r6, %r9; lghi %r7, 8; mvcl %r4, %r6"
    REFUSED 3, A+STORE+BY_KEY, "stap 0(%r8)"
    REFUSED 3, A+STORE+BY_KEY, "stpx 0(%r8)"
    REFUSED 3, A+STORE+BY_KEY, "stcke 0(%r8)"
    REFUSED 3, A+STORE+BY_KEY, "stnsm 0(%r8), 0xff"
    REFUSED 3, A+STORE+BY_KEY, "stctg %c0, %c0, 0(%r8)"
    REFUSED 3, A+STORE+BY_KEY, "lgr %r4, %r8; stura %r5, %r4"
    lg %r5, 0(%r8)
    EXPECT %r5, 1
    ALLOWED 3, "lg %r6, 8(%r8)"
    EXPECT %r6, 7
    ALLOWED 3, "mvc 0(8,%r9), 8(%r8)"
    lg %r6, 0(%r9)
    EXPECT %r6, 7
    END

    BEGIN "fetches under another key"
    SET_KEY 0x48, %r8
    ALLOWED 4, "lg %r5, 0(%r8)"
    REFUSED 3, A+FETCH+BY_KEY, "lg %r5, 0(%r8)"
    REFUSED 3, A+FETCH+BY_KEY, "llgc %r5, 0xfff(%r8)"
    REFUSED 3, A+FETCH+BY_KEY, "clc 0(4,%r9), 0(%r8)"
    REFUSED 3, A+FETCH+BY_KEY, "mvc 0(4,%r9), 0(%r8)"
    REFUSED 3, A+FETCH+BY_KEY, "lmg %r4, %r5, 0(%r8)"
    REFUSED 3, A+FETCH+BY_KEY, "lura %r5, %r8"
    REFUSED 3, A+FETCH+BY_KEY, "lctlg %c9, %c9, 0(%r8)"
    REFUSED 3, A+FETCH+BY_KEY, "lpswe 0(%r8)"
    REFUSED 3, A+FETCH+BY_KEY, "spx 0(%r8)"
    REFUSED 3, A+FETCH+BY_KEY, "sck 0(%r8)"
    # An operand that begins where it may and ends where it may not
    lay %r7, -4(%r9)
    SET_KEY 0x38, %r8
    SET_KEY 0x48, %r9
    REFUSED 3, B+FETCH+BY_KEY, "lg %r5, 0(%r7)"
    REFUSED 4, A+FETCH+BY_KEY, "lg %r5, 0(%r7)"
    END

    BEGIN "a changed key takes effect at once"
    lghi %r10, 300
    lghi %r11, 0
    lghi %r12, 0
0:  SET_KEY 0x30, %r8
    ALLOWED 3, "stg %r10, 0(%r8)"
    ALLOWED 3, "lg %r5, 0(%r8)"
    SET_KEY 0x48, %r8
    ON_PGM 1f
    spka 0x30
    stg %r11, 0(%r8)
    spka 0
    aghi %r12, 1
1:  ON_PGM 2f
    spka 0x30
    lg %r5, 0(%r8)
    spka 0
    aghi %r12, 1
2:  cg %r10, 0(%r8)
    je 3f
    aghi %r12, 1
3:  brctg %r10, 0b
    ON_PGM unexpected_pgm
    EXPECT %r12, 0
    END

    BEGIN "storage-protection override"
    SET_KEY 0x98, %r8
    CR0 CR0_STORAGE_OVERRIDE
    ALLOWED 3, "mvghi 0(%r8), 5"
    ALLOWED 3, "lg %r5, 0(%r8)"
    EXPECT %r5, 5
    SET_KEY 0x88, %r8
    REFUSED 3, A+STORE+BY_KEY, "mvghi 0(%r8), 6"
    SET_KEY 0x98, %r8
    CR0 0
    REFUSED 3, A+STORE+BY_KEY, "mvghi 0(%r8), 6"
    REFUSED 3, A+FETCH+BY_KEY, "lg %r5, 0(%r8)"
    END

    BEGIN "fetch-protection override"
    lghi %r7, 0
    SET_KEY 0x48, %r7
    REFUSED 3, 0+FETCH+BY_KEY, "lg %r5, 0x7f8(%r7)"
    CR0 CR0_FETCH_OVERRIDE
    ALLOWED 3, "lg %r5, 0x7f8(%r7)"
    REFUSED 3, 0+FETCH+BY_KEY, "lg %r5, 0x800(%r7)"
    ALLOWED 3, "lg %r5, 0x7f8(%r7)"
    REFUSED 3, 0+STORE+BY_KEY, "mvghi 0x700(%r7), 6"
    # Code in both halves
    mvhhi 0x7f8(%r7), 0x0700
    mvhhi 0x7fa(%r7), 0x0700
    mvhhi 0x7fc(%r7), 0x0700
    mvhhi 0x7fe(%r7), 0x07fe
    larl %r6, code_at_end
    mvc 0x900(16,%r7), 0(%r6)
    mvhhi 0x800(%r7), 0x07fe
    mvhhi 0x802(%r7), 0x07fe
    lghi %r6, 0x7f8
    lghi %r10, 3
0:  spka 0x30
    basr %r14, %r6                      # returns before the half that is closed
    spka 0
    brctg %r10, 0b
    mvhhi 0x7fe(%r7), 0x0700
    lghi %r10, 3
0:  REFUSED 3, 0+FETCH+BY_KEY, "basr %r14, %r6"
    brctg %r10, 0b
    mvc 0x7fc(6,%r7), 0x900(%r7)        # an instruction across the middle
    lghi %r10, 3
0:  REFUSED 3, 0+FETCH+BY_KEY, "basr %r14, %r6"
    ALLOWED 4, "basr %r14, %r6"
    brctg %r10, 0b
    CR0 0
    SET_KEY 0, %r7
    END

    BEGIN "instructions in a page with another key"
    lghi %r1, 0x07fe
    sth %r1, 0x100(%r8)
    la %r6, 0x100(%r8)
    SET_KEY 0x38, %r8
    lghi %r10, 40
0:  ALLOWED 3, "basr %r14, %r6"
    brctg %r10, 0b
    SET_KEY 0x48, %r8
    REFUSED 3, A+FETCH+BY_KEY, "basr %r14, %r6"
    ALLOWED 4, "basr %r14, %r6"
    REFUSED 3, A+FETCH+BY_KEY, "basr %r14, %r6"
    SET_KEY 0x40, %r8
    ALLOWED 3, "basr %r14, %r6"
    END

    BEGIN "test protection"
    SET_KEY 0x30, %r8
    tprot 0(%r8), 0x30
    EXPECT_CC 0
    tprot 0(%r8), 0
    EXPECT_CC 0
    tprot 0(%r8), 0x40
    EXPECT_CC 1
    SET_KEY 0x38, %r8
    tprot 0(%r8), 0x40
    EXPECT_CC 2
    GET_KEY %r8, 0x38                   # no trace of it
    END

    BEGIN "moves with a key"
    mvghi 0(%r8), 0x11
    mvghi 0(%r9), 0x22
    SET_KEY 0x48, %r8
    SET_KEY 0x58, %r9
    lghi %r5, 8
    lghi %r6, 0x50
    # Source under the register's key, destination under the PSW's
    ALLOWED 4, "mvck 0(%r5,%r8), 0(%r9), %r6"
    EXPECT_CC 0
    lg %r7, 0(%r8)
    EXPECT %r7, 0x22
    REFUSED 5, A+STORE+BY_KEY, "mvck 0(%r5,%r8), 0(%r9), %r6"
    lghi %r6, 0x40
    REFUSED 4, B+FETCH+BY_KEY, "mvck 0(%r5,%r8), 0(%r9), %r6"
    lghi %r0, 7
    lghi %r1, 0x40
    ALLOWED 5, "mvcdk 0(%r8), 0(%r9)"
    REFUSED 5, B+FETCH+BY_KEY, "lghi %r1, 0x40; mvcsk 0(%r8), 0(%r9)"
    REFUSED 4, B+FETCH+BY_KEY, "lghi %r1, 0x40; mvcdk 0(%r8), 0(%r9)"
    lghi %r1, 0x50
    ALLOWED 4, "mvcsk 0(%r8), 0(%r9)"
    REFUSED 5, A+STORE+BY_KEY, "lghi %r1, 0x50; mvcsk 0(%r8), 0(%r9)"
    # A page, with keys in register 0
    mvghi 0x10(%r9), 0x33
    lghi %r0, 0x850                     # destination under key 5
    REFUSED 5, A+STORE+BY_KEY, "mvpg %r8, %r9"
    lghi %r0, 0x840
    ALLOWED 5, "mvpg %r8, %r9"
    lg %r7, 0x10(%r8)
    EXPECT %r7, 0x33
    lghi %r0, 0x440                     # source under key 4
    REFUSED 4, B+FETCH+BY_KEY, "mvpg %r8, %r9"
    lghi %r0, 0x450
    ALLOWED 4, "mvpg %r8, %r9"
    lghi %r0, 0xc50
    PGM 6, "mvpg %r8, %r9"
    # In the problem state the mask of CR3 says which keys
    LOAD_CR 3, 0x04000000               # key 5
    SET_KEY 0x50, %r8
    lghi %r5, 8
    lghi %r6, 0x50
    PROBLEM_STATE
    mvck 0(%r5,%r8), 0(%r9), %r6
    PGM 2, "spka 0x50; spka 0x40"
    lghi %r6, 0x40
    PROBLEM_STATE
    PGM 2, "mvck 0(%r5,%r8), 0(%r9), %r6"
    PROBLEM_STATE
    lghi %r0, 0x440
    PGM 2, "mvpg %r8, %r9"
    END

    BEGIN "moves between spaces"
    # Primary and home: real addresses; secondary: 1 MiB higher, in frames
    CR0 CR0_SECONDARY|CR0_ENHANCED_DAT
    CALL build_tables
    LOAD_CR 1, 0x20
    LOAD_CR 7, TABLES
    LOAD_CR 13, 0x20
    llilf %r10, A+0x100000
    mvghi 0(%r10), 0x44
    mvghi 0(%r8), 0
    SET_KEY 0x58, %r10
    SET_KEY 0x48, %r8
    lghi %r5, 8
    lghi %r6, 0x50
    DAT_ON
    ALLOWED 4, "mvcp 0(%r5,%r8), 0(%r8), %r6"
    lg %r7, 0(%r8)
    DAT_OFF
    EXPECT %r7, 0x44
    mvghi 0(%r8), 0x55
    DAT_ON
    ALLOWED 4, "mvcs 0(%r5,%r8), 0(%r8), %r6"
    DAT_OFF
    lg %r7, 0(%r10)
    EXPECT %r7, 0x55
    DAT_ON
    REFUSED 5, A+FETCH+BY_KEY, "mvcs 0(%r5,%r8), 0(%r8), %r6"
    DAT_ON
    REFUSED 4, A+FETCH+BY_KEY+2, "lghi %r6, 0x40; mvcp 0(%r5,%r8), 0(%r8), %r6"
    # Optional specifications: to primary under key 4, from secondary under key 5
    mvghi 0(%r8), 0
    llilf %r0, 0x40035083
    DAT_ON
    mvcos 0(%r8), 0(%r8), %r5
    DAT_OFF
    lg %r7, 0(%r8)
    EXPECT %r7, 0x55
    llilf %r0, 0x50035083
    DAT_ON
    REFUSED 0, A+STORE+BY_KEY, "mvcos 0(%r8), 0(%r8), %r5"
    llilf %r0, 0x40034083
    DAT_ON
    REFUSED 0, A+FETCH+BY_KEY+2, "mvcos 0(%r8), 0(%r8), %r5"
    llilf %r0, 0x00010081               # keys as the PSW has them
    DAT_ON
    REFUSED 4, A+FETCH+BY_KEY+2, "mvcos 0(%r8), 0(%r8), %r5"
    CR0 CR0_ENHANCED_DAT
    llilf %r0, 0x40035083
    DAT_ON
    PGM 0x13, "mvcos 0(%r8), 0(%r8), %r5"
    CR0 0
    PGM 0x13, "mvcos 0(%r8), 0(%r8), %r5"
    END

    BEGIN "frames of 1 MiB"
    CR0 CR0_SECONDARY|CR0_ENHANCED_DAT
    LOAD_CR 1, TABLES
    SET_KEY 0, %r8
    SET_KEY 0, %r10
    mvghi 8(%r10), 0x66
    # The code is in a frame that leads to itself; A is in one that leads higher
    DAT_ON
    lg %r5, 8(%r8)
    lra %r6, 8(%r8)
    DAT_OFF
    EXPECT %r5, 0x66
    llilf %r3, A+0x100008
    lgr %r2, %r6
    CHECK
    # The entry's own key instead of the storage key
    llilf %r7, TABLES+2*8
    lgrl %r5, keyed_frame
    lg %r4, 0(%r7)
    stg %r5, 0(%r7)
    ptlb
    DAT_ON
    ALLOWED 4, "mvghi 8(%r8), 0x67"
    REFUSED 3, A+FETCH+BY_KEY, "lg %r5, 8(%r8)"
    stg %r4, 0(%r7)
    ptlb
    DAT_ON
    ALLOWED 3, "lg %r5, 8(%r8)"
    DAT_OFF
    EXPECT %r5, 0x67
    oill %r4, 0x200
    stg %r4, 0(%r7)
    ptlb
    DAT_ON
    REFUSED 0, A+STORE+BY_DAT, "mvghi 8(%r8), 0x68"
    nill %r4, 0xfdff
    stg %r4, 0(%r7)
    ptlb
    END

    BEGIN "instruction-execution protection"
    # Only where it is installed
    lghi %r0, 3
    larl %r1, facilities
    stfle 0(%r1)
    tm 16(%r1), 0x20                    # 130
    jz 1f
    lghi %r1, 0x07fe
    sth %r1, 0x100(%r10)
    la %r6, 0x100(%r8)
    lghi %r5, 20
0:  DAT_ON
    basr %r14, %r6
    DAT_OFF
    brctg %r5, 0b
    oill %r4, 0x100
    stg %r4, 0(%r7)
    ptlb
    DAT_ON
    basr %r14, %r6                      # its control is off
    DAT_OFF
    CR0 CR0_SECONDARY|CR0_ENHANCED_DAT|CR0_NO_EXECUTE
    DAT_ON
    REFUSED 0, A+FETCH+BY_EXECUTION, "basr %r14, %r6"
    DAT_ON
    lg %r5, 8(%r8)
    DAT_OFF
    EXPECT %r5, 0x67
    nill %r4, 0xfeff
    stg %r4, 0(%r7)
    ptlb
1:  END

    BEGIN "frame management"
    CR0 0
    llilf %r7, A
    mvghi 8(%r7), 1
    llilf %r5, 0x00030030               # clear and set the key, one page
    .insn rre, 0xb9af0000, %r5, %r7
    lg %r6, 8(%r7)
    EXPECT %r6, 0
    GET_KEY %r7, 0x34                   # and it was fetched from just now
    EXPECT %r7, A
    llilf %r7, RW+0xfe000
    llilf %r5, 0x00021050               # the key, to the end of the megabyte
    .insn rre, 0xb9af0000, %r5, %r7
    EXPECT %r7, RW+0x100000
    llilf %r7, RW+0xff000
    GET_KEY %r7, 0x50
    llilf %r5, 0x00021000
    llilf %r7, RW
    .insn rre, 0xb9af0000, %r5, %r7
    llilf %r5, 0x00080000
    PGM 6, ".insn rre, 0xb9af0000, %r5, %r7"
    llilf %r5, 0x00010000
    lghi %r7, 0x1000
    ON_PGM 1f
    CR0 0x10000000                      # low-address protection
    .insn rre, 0xb9af0000, %r5, %r7
    lghi %r7, 0
1:  CR0 0
    ON_PGM unexpected_pgm
    EXPECT %r7, 0x1000
    lghi %r3, 0x1000+STORE+0x80
    CALL check_refused
    END

    BEGIN "access registers"
    CR0 CR0_SECONDARY|CR0_ENHANCED_DAT
    CALL build_lists
    LOAD_CR 1, 0x20
    LOAD_CR 2, LISTS
    LOAD_CR 5, LISTS+0x40
    LOAD_CR 8, 0x00050000               # extended authorization index
    SET_KEY 0, %r8
    mvghi 8(%r8), 0x71
    mvghi 8(%r10), 0x72
    larl %r7, alets
    lam %a0, %a15, 0(%r7)
    larl %r6, 1f
    DAT_ON
    sac 0x200
    lghi %r12, 0
    lgr %r4, %r8
    lgr %r11, %r8
    lg %r5, 8(%r4)                      # token 0: primary
    lg %r6, 8(%r11)                     # by the dispatchable unit's list
    mvghi 16(%r11), 0x73
    sac 0
    DAT_OFF
    EXPECT %r5, 0x71
    EXPECT %r6, 0x72
    lg %r5, 16(%r10)
    EXPECT %r5, 0x73
    lghi %r5, 5
    sllg %r5, %r5, 16
    tar %a4, %r5
    EXPECT_CC 0
    tar %a11, %r5
    EXPECT_CC 1
    tar %a7, %r5
    EXPECT_CC 2
    tar %a9, %r5                        # no such entry
    EXPECT_CC 3
    tar %a10, %r5                       # entry whose owner has another index
    EXPECT_CC 3
    sllg %r6, %r5, 1
    tar %a10, %r6
    EXPECT_CC 1
    END

    BEGIN "exceptions of access registers"
    .irp n, 7, 9, 10, 12, 13
    lgr %r\n, %r8
    .endr
    DAT_ON
    sac 0x200
    PGM 0x29, "lg %r5, 8(%r9)"
    llgc %r5, LC_EXC_ACCESS
    EXPECT %r5, 9
    DAT_ON
    sac 0x200
    PGM 0x2d, "lg %r5, 8(%r10)"
    llgc %r5, LC_EXC_ACCESS
    EXPECT %r5, 10
    DAT_ON
    sac 0x200
    PGM 0x2a, "lg %r5, 8(%r12)"
    DAT_ON
    sac 0x200
    PGM 0x28, "lg %r5, 8(%r13)"
    DAT_ON
    sac 0x200
    lg %r5, 8(%r7)
    REFUSED 0, A+STORE+BY_LIST+IN_SPACE_OF_AR, "lgr %r7, %r8; mvghi 8(%r7), 1"
    llgc %r5, LC_EXC_ACCESS
    EXPECT %r5, 7
    # An entry made invalid, and the buffer purged
    llilf %r6, LISTS+0x100
    mvi 16*4(%r6), 0x80
    palb
    DAT_ON
    sac 0x200
    PGM 0x29, "lgr %r11, %r8; lg %r5, 8(%r11)"
    END

    CR0 0
    jg finish

# The identification of the refusal just taken is %r3
check_refused:
    ENTER
    llgh %r2, LC_PGM_CODE
    lgr %r4, %r3
    lghi %r3, 4
    CALL group_check
    lg %r2, LC_TEID
    lgr %r3, %r4
    CALL group_check
    LEAVE

# Frames of 1 MiB: the first two lead to themselves, the others 1 MiB higher.
build_tables:
    ENTER
    llilf %r2, TABLES
    lghi %r3, 0
    lghi %r4, 2
0:  lgr %r5, %r3
    sllg %r5, %r5, 20
    oill %r5, 0x400
    cgrjl %r3, %r4, 1f
    algfi %r5, 0x100000
1:  sllg %r6, %r3, 3
    stg %r5, 0(%r6,%r2)
    aghi %r3, 1
    cgijl %r3, 16, 0b
    lghi %r5, 0x20                      # invalid
2:  sllg %r6, %r3, 3
    stg %r5, 0(%r6,%r2)
    aghi %r3, 1
    cghi %r3, 512
    jl 2b
    LEAVE

# At LISTS the dispatchable unit's control table, 0x40 on the primary space's entry, 0x80 on an
# entry of the space to be reached, its authority table 0xc0 on, then both lists.
build_lists:
    ENTER
    llilf %r2, LISTS
    larl %r3, lists
    mvc 0(256,%r2), 0(%r3)
    mvc 256(256,%r2), 256(%r3)
    LEAVE

.data
    .balign 16
problem_psw:
    .quad 0x0001000180000000, 0
keyed_frame:
    .quad A+0x100000+0x400+0x10000+0x4800   # valid, key 4 with fetch protection
code_at_end:
    .short 0xe3d0, 0x0000, 0x0071       # lay %r13, 0
    .balign 8
facilities:
    .skip 32
    .balign 16
alets:
    .long 0, 1, 0, 0, 0, 0, 0, 0x01000002, 0, 9, 3, 4, 0x00010004, 0x02000004, 0, 0
    .balign 256
lists:
    .long 0, 0, 0, 0, LISTS+0x100, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .long 0, 0, 0, 0, LISTS+0x180, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .long LISTS+0xc0, 0x00000000, 0, TABLES, 0, 0x5a5a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .long 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0
    # The unit's: 3 private with owner 10, 4 for all
    .long 0x80000000, 0, 0, 0
    .long 0x80000000, 0, 0, 0
    .long 0x80000000, 0, 0, 0
    .long 0x0100000a, 0, LISTS+0x80, 0x5a5a
    .long 0x00000000, 0, LISTS+0x80, 0x5a5a
    .long 0x80000000, 0, 0, 0
    .long 0x80000000, 0, 0, 0
    .long 0x80000000, 0, 0, 0
    # The primary space's: 2 for fetching only
    .long 0x80000000, 0, 0, 0
    .long 0x80000000, 0, 0, 0
    .long 0x02000000, 0, LISTS+0x80, 0x5a5a
    .skip 256
