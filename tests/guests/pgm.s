# Program interruptions: code, instruction length and old PSW of each kind, exactly,
# and what the failing instruction left behind; then SVC, MONITOR CALL and LPSWE.
# Principles of Operation, "Interruptions". What QEMU 7.2 fails is in README.md.
.include "rt.inc"

.equ LC_A, LC_FREE+0x80
.equ CR0_LOW_PROTECTION, 0x10000000
# How the old PSW's address lies to the instruction
.equ AFTER, 1                           # suppressed, terminated or completed
.equ AT, 0                              # nullified

# \insn must give \code with instruction length \length (bytes).
.macro PGM code, length, where, insn
    ON_PGM 9941f
9940:
    \insn
9942:
    lghi %r2, -1                        # no interruption at all
    lghi %r3, \code
    brasl %r14, group_check
    j 9943f
9941:
    .if \where
    larl %r3, 9942b
    .else
    larl %r3, 9940b
    .endif
    lghi %r4, \code
    lghi %r5, \length
    brasl %r14, check_pgm
9943:
.endm
# Program mask: fixed-point overflow interrupts. Changes %r1.
.macro OVERFLOW_ON
    llilf %r1, 0x08000000
    spm %r1
.endm
# In the problem state: a privileged-operation exception
.macro PRIVILEGED length, insn
    ON_PGM 9941f
    larl %r1, 9940f
    larl %r2, problem_psw
    stg %r1, 8(%r2)
    lpswe 0(%r2)
9940:
    \insn
9942:
    .long 0
9941:
    larl %r3, 9942b
    lghi %r4, 2
    lghi %r5, \length
    brasl %r14, check_pgm
.endm
# Loading PSW \mask, \address must fail at once: an early specification exception,
# with the PSW just loaded as the old one.
.macro EARLY mask, address
    ON_PGM 9941f
    lgrl %r4, 9944f
    lgrl %r5, 9945f
    larl %r1, loaded_psw
    stg %r4, 0(%r1)
    stg %r5, 8(%r1)
    lghi %r6, -1
    lpswe 0(%r1)
9941:
    ON_PGM unexpected_pgm
    llgh %r2, LC_PGM_CODE
    lghi %r3, 6
    brasl %r14, group_check
    lg %r2, LC_PGM_OLD
    lgr %r3, %r4
    brasl %r14, group_check
    lg %r2, LC_PGM_OLD+8
    lgr %r3, %r5
    brasl %r14, group_check
    .pushsection .data
    .balign 8
9944:
    .quad \mask
9945:
    .quad \address
    .popsection
.endm

main:
    BEGIN "operation"
    PGM 1, 2, AFTER, ".short 0"
    PGM 1, 4, AFTER, ".long 0xb2fe0000"
    PGM 1, 6, AFTER, ".short 0xe300, 0, 0x00ff"
    PGM 1, 6, AFTER, ".short 0xedff, 0, 0x00ff"
    END

    BEGIN "privileged"
    PRIVILEGED 4, "lpswe 0(%r2)"
    PRIVILEGED 4, "ssm 0(%r2)"
    PRIVILEGED 4, "stosm LC_A, 0"
    PRIVILEGED 4, "stnsm LC_A, 255"
    PRIVILEGED 6, "lctlg %c0, %c0, LC_FREE"
    PRIVILEGED 6, "stctg %c0, %c0, LC_FREE"
    PRIVILEGED 4, "spx LC_A"
    PRIVILEGED 4, "stpx LC_A"
    PRIVILEGED 4, "stap LC_A"
    PRIVILEGED 4, "stidp LC_A"
    PRIVILEGED 4, "sigp %r1, %r3, 1"
    PRIVILEGED 4, "lra %r4, 0(%r2)"
    PRIVILEGED 4, "sturg %r4, %r2"
    PRIVILEGED 4, "iske %r4, %r2"
    PRIVILEGED 4, ".insn rre, 0xb2200000, %r2, %r2"
    PRIVILEGED 4, "diag %r0, %r0, 0x44"
    PRIVILEGED 4, "stsi LC_A"
    # before the specification exception that the operand's address would give
    PRIVILEGED 4, "lpswe 1(%r2)"
    END

    BEGIN "privileged: old PSW says problem state"
    lg %r5, LC_PGM_OLD
    nihh %r5, 1
    srlg %r5, %r5, 48
    EXPECT %r5, 1
    END

    BEGIN "execute"
    larl %r7, 0f
    PGM 3, 4, AFTER, "ex %r0, 0(%r7)"
    PGM 3, 6, AFTER, "exrl %r0, 0f"
    j 1f
0:  ex %r0, 0(%r7)
1:  END

    # An exception of an execute's target: length and address are the execute's.
    BEGIN "exceptions below execute"
    larl %r7, 0f
    lghi %r6, -1
    PGM 1, 4, AFTER, "ex %r0, 0(%r7)"
    PGM 1, 6, AFTER, "exrl %r0, 0f"
    j 1f
0:  .short 0
1:  END

    BEGIN "low-address protection"
    lgrl %r4, cr0_std
    llilf %r5, CR0_LOW_PROTECTION
    ogr %r4, %r5
    lghi %r7, 0
    lay %r8, 4096
    .macro PROTECTED code, insn
    stg %r4, LC_FREE                    # 0x300: not protected
    ON_PGM 9941f
    lctlg %c0, %c0, LC_FREE
    \insn
    lghi %r6, 0
    j 9942f
9941:
    llgh %r6, LC_PGM_CODE
9942:
    lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    ON_PGM unexpected_pgm
    EXPECT %r6, \code
    .endm
    PROTECTED 4, "mvi 0x10, 0"
    PROTECTED 4, "mvi 511, 0"
    PROTECTED 0, "mvi 512, 0"
    PROTECTED 4, "stg %r7, 504"
    PROTECTED 4, "mvi 0(%r8), 0"
    PROTECTED 4, "mvi 511(%r8), 0"
    PROTECTED 0, "mvi 512(%r8), 0"
    PROTECTED 0, "lg %r6, 0x10"
    PROTECTED 4, "stpx 0x18"
    END

    BEGIN "addressing"
    llihl %r7, 0x1000                   # 2**44
    lghi %r4, 77
    PGM 5, 6, AFTER, "lg %r4, 0(%r7)"
    PGM 5, 4, AFTER, "l %r4, 0(%r7)"
    PGM 5, 6, AFTER, "stg %r4, 0(%r7)"
    PGM 5, 4, AFTER, "mvi 0(%r7), 1"
    PGM 5, 6, AFTER, "mvc 0(8,%r7), 0"
    PGM 5, 6, AFTER, "clc LC_A(8), 0(%r7)"
    PGM 5, 4, AFTER, "lpswe 0(%r7)"
    END

    BEGIN "operand not on its boundary"
    lghi %r7, 0x340
    lghi %r8, 0
    PGM 6, 4, AFTER, "lpswe 1(%r7)"
    PGM 6, 4, AFTER, "spx 2(%r7)"
    PGM 6, 6, AFTER, "lctlg %c0, %c0, 4(%r7)"
    PGM 6, 4, AFTER, "cs %r4, %r5, 2(%r7)"
    PGM 6, 6, AFTER, "csg %r4, %r5, 4(%r7)"
    PGM 6, 6, AFTER, "cdsg %r4, %r6, 8(%r7)"
    PGM 6, 4, AFTER, "cds %r4, %r6, 4(%r7)"
    PGM 6, 6, AFTER, "lpq %r4, 8(%r7)"
    PGM 6, 6, AFTER, "stpq %r4, 8(%r7)"
    END

    BEGIN "odd register of a pair"
    PGM 6, 2, AFTER, ".insn rr,0x1c00,%r5,%r6"  # MR %r5
    PGM 6, 2, AFTER, ".insn rr,0x1d00,%r5,%r6"  # DR %r5
    PGM 6, 4, AFTER, ".insn rre,0xb9860000,%r5,%r6"  # MLGR %r5
    PGM 6, 4, AFTER, ".insn rre,0xb90d0000,%r5,%r6"  # DSGR %r5
    PGM 6, 4, AFTER, ".insn rre,0xb9830000,%r5,%r6"  # FLOGR %r5
    PGM 6, 4, AFTER, ".insn rs,0xa8000000,%r5,%r8,0"  # MVCLE %r5
    PGM 6, 2, AFTER, ".insn rr,0x0e00,%r5,%r8"  # MVCL %r5
    PGM 6, 4, AFTER, ".insn rs,0x8f000000,%r5,%r0,1"  # SLDA %r5
    PGM 6, 6, AFTER, ".insn rxy,0xe3000000008f,%r5,0(%r7)"  # LPQ %r5
    END

    BEGIN "odd register of a pair, compare and swap"
    PGM 6, 6, AFTER, ".insn rsy,0xeb000000003e,%r5,%r6,0(%r7)"  # CDSG %r5
    PGM 6, 4, AFTER, ".insn rs,0xbb000000,%r5,%r6,0(%r7)"  # CDS %r5
    PGM 6, 6, AFTER, ".insn rsy,0xeb000000003e,%r4,%r7,0(%r7)"  # CDSG %r4, %r7
    END

    BEGIN "SRST and MVST with reserved bits"
    lghi %r0, 256                       # bits 32-55 of %r0 must be zero
    PGM 6, 4, AFTER, "srst %r4, %r6"
    PGM 6, 4, AFTER, "mvst %r4, %r6"
    lghi %r0, 0
    END

    BEGIN "relative operand not on its boundary"
    PGM 6, 6, AFTER, ".short 0xc44d, 0, 1"  # LRL: 2 bytes on
    END

    BEGIN "branch to an odd address"
    larl %r7, 0f
    aghi %r7, 1
    ON_PGM 0f
    br %r7
0:  ON_PGM unexpected_pgm
    llgh %r5, LC_PGM_CODE
    EXPECT %r5, 6
    lg %r2, LC_PGM_OLD+8                # behind the instruction, whose length code
    llgc %r5, LC_PGM_ILC+1              # is not defined
    sgr %r2, %r5
    lgr %r3, %r7
    CHECK
    END

    BEGIN "odd address of an execute's target"
    larl %r7, 0b
    aghi %r7, 1
    PGM 6, 4, AFTER, "ex %r0, 0(%r7)"
    END

    BEGIN "PSW checked when loaded"
    EARLY 0x8000000180000000, 0x2000        # unassigned bits
    EARLY 0x2000000180000000, 0x2000
    EARLY 0x00000001c0000000, 0x2000
    EARLY 0x0000000180000001, 0x2000
    EARLY 0x0000000100000000, 0x2000        # bits 31 and 32: 64-bit needs both
    EARLY 0x0000000080000000, 0x80000000    # an address beyond the mode's
    EARLY 0x0000000000000000, 0x1000000
    END

    BEGIN "PSW bit 12"
    EARLY 0x0008000180000000, 0x2000
    END

    BEGIN "short PSW"
    larl %r7, short_psw
    larl %r1, 0f
    oilh %r1, 0x8000
    st %r1, 4(%r7)                      # bit 32 of the doubleword: 31-bit mode
    lpsw 0(%r7)
0:  sam64
    cli 1(%r7), 0
    je 2f                               # loaded all the same
    ON_PGM 1f
    mvi 1(%r7), 0                       # bit 12 off
    lpsw 0(%r7)
2:  mvhhi LC_PGM_CODE, 0
1:  ON_PGM unexpected_pgm
    llgh %r5, LC_PGM_CODE
    EXPECT %r5, 6
    END

    BEGIN "SSM and STOSM check too"
    ON_PGM 0f
    mvhhi LC_PGM_CODE, 0
    stosm LC_A, 0x80
    stnsm LC_A, 0
0:  ON_PGM unexpected_pgm
    llgh %r5, LC_PGM_CODE
    EXPECT %r5, 6
    ON_PGM 0f
    mvhhi LC_PGM_CODE, 0
    mvi LC_A, 0x20
    ssm LC_A
    stnsm LC_A, 0
0:  ON_PGM unexpected_pgm
    llgh %r5, LC_PGM_CODE
    EXPECT %r5, 6
    END

    BEGIN "fixed-point overflow"
    llilf %r1, 0x08000000               # program mask: bit 20
    spm %r1
    lgfi %r4, 0x7fffffff
    lghi %r6, 1
    ON_PGM 0f
1:  ar %r4, %r6
0:  ON_PGM unexpected_pgm
    llgh %r5, LC_PGM_CODE
    EXPECT %r5, 8
    llgc %r5, LC_PGM_ILC+1
    EXPECT %r5, 2
    EXPECT %r4, 0x80000000              # completed
    lg %r5, LC_PGM_OLD
    srlg %r5, %r5, 40                   # condition code and program mask
    nill %r5, 0x3f
    EXPECT %r5, 0x38
    # each instruction that can overflow; completed, so the address is the next. Each
    # interruption has set the program mask to zero.
    lgrl %r6, most_negative
    OVERFLOW_ON
    PGM 8, 4, AFTER, "lcgr %r7, %r6"
    lghi %r7, 1
    OVERFLOW_ON
    PGM 8, 4, AFTER, "sgr %r7, %r6"
    lgrl %r6, most_negative
    OVERFLOW_ON
    PGM 8, 6, AFTER, "slag %r7, %r6, 1"
    lgrl %r7, most_negative
    OVERFLOW_ON
    PGM 8, 4, AFTER, "aghi %r7, -1"
    lgrl %r7, most_negative
    OVERFLOW_ON
    PGM 8, 6, AFTER, "agfi %r7, -1"
    larl %r8, most_negative
    OVERFLOW_ON
    PGM 8, 6, AFTER, "asi 0(%r8), -1"
    EXPECT %r7, 0x7fffffffffffffff
    lghi %r1, 0
    spm %r1
    lgfi %r4, 0x7fffffff
    aghi %r4, 0
    ahi %r4, 1                          # the mask off: only the condition code
    EXPECT_CC 3
    END

    BEGIN "fixed-point divide"
    lghi %r6, 0
    lghi %r7, 100
    lghi %r8, 0
    PGM 9, 2, AFTER, "dr %r6, %r8"
    PGM 9, 4, AFTER, "dsgr %r6, %r8"
    PGM 9, 4, AFTER, "dlgr %r6, %r8"
    PGM 9, 4, AFTER, "dlr %r6, %r8"
    lghi %r6, 5
    lghi %r8, 5
    PGM 9, 4, AFTER, "dlgr %r6, %r8"  # quotient beyond 64 bits
    PGM 9, 2, AFTER, "dr %r6, %r8"
    lgrl %r7, most_negative_2
    lghi %r8, -1
    PGM 9, 4, AFTER, "dsgr %r6, %r8"
    EXPECT %r6, 5                       # suppressed: nothing changed
    EXPECT %r7, 0x8000000000000000
    END

    BEGIN "data: compare and trap"
    lghi %r6, 1
    lghi %r7, 2
    cgrt %r6, %r7, 2                    # high: not so
    PGM 7, 4, AFTER, "cgrt %r6, %r7, 4"
    l %r5, LC_DXC
    llgfr %r5, %r5
    EXPECT %r5, 0xff
    PGM 7, 6, AFTER, "cgit %r6, 1, 8"
    END

    BEGIN "data: registers that need the AFP control"
    lghi %r1, 0
    stg %r1, LC_FREE
    ON_PGM 0f
    lctlg %c0, %c0, LC_FREE
    ldr %f1, %f2
0:  llgh %r4, LC_PGM_CODE
    l %r5, LC_DXC
    ON_PGM 0f
    adbr %f0, %f2
0:  llgh %r6, LC_PGM_CODE
    l %r7, LC_DXC
    ON_PGM unexpected_pgm
    lgrl %r1, cr0_std
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    llgfr %r5, %r5
    llgfr %r7, %r7
    EXPECT %r4, 7
    EXPECT %r5, 1                       # AFP register
    EXPECT %r6, 7
    EXPECT %r7, 2                       # BFP instruction
    END

    BEGIN "special operation"
    PGM 0x13, 4, AFTER, "sacf 0"  # address translation is off
    END

    BEGIN "supervisor call"
    larl %r1, 0f
    stg %r1, LC_SVC_NEW+8
    svc 0x2a
1:  lghi %r5, -1
0:  llgh %r5, LC_SVC_CODE
    EXPECT %r5, 0x2a
    llgc %r5, LC_SVC_ILC+1
    EXPECT %r5, 2
    lg %r2, LC_SVC_OLD+8
    larl %r3, 1b
    CHECK
    larl %r1, 0f
    stg %r1, LC_SVC_NEW+8
    lghi %r6, 0x55
    exrl %r6, 2f                        # the register's byte is OR-ed in
1:  lghi %r5, -1
2:  svc 0x02
0:  llgh %r5, LC_SVC_CODE
    EXPECT %r5, 0x57
    llgc %r5, LC_SVC_ILC+1
    EXPECT %r5, 6
    lg %r2, LC_SVC_OLD+8
    larl %r3, 1b
    CHECK
    larl %r1, unexpected_svc
    stg %r1, LC_SVC_NEW+8
    END

    BEGIN "monitor call"
    mc 0x123, 4                         # class 4 is off
    lghi %r1, 0x0800                    # class 4 on: bit 48+4 of control register 8
    stg %r1, LC_FREE
    lctlg %c8, %c8, LC_FREE
    mc 0x123, 5
    PGM 0x40, 4, AFTER, "mc 0x123, 4"
    llgh %r5, LC_MON_CLASS
    EXPECT %r5, 4
    lg %r5, LC_MON_CODE
    EXPECT %r5, 0x123
    PGM 6, 4, AFTER, "mc 0, 0x10"
    lghi %r1, 0
    stg %r1, LC_FREE
    lctlg %c8, %c8, LC_FREE
    END

    BEGIN "LPSWE sets everything"
    larl %r7, loaded_psw
    lgrl %r1, full_psw
    stg %r1, 0(%r7)
    larl %r1, 0f
    stg %r1, 8(%r7)
    lpswe 0(%r7)
0:  ipm %r6
    epsw %r9, %r8
    spka 0                              # with key 15 nothing here can be stored to
    llgfr %r6, %r6
    srlg %r6, %r6, 24
    EXPECT %r6, 0x26                    # condition code 2, program mask 6
    llgfr %r9, %r9
    EXPECT %r9, 0x00f02601
    llgfr %r8, %r8
    EXPECT %r8, 0x80000000
    larl %r1, 0f
    stg %r1, 8(%r7)
    lgrl %r1, psw_std
    stg %r1, 0(%r7)
    lpswe 0(%r7)
0:  END

    # Bits of an address that the mode ignores, and the links of each mode
    BEGIN "addressing modes"
    sam31
    larl %r7, 0f
    llihf %r8, 0xffffffff
    ogr %r7, %r8                        # bits 0-32 are ignored in 31-bit mode
    br %r7
    .long 0
0:  lghi %r6, 0
    basr %r6, %r0
1:  lghi %r8, 0
    larl %r8, 1b
    oilh %r8, 0x8000                    # the link: bit 32 on, bits 0-31 unchanged
    lgr %r5, %r6
    sam64
    lgr %r2, %r5
    lgr %r3, %r8
    CHECK
    sam31
    lghi %r4, -1
    la %r4, 0(%r4)
    sam64
    llgfr %r4, %r4
    EXPECT %r4, 0x7fffffff
    sam24
    tam
    ipm %r6
    sam31
    tam
    ipm %r7
    sam64
    tam
    ipm %r8
    srl %r6, 28
    srl %r7, 28
    srl %r8, 28
    llgfr %r6, %r6
    llgfr %r7, %r7
    llgfr %r8, %r8
    EXPECT %r6, 0
    EXPECT %r7, 1
    EXPECT %r8, 3
    END

    BEGIN "breaking event address"
    ON_PGM 1f
    larl %r7, 0f
2:  br %r7
    nopr
0:  nopr
    .short 0
1:  lg %r2, 0x110
    larl %r3, 2b
    CHECK
    ON_PGM unexpected_pgm
    END

    jg finish

# Checks the interruption just taken: %r3 = old PSW's address, %r4 = code,
# %r5 = length of the instruction.
check_pgm:
    ENTER
    lgr %r7, %r3
    ON_PGM unexpected_pgm
    llgh %r2, LC_PGM_CODE
    lgr %r3, %r4
    CALL group_check
    llgc %r2, LC_PGM_ILC+1
    lgr %r3, %r5
    CALL group_check
    lg %r2, LC_PGM_OLD+8
    lgr %r3, %r7
    CALL group_check
    LEAVE

.data
    .balign 16
problem_psw:
    .quad 0x0001000180000000, 0
loaded_psw:
    .quad 0, 0
full_psw:
    .quad 0x00f0260180000000            # key 15, condition code 2, program mask 6
short_psw:
    .long 0x00080000, 0
most_negative:
    .quad 0x8000000000000000
most_negative_2:
    .quad 0x8000000000000000
