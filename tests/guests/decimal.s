# Packed decimal arithmetic, editing, and PERFORM LOCKED OPERATION: little used, and
# hard to find elsewhere (QEMU 7.2's translation has hardly any of them, so here the
# expectations rest on the Principles of Operation alone). An instruction that is
# missing fails its group; the others go on.
.include "rt.inc"

.equ LC_A, LC_FREE+0x80

.macro GROUP name
    BEGIN "\name"
    larl %r12, area
    xc 0(64,%r12), 0(%r12)
    lghi %r1, 0
    spm %r1
    ON_PGM 9900f
.endm
.macro GROUP_END
    j 9901f
9900:
    llgh %r5, LC_PGM_CODE               # whatever it was, it should not be
    EXPECT %r5, 0
9901:
    ON_PGM unexpected_pgm
    END
.endm
# \bytes at \offset of the area. Changes %r1.
.macro PUT offset, bytes:vararg
    larl %r1, 9902f
    mvc \offset(9903f-9902f,%r12), 0(%r1)
    .pushsection .rodata
    .balign 2
9902:
    .byte \bytes
9903:
    .popsection
.endm
.macro HOLDS offset, bytes:vararg
    larl %r1, 9902f
    clc \offset(9903f-9902f,%r12), 0(%r1)
    EXPECT_CC 0
    .pushsection .rodata
    .balign 2
9902:
    .byte \bytes
9903:
    .popsection
.endm
# \insn must give \code; the group goes on.
.macro PGM code, insn
    ON_PGM 9904f
    mvhhi LC_PGM_CODE, 0
    \insn
9904:
    ON_PGM 9900f
    llgh %r5, LC_PGM_CODE
    EXPECT %r5, \code
.endm

main:
    GROUP "AP"
    PUT 0, 0x01, 0x23, 0x4c
    PUT 8, 0x06, 0x6c
    ap 0(3,%r12), 8(2,%r12)
    EXPECT_CC 2
    HOLDS 0, 0x01, 0x30, 0x0c
    PUT 0, 0x01, 0x23, 0x4d
    ap 0(3,%r12), 8(2,%r12)
    EXPECT_CC 1
    HOLDS 0, 0x01, 0x16, 0x8d
    PUT 0, 0x5c
    PUT 8, 0x5d
    ap 0(1,%r12), 8(1,%r12)
    EXPECT_CC 0
    HOLDS 0, 0x0c
    PUT 0, 0x99, 0x9c
    PUT 8, 0x2c
    ap 0(2,%r12), 8(1,%r12)
    EXPECT_CC 3
    HOLDS 0, 0x00, 0x1c
    PUT 0, 0x12, 0x3a                   # other codes for plus are taken, not made
    PUT 8, 0x1f
    ap 0(2,%r12), 8(1,%r12)
    EXPECT_CC 2
    HOLDS 0, 0x12, 0x4c
    GROUP_END

    GROUP "SP"
    PUT 0, 0x01, 0x00, 0x0c
    PUT 8, 0x01, 0x00, 0x1c
    sp 0(3,%r12), 8(3,%r12)
    EXPECT_CC 1
    HOLDS 0, 0x00, 0x00, 0x1d
    sp 0(3,%r12), 0(3,%r12)
    EXPECT_CC 0
    HOLDS 0, 0x00, 0x00, 0x0c
    GROUP_END

    GROUP "ZAP"
    PUT 8, 0x01, 0x23, 0x4f
    zap 0(4,%r12), 8(3,%r12)
    EXPECT_CC 2
    HOLDS 0, 0x00, 0x01, 0x23, 0x4c
    PUT 8, 0x00, 0x0d
    zap 0(4,%r12), 8(2,%r12)
    EXPECT_CC 0
    HOLDS 0, 0x00, 0x00, 0x00, 0x0c
    PUT 8, 0x12, 0x34, 0x5d
    zap 0(2,%r12), 8(3,%r12)
    EXPECT_CC 3
    HOLDS 0, 0x34, 0x5d
    GROUP_END

    GROUP "CP"
    PUT 0, 0x00, 0x12, 0x3c
    PUT 8, 0x12, 0x3f
    cp 0(3,%r12), 8(2,%r12)
    EXPECT_CC 0
    PUT 8, 0x12, 0x4c
    cp 0(3,%r12), 8(2,%r12)
    EXPECT_CC 1
    PUT 8, 0x12, 0x4d
    cp 0(3,%r12), 8(2,%r12)
    EXPECT_CC 2
    PUT 0, 0x0c
    PUT 8, 0x0d
    cp 0(1,%r12), 8(1,%r12)
    EXPECT_CC 0
    GROUP_END

    GROUP "MP"
    PUT 0, 0x00, 0x00, 0x12, 0x3c
    PUT 8, 0x04, 0x5d
    mp 0(4,%r12), 8(2,%r12)
    HOLDS 0, 0x00, 0x05, 0x53, 0x5d
    PUT 0, 0x00, 0x12, 0x34, 0x5c       # not as many zeros as the multiplier is long
    PGM 7, "mp 0(4,%r12), 8(2,%r12)"
    GROUP_END

    GROUP "DP"
    PUT 0, 0x00, 0x12, 0x34, 0x5c
    PUT 8, 0x7c
    dp 0(4,%r12), 8(1,%r12)
    HOLDS 0, 0x01, 0x76, 0x3c, 0x4c
    PUT 0, 0x00, 0x12, 0x34, 0x5d
    dp 0(4,%r12), 8(1,%r12)
    HOLDS 0, 0x01, 0x76, 0x3d, 0x4d
    PUT 0, 0x00, 0x12, 0x34, 0x5d
    PUT 8, 0x0c
    PGM 0x0b, "dp 0(4,%r12), 8(1,%r12)"
    GROUP_END

    GROUP "SRP"
    PUT 0, 0x00, 0x12, 0x34, 0x5c
    srp 0(4,%r12), 62, 5                # two to the right, rounded
    EXPECT_CC 2
    HOLDS 0, 0x00, 0x00, 0x12, 0x3c
    PUT 0, 0x00, 0x12, 0x35, 0x5d
    srp 0(4,%r12), 63, 5
    EXPECT_CC 1
    HOLDS 0, 0x00, 0x01, 0x23, 0x6d
    srp 0(4,%r12), 2, 0                 # two to the left
    EXPECT_CC 1
    HOLDS 0, 0x01, 0x23, 0x60, 0x0d
    srp 0(4,%r12), 3, 0
    EXPECT_CC 3
    GROUP_END

    GROUP "ED"
    PUT 0, 0x40, 0x20, 0x20, 0x20, 0x21, 0x20, 0x60
    PUT 16, 0x01, 0x23, 0x4c
    ed 0(7,%r12), 16(%r12)
    EXPECT_CC 2
    HOLDS 0, 0x40, 0x40, 0xf1, 0xf2, 0xf3, 0xf4, 0x40
    PUT 0, 0x40, 0x20, 0x20, 0x20, 0x21, 0x20, 0x60
    PUT 16, 0x00, 0x00, 0x0c
    ed 0(7,%r12), 16(%r12)
    EXPECT_CC 0
    HOLDS 0, 0x40, 0x40, 0x40, 0x40, 0x40, 0xf0, 0x40
    PUT 0, 0x5c, 0x20, 0x6b, 0x20, 0x20, 0x21, 0x20, 0x60
    PUT 16, 0x01, 0x23, 0x4d
    ed 0(8,%r12), 16(%r12)
    EXPECT_CC 1
    HOLDS 0, 0x5c, 0x5c, 0x5c, 0xf1, 0xf2, 0xf3, 0xf4, 0x60
    GROUP_END

    GROUP "EDMK"
    PUT 0, 0x40, 0x20, 0x20, 0x20, 0x21, 0x20
    PUT 16, 0x01, 0x23, 0x4c
    lghi %r1, 0
    edmk 0(6,%r12), 16(%r12)
    sgr %r1, %r12
    lgr %r6, %r1
    EXPECT %r6, 2                       # where the first digit went
    HOLDS 0, 0x40, 0x40, 0xf1, 0xf2, 0xf3, 0xf4
    GROUP_END

    GROUP "TP"
    PUT 0, 0x01, 0x23, 0x4c
    tp 0(3,%r12)
    EXPECT_CC 0
    mvi 2(%r12), 0x44
    tp 0(3,%r12)
    EXPECT_CC 1
    mvi 0(%r12), 0xa1
    tp 0(3,%r12)
    EXPECT_CC 3
    mvi 2(%r12), 0x4c
    tp 0(3,%r12)
    EXPECT_CC 2
    GROUP_END

    GROUP "invalid digits and signs"
    PUT 0, 0x01, 0xa3, 0x4c
    PUT 8, 0x1c
    PGM 7, "ap 0(3,%r12), 8(1,%r12)"
    l %r5, LC_DXC
    llgfr %r5, %r5
    EXPECT %r5, 0
    PUT 0, 0x01, 0x23, 0x45
    PGM 7, "cp 0(3,%r12), 8(1,%r12)"
    PGM 7, "cvb %r7, 0(%r12)"
    GROUP_END

    GROUP "decimal overflow"
    PUT 0, 0x99, 0x9c
    PUT 8, 0x2c
    llilf %r6, 0x04000000               # program mask: bit 21
    spm %r6
    PGM 0x0a, "ap 0(2,%r12), 8(1,%r12)"
    HOLDS 0, 0x00, 0x1c                 # completed
    lghi %r6, 0
    spm %r6
    GROUP_END

    GROUP "CVDG and CVBG"
    lgrl %r5, long_number
    cvdg %r5, 0(%r12)
    lg %r6, 0(%r12)
    EXPECT %r6, 0x0000000000001234
    lg %r6, 8(%r12)
    EXPECT %r6, 0x567890123456789c
    cvbg %r6, 0(%r12)
    EXPECT %r6, 1234567890123456789
    lgrl %r5, lowest_number
    cvdg %r5, 0(%r12)
    lg %r6, 8(%r12)
    EXPECT %r6, 0x372036854775808d
    cvbg %r6, 0(%r12)
    EXPECT %r6, 0x8000000000000000
    GROUP_END

    GROUP "MVN, MVZ, MVO"
    PUT 0, 0x12, 0x12, 0x77, 0x88, 0x9c
    PUT 8, 0x34, 0x34, 0x12, 0x34
    mvn 0(1,%r12), 8(%r12)
    mvz 1(1,%r12), 9(%r12)
    mvo 2(3,%r12), 10(2,%r12)
    HOLDS 0, 0x14, 0x32, 0x01, 0x23, 0x4c
    GROUP_END

    GROUP "UNPK"
    PUT 0, 0x12, 0x34, 0x56, 0x7d
    unpk 8(8,%r12), 0(4,%r12)
    HOLDS 8, 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xd7
    unpk 16(3,%r12), 0(4,%r12)          # the left digits are dropped
    HOLDS 16, 0xf5, 0xf6, 0xd7
    GROUP_END

    GROUP "PLO"
    mvhi 0(%r12), 42
    mvhi 4(%r12), 77
    lghi %r0, 0x100                     # is function 0 there?
    lghi %r1, 0
    plo %r4, 0(%r12), %r6, 4(%r12)
    EXPECT_CC 0
    lghi %r0, 0                         # compare and load
    larl %r1, lock
    lghi %r4, 42
    lghi %r6, 0
    plo %r4, 0(%r12), %r6, 4(%r12)
    EXPECT_CC 0
    EXPECT %r6, 77
    lghi %r0, 0
    larl %r1, lock
    lghi %r4, 41
    plo %r4, 0(%r12), %r6, 4(%r12)
    EXPECT_CC 1
    EXPECT %r4, 42
    lghi %r0, 4                         # compare and swap
    larl %r1, lock
    lghi %r5, 43
    plo %r4, 0(%r12), %r0, 0
    EXPECT_CC 0
    llgf %r6, 0(%r12)
    EXPECT %r6, 43
    lghi %r0, 8                         # double compare and swap
    larl %r1, lock
    lghi %r4, 43
    lghi %r5, 1
    lghi %r6, 76
    lghi %r7, 2
    plo %r4, 0(%r12), %r6, 4(%r12)
    EXPECT_CC 2                         # the second pair differs
    EXPECT %r6, 77
    lghi %r0, 8
    larl %r1, lock
    plo %r4, 0(%r12), %r6, 4(%r12)
    EXPECT_CC 0
    lg %r6, 0(%r12)
    EXPECT %r6, 0x0000000100000002
    GROUP_END

    jg finish

.data
    .balign 8
long_number:
    .quad 1234567890123456789
lowest_number:
    .quad 0x8000000000000000
.bss
    .balign 8
area:
    .skip 64
lock:
    .skip 8
