# Instructions that work on storage or on several registers: moves (overlapping
# too), comparisons, translation, checksum, atomic updates, execute, loops and
# branches, decimal conversion.
.include "rt.inc"


# An address that may be odd, which LARL cannot reach. Not for %r0.
.macro ADDRESS reg, base, offset=0
    larl \reg, \base
    lay \reg, \offset(\reg)
.endm
# Checks that \length bytes at \at are as wanted. Changes %r0, %r2, %r3.
.macro STORAGE at, length, wanted:vararg
    ADDRESS %r2, \at
    lghi %r3, \length
    larl %r0, 9950f
    brasl %r14, same
    .pushsection .rodata
    .balign 2
9950:
    .ascii \wanted
    .popsection
.endm
# buffer := alphabet
.macro FRESH
    larl %r1, alphabet
    larl %r12, buffer
    mvc 0(64,%r12), 0(%r1)
.endm

main:
    BEGIN "MVC"
    FRESH
    mvc 4(8,%r12), 20(%r12)
    STORAGE buffer, 16, "abcduvwxyzABmnop"
    FRESH
    mvi 0(%r12), '*'
    mvc 1(15,%r12), 0(%r12)             # byte by byte: the first one spreads
    STORAGE buffer, 18, "****************qr"
    FRESH
    mvc 3(12,%r12), 0(%r12)             # a pattern of three spreads
    STORAGE buffer, 18, "abcabcabcabcabcpqr"
    FRESH
    mvc 0(12,%r12), 3(%r12)             # downwards: an ordinary move
    STORAGE buffer, 18, "defghijklmnomnopqr"
    FRESH
    mvc 8(16,%r12), 0(%r12)             # by eight
    STORAGE buffer, 26, "abcdefghabcdefghabcdefghyz"
    mvc 0(1,%r12), 1(%r12)
    STORAGE buffer, 2, "bb"
    END

    BEGIN "MVC across pages"
    ADDRESS %r12, page, +4096-5
    larl %r1, alphabet
    mvc 0(26,%r12), 0(%r1)
    mvc 1(10,%r12), 0(%r12)
    STORAGE "page, 4096-5", 13, "aaaaaaaaaaalm"
    END

    BEGIN "MVCIN"
    FRESH
    ADDRESS %r1, alphabet, +9
    mvcin 2(8,%r12), 0(%r1)
    STORAGE buffer, 12, "abjihgfedckl"
    END

    BEGIN "MVI, NC, OC, XC"
    FRESH
    larl %r1, spaces
    oc 0(4,%r12), 0(%r1)                # 'a' | ' ' = 'a'
    EXPECT_CC 1
    STORAGE buffer, 4, "abcd"
    xc 0(4,%r12), 0(%r1)
    EXPECT_CC 1
    STORAGE buffer, 5, "ABCDe"
    xc 0(4,%r12), 0(%r12)
    EXPECT_CC 0
    nc 4(4,%r12), 0(%r12)
    EXPECT_CC 0
    lg %r5, 0(%r12)
    EXPECT %r5, 0
    FRESH
    xc 1(8,%r12), 0(%r12)               # byte by byte, each with the one just made
    STORAGE buffer, 4, "a\003`\004"
    END

    BEGIN "CLC"
    FRESH
    larl %r1, alphabet
    clc 0(64,%r12), 0(%r1)
    EXPECT_CC 0
    mvi 40(%r12), 0
    clc 0(64,%r12), 0(%r1)
    EXPECT_CC 1
    clc 0(64,%r1), 0(%r12)
    EXPECT_CC 2
    clc 0(40,%r1), 0(%r12)
    EXPECT_CC 0
    mvi 40(%r12), 0xff                  # unsigned
    clc 40(1,%r12), 40(%r1)
    EXPECT_CC 2
    END

    BEGIN "CLI, TM, immediate to storage"
    FRESH
    cli 0(%r12), 'a'
    EXPECT_CC 0
    cli 0(%r12), 'b'
    EXPECT_CC 1
    cliy 0(%r12), 'A'
    EXPECT_CC 2
    mvi 0(%r12), 0x5a
    tm 0(%r12), 0x5a
    EXPECT_CC 3
    tm 0(%r12), 0xa5
    EXPECT_CC 0
    tmy 0(%r12), 0x0f
    EXPECT_CC 1
    ni 0(%r12), 0xf0
    EXPECT_CC 1
    oi 0(%r12), 0x00
    EXPECT_CC 1
    xi 0(%r12), 0x50
    EXPECT_CC 0
    mvhhi 0(%r12), -2
    chhsi 0(%r12), -2
    EXPECT_CC 0
    clhhsi 0(%r12), 0xffff
    EXPECT_CC 1
    mvhi 0(%r12), -3
    chsi 0(%r12), 5
    EXPECT_CC 1
    clfhsi 0(%r12), 5
    EXPECT_CC 2
    mvghi 0(%r12), -4
    cghsi 0(%r12), -5
    EXPECT_CC 2
    clghsi 0(%r12), 0xffff
    EXPECT_CC 2
    agsi 0(%r12), 4
    EXPECT_CC 0
    asi 0(%r12), -1
    EXPECT_CC 1
    algsi 0(%r12), -1
    EXPECT_CC 3
    lg %r5, 0(%r12)
    EXPECT %r5, 0xfffffffeffffffff
    END

    BEGIN "MVCL"
    FRESH
    larl %r4, buffer
    lghi %r5, 20
    larl %r6, alphabet
    llilf %r7, '#'<<24 | 12
    mvcl %r4, %r6
    EXPECT_CC 2                         # the first operand is longer
    STORAGE buffer, 22, "abcdefghijkl########uv"
    ADDRESS %r1, buffer, 20
    sgr %r4, %r1
    EXPECT %r4, 0
    EXPECT %r5, 0
    EXPECT %r7, 0x23000000
    FRESH
    ADDRESS %r4, buffer, +2
    lghi %r5, 10
    larl %r6, buffer                    # destructive overlap: nothing moves
    lghi %r7, 10
    mvcl %r4, %r6
    EXPECT_CC 3
    EXPECT %r5, 10
    STORAGE buffer, 12, "abcdefghijkl"
    END

    BEGIN "MVCLE"
    larl %r4, page
    lgfi %r5, 9000
    larl %r6, alphabet
    lghi %r7, 3
0:  mvcle %r4, %r6, '.'
    jo 0b                               # a CPU-determined number of bytes at a time
    EXPECT_CC 2
    ADDRESS %r1, page, +9000
    sgr %r4, %r1
    EXPECT %r4, 0
    EXPECT %r5, 0
    EXPECT %r7, 0
    STORAGE page, 8, "abc....."
    STORAGE "page, 8996", 6, "....\0\0"
    larl %r4, buffer
    lghi %r5, 5
    larl %r6, alphabet
    lghi %r7, 9
    mvcle %r4, %r6, 0
    EXPECT_CC 1                         # the first operand is shorter
    EXPECT %r5, 0
    EXPECT %r7, 4
    ADDRESS %r1, alphabet, +5
    sgr %r6, %r1
    EXPECT %r6, 0
    END

    BEGIN "CLCLE"
    larl %r4, alphabet
    lghi %r5, 8
    larl %r6, alphabet
    lghi %r7, 8
    clcle %r4, %r6, 0
    EXPECT_CC 0
    FRESH
    mvi 6(%r12), 'z'
    larl %r4, alphabet
    lghi %r5, 8
    larl %r6, buffer
    lghi %r7, 8
    clcle %r4, %r6, 0
    EXPECT_CC 1
    EXPECT %r5, 2
    ADDRESS %r1, alphabet, +6
    sgr %r4, %r1
    EXPECT %r4, 0
    mvi 6(%r12), ' '
    larl %r4, buffer                    # shorter, but the padding makes it equal...
    lghi %r5, 6
    larl %r6, buffer
    lghi %r7, 7
    clcle %r4, %r6, ' '
    EXPECT_CC 0
    larl %r4, buffer                    # ...and here not
    lghi %r5, 6
    larl %r6, buffer
    lghi %r7, 8
    clcle %r4, %r6, ' '
    EXPECT_CC 1
    END

    BEGIN "CLCL"
    larl %r4, alphabet
    lghi %r5, 10
    larl %r6, alphabet
    lghi %r7, 10
    clcl %r4, %r6
    EXPECT_CC 0
    END

    BEGIN "CLST, MVST, SRST"
    larl %r4, string_a
    larl %r6, string_b
    lghi %r0, 0
0:  clst %r4, %r6
    jo 0b
    EXPECT_CC 1
    ADDRESS %r1, string_a, +5
    sgr %r4, %r1
    EXPECT %r4, 0
    larl %r4, string_a
    larl %r6, string_a
0:  clst %r4, %r6
    jo 0b
    EXPECT_CC 0
    FRESH
    larl %r4, buffer
    larl %r6, string_a
0:  mvst %r4, %r6
    jo 0b
    EXPECT_CC 1
    ADDRESS %r1, buffer, +6
    sgr %r4, %r1
    EXPECT %r4, 0                       # where the ending zero went
    STORAGE buffer, 8, "string\0h"
    lghi %r0, 'm'
    larl %r6, alphabet
    ADDRESS %r4, alphabet, +26
0:  srst %r4, %r6
    jo 0b
    EXPECT_CC 1
    ADDRESS %r1, alphabet, +12
    sgr %r4, %r1
    EXPECT %r4, 0
    larl %r6, alphabet
    ADDRESS %r4, alphabet, +12
0:  srst %r4, %r6
    jo 0b
    EXPECT_CC 2                         # the end came first
    END

    BEGIN "TR, TRT, TRTR"
    larl %r4, table
    lghi %r5, 0                         # table: each byte plus one
0:  la %r6, 1(%r5)
    stc %r6, 0(%r5,%r4)
    aghi %r5, 1
    cghi %r5, 256
    jl 0b
    FRESH
    tr 0(10,%r12), 0(%r4)
    STORAGE buffer, 12, "bcdefghijkkl"
    larl %r4, zeros
    mvi 'e'(%r4), 7
    mvi 'h'(%r4), 9
    FRESH
    llihf %r1, 0x12345678
    lghi %r2, -1
    trt 0(26,%r12), 0(%r4)
    ipm %r7
    lgr %r6, %r1
    lgr %r5, %r2
    srl %r7, 28
    llgfr %r7, %r7
    EXPECT %r7, 1
    EXPECT %r5, 0xffffffffffffff07      # only the lowest byte is replaced
    ADDRESS %r1, buffer, +4
    sgr %r6, %r1
    EXPECT %r6, 0
    trt 0(4,%r12), 0(%r4)
    EXPECT_CC 0
    trt 0(8,%r12), 0(%r4)
    EXPECT_CC 1
    trt 7(1,%r12), 0(%r4)
    EXPECT_CC 2                         # found in the last byte
    la %r6, 25(%r12)
    lghi %r1, 0
    trtr 0(26,%r6), 0(%r4)              # from right to left: h comes first
    EXPECT_CC 1
    la %r6, 7(%r12)
    sgr %r1, %r6
    lgr %r6, %r1
    EXPECT %r6, 0
    mvi 'e'(%r4), 0
    mvi 'h'(%r4), 0
    END

    BEGIN "CKSM"
    lghi %r4, 0
    larl %r6, alphabet
    lghi %r7, 26
0:  cksm %r4, %r6
    jo 0b
    EXPECT_CC 0
    llgfr %r4, %r4
    EXPECT %r4, 0xfe049096
    EXPECT %r7, 0
    llilf %r4, 0xffffffff
    larl %r6, alphabet
    lghi %r7, 3
0:  cksm %r4, %r6
    jo 0b
    llgfr %r4, %r4
    EXPECT %r4, 0x61626300              # all ones and a carry
    END

    BEGIN "CS, CDS, CSG, CDSG"
    larl %r12, quads
    mvghi 0(%r12), 5
    mvghi 8(%r12), 6
    lghi %r4, 5
    lghi %r5, 7
    csg %r4, %r5, 0(%r12)
    EXPECT_CC 0
    lg %r6, 0(%r12)
    EXPECT %r6, 7
    lghi %r4, 5
    csg %r4, %r5, 8(%r12)
    EXPECT_CC 1
    EXPECT %r4, 6                       # what was there
    lghi %r4, 7
    lghi %r5, 6
    lghi %r6, 100
    lghi %r7, 101
    cdsg %r4, %r6, 0(%r12)
    EXPECT_CC 0
    lmg %r8, %r9, 0(%r12)
    EXPECT %r8, 100
    EXPECT %r9, 101
    lghi %r4, 7
    lghi %r5, 6
    cdsg %r4, %r6, 0(%r12)
    ipm %r10
    srl %r10, 28
    llgfr %r10, %r10
    lgr %r11, %r4
    lgr %r9, %r5
    EXPECT %r10, 1
    EXPECT %r11, 100
    EXPECT %r9, 101
    llihf %r4, 0xabcd
    oill %r4, 100
    lghi %r5, 200
    cs %r4, %r5, 4(%r12)
    EXPECT_CC 0
    lg %r6, 0(%r12)
    EXPECT %r6, 200
    csy %r4, %r5, 4(%r12)
    EXPECT_CC 1
    lgr %r6, %r4
    srlg %r7, %r6, 32
    EXPECT %r7, 0xabcd                  # the upper half stays
    llgfr %r6, %r6
    EXPECT %r6, 200
    lghi %r4, 0
    lghi %r5, 101
    lghi %r6, 1
    lghi %r7, 2
    cds %r4, %r6, 8(%r12)
    EXPECT_CC 0
    lg %r6, 8(%r12)
    EXPECT %r6, 0x0000000100000002
    END

    BEGIN "LAA and its kind"
    larl %r12, quads
    mvghi 0(%r12), 10
    lghi %r5, 5
    laag %r4, %r5, 0(%r12)
    EXPECT_CC 2
    EXPECT %r4, 10
    lghi %r5, -15
    laag %r4, %r5, 0(%r12)
    EXPECT_CC 0
    lghi %r5, -1
    laag %r4, %r5, 0(%r12)
    EXPECT_CC 1
    lghi %r5, 1
    laalg %r4, %r5, 0(%r12)
    EXPECT_CC 2                         # zero, with a carry
    EXPECT %r4, -1
    llilf %r5, 0xf0f0
    laog %r4, %r5, 0(%r12)
    EXPECT_CC 1
    llilf %r5, 0xff00
    lang %r4, %r5, 0(%r12)
    EXPECT_CC 1
    EXPECT %r4, 0xf0f0
    llilf %r5, 0xf000
    laxg %r4, %r5, 0(%r12)
    EXPECT_CC 0
    EXPECT %r4, 0xf000
    lgfi %r5, 0x7fffffff
    laa %r4, %r5, 4(%r12)
    lghi %r5, 1
    laa %r4, %r5, 4(%r12)
    EXPECT_CC 3
    lan %r4, %r5, 4(%r12)
    EXPECT_CC 0
    lg %r6, 0(%r12)
    EXPECT %r6, 0
    END

    BEGIN "EX and EXRL"
    FRESH
    ADDRESS %r1, alphabet, +10
    lghi %r5, 4                         # length code 4: five bytes
    exrl %r5, 8f
    STORAGE buffer, 7, "klmnofg"
    larl %r7, 8f
    FRESH
    ADDRESS %r1, alphabet, +20
    lghi %r5, 1
    ex %r5, 0(%r7)
    STORAGE buffer, 4, "uvcd"
    FRESH
    ADDRESS %r1, alphabet, 20
    ex %r0, 0(%r7)                      # register 0: nothing is OR-ed in
    STORAGE buffer, 3, "ubc"
    lghi %r5, 0x45
    lghi %r4, 1
    lghi %r6, 10
    exrl %r5, 9f                        # AR %r0,%r0 becomes AR %r4,%r5... of %r5 = 0x45
    llgfr %r4, %r4
    EXPECT %r4, 0x46
    j 1f
8:  mvc 0(1,%r12), 0(%r1)
9:  ar %r0, %r0
1:  END

    # A branch below execute is relative to the target, and the link is the
    # execute's.
    BEGIN "branches below execute"
    larl %r7, 8f
    exrl %r0, 8f
    lghi %r5, 1
    j 2f
8:  j 9f
    lghi %r5, 2
    j 2f
9:  lghi %r5, 3
2:  EXPECT %r5, 3
    exrl %r0, 8f
1:  lghi %r5, -1
    j 2f
8:  bras %r6, 9f
    lghi %r5, -2
    j 2f
9:  larl %r5, 1b
    sgr %r5, %r6
2:  EXPECT %r5, 0
    END

    BEGIN "LM, STM and their kind"
    larl %r12, quads
    lghi %r6, 1
    lghi %r7, 2
    lghi %r8, 3
    stmg %r6, %r8, 0(%r12)
    lmg %r8, %r10, 0(%r12)
    EXPECT %r8, 1
    EXPECT %r9, 2
    EXPECT %r10, 3
    llihf %r6, 7
    llihf %r7, 8
    lm %r6, %r7, 12(%r12)               # upper halves stay
    EXPECT %r6, 0x0000000700000002
    EXPECT %r7, 0x0000000800000000
    lmh %r6, %r7, 0(%r12)
    EXPECT %r6, 0x0000000000000002
    EXPECT %r7, 0x0000000100000000
    stm %r6, %r7, 0(%r12)
    lg %r5, 0(%r12)
    EXPECT %r5, 0x0000000200000000
    END

    BEGIN "STMH"
    stmh %r6, %r7, 8(%r12)
    lg %r5, 8(%r12)
    EXPECT %r5, 0x0000000000000001
    END

    BEGIN "STC, STH, ST, STCM, STRV, STOC"
    larl %r12, quads
    mvghi 0(%r12), -1
    mvghi 8(%r12), -1
    lgrl %r5, pattern
    stc %r5, 1(%r12)
    sth %r5, 2(%r12)
    st %r5, 4(%r12)
    lg %r6, 0(%r12)
    EXPECT %r6, 0xffefcdef89abcdef
    stcm %r5, 10, 8(%r12)
    stcmh %r5, 5, 10(%r12)
    strvh %r5, 12(%r12)
    lg %r6, 8(%r12)
    EXPECT %r6, 0x89cd2367efcdffff
    strv %r5, 8(%r12)
    lg %r6, 8(%r12)
    EXPECT %r6, 0xefcdab89efcdffff
    strvg %r5, 0(%r12)
    lg %r6, 0(%r12)
    EXPECT %r6, 0xefcdab8967452301
    lghi %r7, 1
    cghi %r7, 1
    stocg %r5, 0(%r12), 7               # not so: nothing is stored
    stoc %r5, 8(%r12), 8
    lg %r6, 0(%r12)
    EXPECT %r6, 0xefcdab8967452301
    lg %r6, 8(%r12)
    EXPECT %r6, 0x89abcdefefcdffff
    END

    BEGIN "not aligned"
    ADDRESS %r12, page, +4096-3              # across pages
    lgrl %r5, pattern
    stg %r5, 0(%r12)
    lg %r6, 0(%r12)
    EXPECT %r6, 0x0123456789abcdef
    l %r6, 1(%r12)
    llgfr %r6, %r6
    EXPECT %r6, 0x23456789
    lh %r6, 2(%r12)
    lghr %r6, %r6
    EXPECT %r6, 0x4567
    lrvg %r6, 0(%r12)
    EXPECT %r6, 0xefcdab8967452301
    stmg %r5, %r6, 1(%r12)
    lmg %r8, %r9, 1(%r12)
    EXPECT %r8, 0x0123456789abcdef
    EXPECT %r9, 0xefcdab8967452301
    END

    BEGIN "relative loads and stores"
    lgrl %r5, pattern
    EXPECT %r5, 0x0123456789abcdef
    lrl %r5, pattern+4
    lgfrl %r6, pattern+4
    llgfrl %r7, pattern+4
    lghrl %r8, pattern+6
    llghrl %r9, pattern+6
    EXPECT %r6, 0xffffffff89abcdef
    EXPECT %r7, 0x89abcdef
    EXPECT %r8, 0xffffffffffffcdef
    EXPECT %r9, 0xcdef
    lghi %r5, -2
    stgrl %r5, quads
    strl %r7, quads
    sthrl %r7, quads+6
    lgrl %r5, quads
    EXPECT %r5, 0x89abcdefffffcdef
    cgrl %r5, quads
    EXPECT_CC 0
    clgrl %r6, quads
    EXPECT_CC 2
    cgfrl %r6, pattern+4
    EXPECT_CC 0
    END

    BEGIN "LA, LAY, LARL"
    lghi %r5, 100
    lghi %r6, 1000
    la %r7, 23(%r5,%r6)
    EXPECT %r7, 1123
    lay %r7, -500(%r5,%r6)
    EXPECT %r7, 600
    la %r7, 4095
    EXPECT %r7, 4095
    lghi %r5, -1
    la %r7, 2(%r5)
    EXPECT %r7, 1
    END

    BEGIN "counted loops"
    lghi %r6, 0
    lghi %r5, 10
0:  aghi %r6, 1
    brct %r5, 0b
    EXPECT %r6, 10
    lghi %r5, 7
0:  aghi %r6, 1
    brctg %r5, 0b
    EXPECT %r6, 17
    lghi %r8, 0                         # BRXH, BRXLE: increment and limit in a pair
    lghi %r9, 12
    lghi %r10, 3
    lghi %r11, 30
    lghi %r6, 0
0:  aghi %r6, 1
    brxle %r8, %r10, 0b
    EXPECT %r6, 11
    llgfr %r8, %r8
    EXPECT %r8, 33
    lghi %r8, 20
    lghi %r10, -4
    lghi %r11, 1
    lghi %r6, 0
0:  aghi %r6, 1
    brxhg %r8, %r10, 0b
    EXPECT %r6, 5
    EXPECT %r8, 0
    lghi %r7, 4                         # an odd register is increment and limit
    lghi %r6, 0
    larl %r5, 1f
    bxleg %r6, %r7, 0(%r5)
    lghi %r6, -1
1:  EXPECT %r6, 4
    larl %r5, 2f
    lghi %r6, 3
    lghi %r7, 0
2:  aghi %r7, 1
    bctgr %r6, %r5
    EXPECT %r7, 3
    larl %r5, 3f
    bct %r6, 0(%r5)                     # 0 - 1 is not zero: branches
    lghi %r6, 0
3:  llgfr %r6, %r6
    EXPECT %r6, 0xffffffff
    END

    BEGIN "branches on every condition"
    lghi %r10, 0                        # condition code
0:  lghi %r11, 0                        # mask
1:  lgr %r1, %r10
    sllg %r1, %r1, 28
    spm %r1
    lghi %r5, 0
    larl %r7, 3f
    exrl %r11, 4f                       # sets the mask of BCR 0,%r7: shifted below
    j 2f
3:  lghi %r5, 1
2:  lghi %r6, 8                         # wanted: mask & (8 >> cc)
    srlg %r6, %r6, 0(%r10)
    lgr %r8, %r11
    srlg %r8, %r8, 4
    ngr %r6, %r8
    lghi %r8, 0
    jz 5f
    lghi %r8, 1
5:  lgr %r2, %r5
    lgr %r3, %r8
    CHECK
    aghi %r11, 16
    cghi %r11, 256
    jl 1b
    aghi %r10, 1
    cghi %r10, 4
    jl 0b
    j 6f
4:  bcr 0, %r7
6:  END

    BEGIN "compare and branch"
    lghi %r6, -5
    lghi %r7, 3
    lghi %r5, 0
    cgrjl %r6, %r7, 0f
    aghi %r5, 1
0:  clgrjl %r6, %r7, 0f
    aghi %r5, 2
0:  crjh %r6, %r7, 0f
    aghi %r5, 4
0:  clrjh %r6, %r7, 0f
    aghi %r5, 8
0:  cgijl %r6, -4, 0f
    aghi %r5, 16
0:  clgijl %r7, 200, 0f
    aghi %r5, 32
0:  cijne %r7, 3, 0f
    aghi %r5, 64
0:  clije %r7, 3, 0f
    aghi %r5, 128
0:  EXPECT %r5, 2+4+64
    END

    BEGIN "CVD, PACK, UNPK"
    larl %r12, quads
    lgfi %r5, -1234567
    cvd %r5, 0(%r12)
    lg %r6, 0(%r12)
    EXPECT %r6, 0x000000001234567d
    unpk 8(8,%r12), 4(4,%r12)
    lg %r6, 8(%r12)
    EXPECT %r6, 0xf0f1f2f3f4f5f6d7
    pack 0(8,%r12), 8(8,%r12)
    lg %r6, 0(%r12)
    EXPECT %r6, 0x000000001234567d
    END

    BEGIN "CVB"                         # an operation exception in QEMU 7.2
    lghi %r7, 0
    ON_PGM 0f
    cvb %r7, 0(%r12)
0:  ON_PGM unexpected_pgm
    lgfr %r7, %r7
    EXPECT %r7, -1234567
    END

    BEGIN "access registers, SPM and IPM"
    llilf %r5, 0x12345678
    sar %a3, %r5
    lghi %r6, 0
    ear %r6, %a3
    EXPECT %r6, 0x12345678
    larl %r12, quads
    stam %a3, %a3, 0(%r12)
    llgf %r6, 0(%r12)
    EXPECT %r6, 0x12345678
    mvhi 0(%r12), 0
    lam %a3, %a3, 0(%r12)
    ear %r6, %a3
    EXPECT %r6, 0
    llilf %r5, 0x3f000000
    lghi %r6, -1
    spm %r5
    ipm %r6
    lghi %r1, 0
    spm %r1
    EXPECT %r6, 0xffffffff3fffffff
    END

    jg finish

# Are the %r3 bytes at %r2 and %r0 equal? One check: the index of the first
# difference, or -1.
same:
    ENTER
    lgr %r4, %r0
    lghi %r5, 0
0:  llgc %r6, 0(%r5,%r2)
    llgc %r7, 0(%r5,%r4)
    cgr %r6, %r7
    jne 1f
    aghi %r5, 1
    cgr %r5, %r3
    jl 0b
    lghi %r5, -1
1:  lgr %r2, %r5
    lghi %r3, -1
    CALL group_check
    LEAVE

.section .rodata
    .balign 2
alphabet:
    .ascii "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-"
spaces:
    .ascii "        "
string_a:
    .asciz "string"
    .balign 2
string_b:
    .asciz "strinh"
.data
    .balign 8
pattern:
    .quad 0x0123456789abcdef
.bss
    .balign 4096
page:
    .skip 12288
quads:
    .skip 32
buffer:
    .skip 512
table:
    .skip 256
zeros:
    .skip 256
