# Code changed by every instruction that stores, at every alignment: the very next
# instruction is the new one. (What `smc` shows for a few, this shows for all of them.)
.include "rt.inc"

# A stub is: the instruction under test, which stores at %r1; four AGHI %r2,n, into which it
# stores; BR %r14. It is copied to every alignment, also over page boundaries, runs once
# while %r1 leads elsewhere, and then several times into itself. Afterwards %r2 is the sum
# of the immediates that are in storage.
.equ ROOM, 512
.equ AGHI_2, 0xa72b

# %r9 = the round's number; %r4 and %r5 = A72Bvvvv twice; %r3 = `pattern`, with %r4, %r5 twice.
# %r8 = old contents at %r1, as `old` has them. Others are free for `setup`.
.macro SELF name, insn, offset=0, align=1, setup=none
    BEGIN "\name"
    larl %r1, 9951f
    larl %r2, 9952f
    larl %r3, 9953f
    lghi %r4, \offset
    lghi %r5, \align-1
    larl %r6, 9955f
    CALL try_stub
    END
    j 9956f
    .balign 2
9951:
    \insn
9952:
    aghi %r2, 1
    aghi %r2, 2
    aghi %r2, 3
    aghi %r2, 4
    br %r14
9953:
9955:
    \setup
    br %r14
9956:
.endm
.macro none
.endm

.macro BACKWARDS_PATTERN
    larl %r7, backwards
    strvg %r4, 0(%r7)
.endm
.macro FIFTEEN
    lghi %r7, 15
    larl %r6, mvc_target
.endm
.macro ST_TARGET
    larl %r7, st_target
.endm

main:
    lghi %r1, 0x20                      # a real space: STRAG's operand stays as it is
    stg %r1, LC_FREE
    lctlg %c1, %c1, LC_FREE
    larl %r1, table
    lghi %r2, 0
0:  lgr %r3, %r2                        # for TR: all but AGHI's own bytes one up
    clfi %r2, 0xa7
    je 1f
    clfi %r2, 0x2b
    je 1f
    aghi %r3, 1
1:  la %r4, 0(%r2,%r1)
    stc %r3, 0(%r4)
    aghi %r2, 1
    clfi %r2, 256
    jl 0b

    SELF "STC", "stc %r4, 0(%r1)", 3
    SELF "STCY", "stcy %r4, 0(%r1)", 7
    SELF "STH", "sth %r4, 0(%r1)", 2
    SELF "STHY", "sthy %r4, 0(%r1)", 6
    SELF "ST", "st %r4, 0(%r1)", 4
    SELF "STY", "sty %r4, 0(%r1)"
    SELF "STG", "stg %r4, 0(%r1)"
    SELF "STM", "stm %r4, %r5, 0(%r1)"
    SELF "STMY", "stmy %r4, %r5, 0(%r1)"
    SELF "STMG", "stmg %r4, %r5, 0(%r1)"
    SELF "STMH", "stmh %r4, %r5, 0(%r1)", 8
    SELF "STCM", "stcm %r4, 7, 0(%r1)", 1
    SELF "STCMY", "stcmy %r4, 15, 0(%r1)", 4
    SELF "STCMH", "stcmh %r4, 15, 0(%r1)", 8
    .macro TO_F
    ldgr %f0, %r4
    .endm
    SELF "STD", "std %f0, 0(%r1)",,, TO_F
    SELF "STDY", "stdy %f0, 0(%r1)", 8,, TO_F
    SELF "STE", "ste %f0, 0(%r1)", 4,, TO_F
    .macro TO_A
    sar %a4, %r4
    sar %a5, %r5
    .endm
    SELF "STAM", "stam %a4, %a5, 0(%r1)",, 4, TO_A
    .macro TO_C
    stg %r4, LC_FREE
    lctlg %c11, %c11, LC_FREE
    .endm
    SELF "STCTG", "stctg %c11, %c11, 0(%r1)",, 8, TO_C
    SELF "STCTL", "stctl %c11, %c11, 0(%r1)", 4, 4, TO_C
    .macro TO_CKC
    stg %r4, LC_FREE
    sckc LC_FREE
    .endm
    SELF "STCKC", "stckc 0(%r1)",, 8, TO_CKC
    .macro REVERSED
    lrvgr %r6, %r4
    .endm
    SELF "STRVG", "strvg %r6, 0(%r1)",,, REVERSED
    SELF "STPQ", "stpq %r4, 0(%r1)",, 16
    SELF "MVI", "mvi 0(%r1), 0x5a", 3
    SELF "MVIY", "mviy 0(%r1), 0x5b", 11
    SELF "MVHHI", "mvhhi 0(%r1), 0x1234", 2
    SELF "NI", "ni 0(%r1), 0xfe", 3
    SELF "OI", "oi 0(%r1), 0x41", 3
    SELF "XI", "xi 0(%r1), 0x2f", 7
    SELF "TS", "ts 0(%r1)", 3
    SELF "ASI", "asi 0(%r1), 1", 4
    SELF "AGSI", "agsi 0(%r1), 1"
    SELF "ALSI", "alsi 0(%r1), 2"
    SELF "ALGSI", "algsi 0(%r1), 2", 8
    SELF "STOC", "stoc %r4, 0(%r1), 15", 4
    SELF "STOCG", "stocg %r4, 0(%r1), 15", 4

    .macro OLD
    l %r6, 0(%r1)
    lg %r8, 0(%r1)
    lmg %r10, %r11, 0(%r1)
    lm %r12, %r13, 0(%r1)
    .endm
    SELF "CS", "cs %r6, %r4, 0(%r1)", 4, 4, OLD
    SELF "CSG", "csg %r8, %r4, 0(%r1)",, 8, OLD
    SELF "CDS", "cds %r12, %r4, 0(%r1)",, 8, OLD
    SELF "CDSG", "cdsg %r10, %r4, 0(%r1)",, 16, OLD
    .macro ONE
    lghi %r7, 1
    .endm
    SELF "LAA", "laa %r6, %r7, 0(%r1)",, 4, ONE
    SELF "LAAG", "laag %r6, %r7, 0(%r1)",, 8, ONE
    SELF "LAO", "lao %r6, %r7, 0(%r1)",, 4, ONE
    SELF "LAXG", "laxg %r6, %r7, 0(%r1)",, 8, ONE

    .macro TO_REAL
    lgr %r7, %r1
    .endm
    SELF "STURA", "stura %r4, %r1",, 4
    SELF "STURG", "sturg %r4, %r1",, 8
    SELF "STRAG", "strag 0(%r1), 0(%r4)",, 8
    .macro CSP_OLD
    l %r6, 0(%r1)
    lr %r7, %r4
    lg %r10, 0(%r1)
    lgr %r11, %r4
    .endm
    SELF "CSP", "csp %r6, %r1",, 4, CSP_OLD
    SELF "CSPG", "cspg %r10, %r1",, 8, CSP_OLD

    SELF "MVC", "mvc 0(16,%r1), 0(%r3)"
    SELF "MVC of three", "mvc 0(3,%r1), 1(%r3)", 5
    SELF "MVCIN", "mvcin 0(4,%r1), 7(%r7)",,, BACKWARDS_PATTERN
    SELF "MVN", "mvn 0(16,%r1), 0(%r3)"
    SELF "MVZ", "mvz 0(16,%r1), 0(%r3)"
    SELF "OC", "oc 0(16,%r1), 0(%r3)"
    .macro MASKS
    larl %r7, mask
    .endm
    SELF "NC", "nc 0(16,%r1), 0(%r7)",,, MASKS
    .macro TURN
    larl %r7, turn
    .endm
    SELF "XC", "xc 0(16,%r1), 0(%r7)",,, TURN
    .macro TABLE_AT
    larl %r7, table
    .endm
    SELF "TR", "tr 0(16,%r1), 0(%r7)",,, TABLE_AT
    .macro LONG
    lgr %r6, %r1
    lghi %r7, 16
    lgr %r10, %r3
    lghi %r11, 16
    .endm
    SELF "MVCLE", "mvcle %r6, %r10, 0",,, LONG
    SELF "MVCL", "mvcl %r6, %r10",,, LONG
    SELF "MVCLU", "mvclu %r6, %r10, 0",,, LONG
    .macro KEYED
    lghi %r6, 16
    lghi %r7, 0
    .endm
    SELF "MVCK", "mvck 0(%r6,%r1), 0(%r3), %r7",,, KEYED
    SELF "EX of MVC", "ex %r7, 0(%r6)",,, FIFTEEN
    SELF "EX of ST", "ex %r0, 0(%r7)",,, ST_TARGET

    # The instruction overwrites itself as well: the copy begins before it and ends behind
    # the code, or begins at it.
    BEGIN "MVC over itself and what follows"
    larl %r12, work+64
    lghi %r9, 0
1:  larl %r1, over
    mvc 0(over_end-over,%r12), 0(%r1)
    larl %r3, over_copy
    mvc 0(over_end-over,%r3), 0(%r1)
    lgr %r1, %r12
    lghi %r2, 0
    basr %r14, %r12                     # as it was
    EXPECT %r2, 3
    larl %r3, over_copy
    sth %r9, over_imm-over+2(%r3)
    lghi %r2, 0
    basr %r14, %r12
    lgr %r3, %r9
    aghi %r3, 1
    CHECK
    la %r12, 2(%r12)
    aghi %r9, 1
    cghi %r9, 100
    jl 1b
    END

    BEGIN "MVCL over itself and a page of what follows"
    larl %r12, boundary-300
    lghi %r9, 0
1:  larl %r1, long_over
    mvc 0(long_over_end-long_over,%r12), 0(%r1)
    larl %r3, over_copy
    xc 0(256,%r3), 0(%r3)
    xc 256(256,%r3), 256(%r3)
    mvc 128(long_over_end-long_over,%r3), 0(%r1)
    lghi %r2, 0
    CALL call_long
    EXPECT %r2, 3
    larl %r3, over_copy
    lay %r3, 128(%r3)
    sth %r9, long_over_imm-long_over+2(%r3)
    lghi %r2, 0
    CALL call_long
    lgr %r3, %r9
    aghi %r3, 1
    CHECK
    la %r12, 6(%r12)
    aghi %r9, 1
    cghi %r9, 60
    jl 1b
    END

    # An instruction that is behind in the same loop is changed by one further on.
    BEGIN "earlier instruction of a loop"
    larl %r5, 1f
    lghi %r2, 0
    lghi %r4, 0
    lghi %r6, 100
    mvhhi 2(%r5), 0
1:  aghi %r2, 0
    agr %r4, %r2
    aghi %r6, -1
    sth %r6, 2(%r5)
    jnz 1b
    EXPECT %r2, 4950
    EXPECT %r4, 328350
    END

    # Clocks into code: bits 0-31 become an immediate that EXECUTE's target loads.
    .macro CLOCK name, insn, offset
    BEGIN "\name"
    lghi %r9, 20
    larl %r12, 9941f
1:  mvhhi 2(%r12), 0
    mvhhi 4(%r12), 0
    lghi %r2, -1
    exrl %r0, 9941f
    EXPECT %r2, 0
    la %r1, 2-\offset(%r12)
    \insn
    exrl %r0, 9941f
    llgf %r3, 2(%r12)
    CHECK
    ltgr %r2, %r2
    EXPECT_CC 2
    brctg %r9, 1b
    END
    j 9942f
    .skip 16, 0x07
    .balign 8
9941:
    llilf %r2, 0
    .skip 16, 0x07
9942:
    .endm
    CLOCK "STCK", "stck 0(%r1)", 0
    CLOCK "STCKF", "stckf 0(%r1)", 0

    # STCKE's first byte, zero, falls on the second of LARL %r0, its next four on the operand.
    BEGIN "STCKE"
    lghi %r9, 20
    larl %r12, 2f
1:  mvhhi 2(%r12), 0
    mvhhi 4(%r12), 1
    exrl %r0, 2f
    lgr %r2, %r0
    la %r3, 2(%r12)
    CHECK
    stcke 1(%r12)
    exrl %r0, 2f
    lgf %r3, 2(%r12)
    sllg %r3, %r3, 1
    agr %r3, %r12
    lgr %r2, %r0
    CHECK
    brctg %r9, 1b
    END
    j 3f
    .balign 8
2:  larl %r0, .
    .skip 16, 0x07
3:

    # The machine stores: interruption parameters become an immediate in the lowcore.
    BEGIN "code written by a program interruption"
    mvhhi 0x8a, 0xc02f-0x10000          # LLILF %r2: its operand is length and code
    mvhhi 0x90, 0x07fe
    lghi %r9, 30
    lghi %r12, 0x8a
1:  ON_PGM 2f
    .short 0
2:  basr %r14, %r12
    EXPECT %r2, 0x00020001
    ON_PGM 3f
    larl %r1, work
    cs %r0, %r0, 1(%r1)
3:  basr %r14, %r12
    EXPECT %r2, 0x00040006
    ON_PGM 4f
    larl %r1, work
    lpswe 1(%r1)
4:  basr %r14, %r12
    EXPECT %r2, 0x00040006
    brctg %r9, 1b
    ON_PGM unexpected_pgm
    END

    BEGIN "code written by a supervisor call"
    lghi %r9, 30
    lghi %r12, 0x86                     # LLILF %r2 of SVC's length and code; BR %r14
    mvhhi 0x86, 0xc02f-0x10000
    mvhhi 0x8c, 0x07fe
1:  larl %r1, 2f
    stg %r1, LC_SVC_NEW+8
    svc 17
2:  basr %r14, %r12
    EXPECT %r2, 0x00020011
    larl %r1, 3f
    stg %r1, LC_SVC_NEW+8
    svc 200
3:  basr %r14, %r12
    EXPECT %r2, 0x000200c8
    brctg %r9, 1b
    larl %r1, unexpected_svc
    stg %r1, LC_SVC_NEW+8
    END

    # The kernel's way out of interruptions: PSW and LPSWE in one line of the lowcore, the PSW
    # written by MVC, STG and STMG, the LPSWE entered by a branch, an EXECUTE and an
    # interruption's new PSW.
    BEGIN "LPSWE beside its PSW"
    llilf %r1, 0xb2b20408               # LPSWE 0x408
    st %r1, 0x400
    lghi %r9, 0
    lghi %r8, 0
1:  lgrl %r4, psw_std
    larl %r5, 2f
    tmll %r9, 1
    jz 3f
    larl %r5, 4f
3:  stmg %r4, %r5, 0x408
    tmll %r9, 2
    jz 5f
    stg %r5, LC_FREE+8
    mvc 0x410(8), LC_FREE+8
5:  lghi %r1, 0x400
    tmll %r9, 4
    jz 6f
    ex %r0, 0(%r1)
6:  tmll %r9, 8
    jz 7f
    stg %r1, LC_SVC_NEW+8
    svc 1
7:  br %r1
2:  aghi %r8, 1
    j 8f
4:  aghi %r8, 1000
8:  aghi %r9, 1
    cghi %r9, 2000
    jl 1b
    EXPECT %r8, 1000*1001
    larl %r1, unexpected_svc
    stg %r1, LC_SVC_NEW+8
    END

    # Two virtual pages lead to one frame: code is executed in one and changed in the other.
    CALL make_tables
    BEGIN "changed through another address"
    llilf %r10, 0x00700000              # both lead to `frame`
    llilf %r11, 0x00701000
    larl %r12, frame
    lctlg %c1, %c1, LC_FREE
    stosm LC_FREE+16, 4
    lghi %r9, 0
    lghi %r8, 0
    mvhhi 0(%r10), AGHI_2-0x10000
    mvhhi 4(%r10), 0x07fe
1:  lghi %r2, 0
    sth %r9, 2(%r10)
    basr %r14, %r11
    sgr %r2, %r9
    jz 2f
    aghi %r8, 1
2:  aghi %r9, 1
    sth %r9, 2(%r11)
    lghi %r2, 0
    basr %r14, %r10
    sgr %r2, %r9
    jz 3f
    aghi %r8, 1
3:  aghi %r9, 1
    sth %r9, 2(%r12)
    lghi %r2, 0
    basr %r14, %r10
    sgr %r2, %r9
    jz 4f
    aghi %r8, 1
4:  lghi %r2, 0
    basr %r14, %r11
    sgr %r2, %r9
    jz 5f
    aghi %r8, 1
5:  aghi %r9, 1
    llilf %r1, AGHI_2<<16
    ogr %r1, %r9
    stura %r1, %r12                     # by its real address
    lghi %r2, 0
    basr %r14, %r10
    sgr %r2, %r9
    jz 6f
    aghi %r8, 1
6:  aghi %r9, 1
    cghi %r9, 1000
    jl 1b
    # The next instruction, changed through its other address.
    larl %r1, alias_stub
    mvc 32(16,%r10), 0(%r1)
    lghi %r9, 100
7:  la %r1, 32+6(%r11)
    la %r3, 32(%r10)
    lghi %r2, 0
    lgr %r4, %r9
    basr %r14, %r3
    sgr %r2, %r9
    jz 8f
    aghi %r8, 1
8:  brctg %r9, 7b
    # A page whose frame is exchanged has the other frame's code at once.
    larl %r4, page_table_1
    larl %r5, frame2
    mvc 0(64,%r5), 0(%r12)
    mvhhi 2(%r5), 2222
    mvhhi 2(%r12), 1111
    lghi %r9, 100
9:  lghi %r2, 0
    basr %r14, %r10
    cghi %r2, 1111
    je 10f
    aghi %r8, 1
10: ipte %r4, %r10
    stg %r5, 0(%r4)
    lghi %r2, 0
    basr %r14, %r10
    cghi %r2, 2222
    je 11f
    aghi %r8, 1
11: lghi %r2, 0
    basr %r14, %r11                     # the other page keeps its frame
    cghi %r2, 1111
    je 12f
    aghi %r8, 1
12: ipte %r4, %r10
    stg %r12, 0(%r4)
    brctg %r9, 9b
    stnsm LC_FREE+16, 0xfb
    EXPECT %r8, 0
    END

    # Straight code over a page boundary; the first part stores into the second.
    BEGIN "code in the following page"
    larl %r12, boundary
    lghi %r9, 0
    larl %r1, next_page_stub
    lay %r11, next_page_start-next_page_imm(%r12)
    mvc 0(next_page_end-next_page_start,%r11), 0(%r1)
1:  lgr %r1, %r12
    lghi %r2, 0
    basr %r14, %r11
    lgr %r3, %r9
    CHECK
    aghi %r9, 1
    cghi %r9, 200
    jl 1b
    END

    # A page that held code holds data: counted up many times, then code again.
    BEGIN "page of code reused for data"
    larl %r12, work
    lghi %r9, 20
1:  larl %r1, tiny
    mvc 0(8,%r12), 0(%r1)
    mvc 2048(8,%r12), 0(%r1)
    lghi %r2, 0
    basr %r14, %r12
    EXPECT %r2, 7
    lghi %r6, 2000
    mvghi 0(%r12), 0
    mvghi 2048(%r12), 0
2:  agsi 0(%r12), 1
    lg %r1, 2048(%r12)
    aghi %r1, 1
    stg %r1, 2048(%r12)
    brctg %r6, 2b
    lg %r2, 0(%r12)
    EXPECT %r2, 2000
    lg %r2, 2048(%r12)
    EXPECT %r2, 2000
    brctg %r9, 1b
    END

    # A counter in the same line as the code that counts it.
    BEGIN "data beside code"
    lghi %r6, 20000
    larl %r5, 3f
    mvghi 0(%r5), 0
    j 1f
    .balign 64
3:  .quad 0
1:  lg %r1, 0(%r5)
    aghi %r1, 1
    stg %r1, 0(%r5)
    agsi 8(%r5), 0                      # the code itself, unchanged
    brctg %r6, 1b
    lg %r2, 0(%r5)
    EXPECT %r2, 20000
    END
    jg finish

mvc_target:
    mvc 0(1,%r1), 0(%r3)
st_target:
    st %r4, 0(%r1)
alias_stub:
    sth %r4, 0(%r1)
    aghi %r2, 0
    br %r14
    nopr
    nopr
    nopr
tiny:
    aghi %r2, 7
    br %r14
    nopr

over:
    mvc 0(over_end-over,%r1), 0(%r3)
over_imm:
    aghi %r2, 2
    aghi %r2, 1
    br %r14
over_end:

# Copies 600 bytes to 128 bytes before itself.
long_over:
    mvcle %r4, %r6, 0
long_over_imm:
    aghi %r2, 2
    aghi %r2, 1
    br %r14
long_over_end:

call_long:
    stg %r14, LC_FREE+0x30
    aghik %r4, %r12, -128
    lghi %r5, 600
    larl %r6, over_copy
    lghi %r7, 600
    basr %r14, %r12
    lg %r14, LC_FREE+0x30
    br %r14

next_page_stub:
next_page_start:
    aghi %r2, 0
    sth %r9, 2(%r1)
    nopr
next_page_imm:
    aghi %r2, 0
    br %r14
next_page_end:

# ---------------------------------------------------------------------------
# %r1 to %r2 instruction, to %r3 the stub; %r4 offset of the store in the four AGHI, %r5
# alignment - 1 of the place stored to, %r6 setup.
try_stub:
    ENTER
    lgr %r13, %r3
    sgr %r13, %r1                       # stub's length
    sgr %r2, %r1                        # the instruction's
    larl %r7, stub
    stmg %r1, %r6, 0(%r7)
    stg %r13, 48(%r7)
    larl %r12, work
    lghi %r11, 33
1:  CALL try_place
    la %r12, 2(%r12)
    brctg %r11, 1b
    larl %r12, boundary-48
    lghi %r11, 28
2:  CALL try_place
    la %r12, 2(%r12)
    brctg %r11, 2b
    LEAVE

# The stub at %r12.
try_place:
    ENTER
    larl %r7, stub
    lg %r1, 0(%r7)
    lg %r13, 48(%r7)
    aghi %r13, -1
    exrl %r13, 9f
    lg %r10, 8(%r7)                     # the first AGHI
    agr %r10, %r12
    lg %r11, 24(%r7)
    agr %r11, %r10                      # where it stores
    lgr %r1, %r11
    ng %r1, 32(%r7)
    jnz 5f
    lghi %r9, 0
1:  lgr %r4, %r9                        # A72Bvvvv, four times, the numbers all different
    mghi %r4, 0x123
    nill %r4, 0x3fff
    llghr %r4, %r4
    lgr %r5, %r4
    aghi %r5, 0x111
    llilf %r1, AGHI_2<<16
    ogr %r4, %r1
    ogr %r5, %r1
    sllg %r0, %r4, 32
    ogr %r4, %r0
    aghi %r4, 0x22
    sllg %r0, %r5, 32
    ogr %r5, %r0
    aghi %r5, 0x33
    larl %r3, pattern
    stmg %r4, %r5, 0(%r3)
    lgr %r1, %r11
    ltgr %r9, %r9
    jnz 2f
    larl %r1, elsewhere                 # the first time
    mvc 0(16,%r1), 0(%r10)
2:  stmg %r9, %r12, LC_FREE+0xc0
    lg %r6, 40(%r7)
    basr %r14, %r6
    lg %r12, LC_FREE+0xd8
    lghi %r2, 0
    basr %r14, %r12
    lmg %r9, %r12, LC_FREE+0xc0
    lgh %r3, 2(%r10)                    # what should have been added
    .irp at, 6, 10, 14
    lgh %r1, \at(%r10)
    agr %r3, %r1
    .endr
    CALL group_check
    larl %r7, stub
    aghi %r9, 1
    cghi %r9, 4
    jl 1b
5:  LEAVE
9:  mvc 0(1,%r12), 0(%r1)

make_tables:
    ENTER
    larl %r1, segment_table
    lgr %r2, %r1
    lghi %r3, 2048
0:  mvghi 0(%r2), 0x20
    la %r2, 8(%r2)
    brctg %r3, 0b
    larl %r3, page_tables
    lghi %r5, 0
    lghi %r4, 16                        # 16 MiB one to one
1:  stg %r3, 0(%r1)
    lghi %r6, 256
2:  stg %r5, 0(%r3)
    la %r3, 8(%r3)
    aghi %r5, 4096
    brctg %r6, 2b
    la %r1, 8(%r1)
    brctg %r4, 1b
    larl %r3, page_table_1              # pages 0x700 and 0x701
    larl %r5, frame
    stg %r5, 0(%r3)
    stg %r5, 8(%r3)
    larl %r1, segment_table
    lghi %r2, 3
    ogr %r2, %r1
    stg %r2, LC_FREE
    LEAVE

.data
    .balign 16
mask:
    .rept 4
    .long 0xffff7f3f
    .endr
turn:
    .rept 4
    .long 0x00000155
    .endr
.bss
    .balign 4096
    .skip 4096
work:
    .skip 8192
boundary:
    .skip 4096
elsewhere:
    .skip 256
pattern:
    .skip 32
backwards:
    .skip 16
stub:
    .skip 64
table:
    .skip 256
over_copy:
    .skip 1024
    .balign 4096
frame:
    .skip 4096
frame2:
    .skip 4096
    .balign 16384
segment_table:
    .skip 16384
page_tables:
    .skip 2048*16
.equ page_table_1, page_tables+2048*7
.text
