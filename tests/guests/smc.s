# Code that changes itself, in every way that breaks a translator which keeps what
# it has translated: each store must be seen by the very next instruction.
.include "rt.inc"

.equ BR_14, 0x07fe
.equ LGHI_2, 0xa729
.equ HALF_LGHI_2, LGHI_2-0x10000        # as MVHHI's signed operand

main:
    BEGIN "store into the next instruction"
    lghi %r7, 0
0:  larl %r5, 1f
    sth %r7, 2(%r5)
1:  lghi %r2, -1
    lgr %r3, %r7
    CHECK
    aghi %r7, 1
    cghi %r7, 50
    jl 0b
    END

    # The same immediate changed by every kind of store: big-endian, so the value
    # wanted is written in the instruction's last byte or bytes.
    BEGIN "kinds of store"
    larl %r5, patched
    larl %r6, values
    .macro PATCHED want
    brasl %r14, patched
    EXPECT %r2, \want
    .endm
    mvhhi 2(%r5), 0x1111
    PATCHED 0x1111
    mvi 3(%r5), 0x22
    PATCHED 0x1122
    oi 3(%r5), 0x44
    PATCHED 0x1166
    ni 3(%r5), 0x0f
    PATCHED 0x1106
    xi 2(%r5), 0x01
    PATCHED 0x1006
    mvc 2(2,%r5), 0(%r6)
    PATCHED 0x0203
    xc 2(1,%r5), 2(%r5)
    PATCHED 0x0003
    lghi %r1, 0x77
    stc %r1, 3(%r5)
    PATCHED 0x0077
    lghi %r1, 0x1234
    stcm %r1, 3, 2(%r5)
    PATCHED 0x1234
    llilf %r1, LGHI_2<<16 | 0x2345
    st %r1, 0(%r5)
    PATCHED 0x2345
    llilf %r1, LGHI_2<<16 | 0x3456
    sllg %r1, %r1, 32
    llilf %r3, BR_14<<16
    ogr %r1, %r3
    stg %r1, 0(%r5)
    PATCHED 0x3456
    llilf %r1, LGHI_2<<16 | 0x4567
    sturg %r1, %r5                      # 8 bytes: the upper ones are zero
    llilf %r1, LGHI_2<<16 | 0x4567
    sllg %r1, %r1, 32
    llilf %r3, BR_14<<16
    ogr %r1, %r3
    sturg %r1, %r5
    PATCHED 0x4567
    llilf %r1, LGHI_2<<16 | 0x5678
    sllg %r3, %r1, 32
    llilf %r1, BR_14<<16
    ogr %r3, %r1
    lg %r2, 0(%r5)
    csg %r2, %r3, 0(%r5)
    EXPECT_CC 0
    PATCHED 0x5678
    lghi %r1, 1
    sllg %r1, %r1, 32
    laag %r2, %r1, 0(%r5)               # adds 1 to the immediate
    PATCHED 0x5679
    lghi %r1, 0x11
    stg %r1, LC_FREE+16
    mvc 3(1,%r5), LC_FREE+23
    PATCHED 0x5611
    lgr %r8, %r5                        # MVCLE: 4 bytes from `values`+4
    lghi %r9, 4
    la %r10, 4(%r6)
    lghi %r11, 4
    mvcle %r8, %r10, 0
    PATCHED 0x0405
    END

    # A copy that starts well before the function and runs over it.
    BEGIN "copy over code"
    lghi %r7, 0
0:  larl %r5, copied_from
    sth %r7, copied-copied_area+2(%r5)
    larl %r6, copied_area
    mvc 0(256,%r6), 0(%r5)
    brasl %r14, copied
    lgr %r3, %r7
    CHECK
    aghi %r7, 1
    cghi %r7, 100
    jl 0b
    END

    # A copy that changes the instruction right behind itself.
    BEGIN "copy over the next instruction"
    larl %r5, 1f-100
    larl %r6, before_next
    mvc 0(100,%r6), 0(%r5)              # what stands there now
    mvhhi 100(%r6), HALF_LGHI_2
    lghi %r7, 0
0:  sth %r7, 102(%r6)
    mvc 0(104,%r5), 0(%r6)
1:  lghi %r2, -1
    lgr %r3, %r7
    CHECK
    aghi %r7, 1
    cghi %r7, 20
    jl 0b
    END

    BEGIN "patch and call"
    lghi %r7, 0
    lghi %r8, 0
    larl %r5, patched
    mvhhi 0(%r5), HALF_LGHI_2
0:  sth %r7, 2(%r5)
    brasl %r14, patched
    agr %r8, %r2
    aghi %r7, 1
    cghi %r7, 5000
    jl 0b
    EXPECT %r8, 5000*4999/2
    END

    # A branch in the middle of a hot loop changes its mask every 16 rounds.
    BEGIN "branch switched in a loop"
    lghi %r7, 0
    lghi %r8, 0
    lghi %r9, 0
    larl %r5, 1f
0:  lgr %r1, %r7
    nill %r1, 0xf0
    mvi 1(%r5), 0x04                    # never
    tmll %r1, 0x10
    jz 1f
    mvi 1(%r5), 0xf4                    # always
1:  brc 0, 2f
    aghi %r8, 1
    j 3f
2:  aghi %r9, 1
3:  aghi %r7, 1
    cghi %r7, 3200
    jl 0b
    EXPECT %r8, 1600
    EXPECT %r9, 1600
    END

    BEGIN "target of execute"
    lghi %r7, 0
    larl %r5, 2f
0:  sth %r7, 2(%r5)
    lghi %r1, 0
    ex %r1, 0(%r5)
    lgr %r3, %r7
    CHECK
    aghi %r7, 1
    exrl %r0, 2f
    lgr %r3, %r7
    aghi %r3, -1
    CHECK
    cghi %r7, 100
    jl 0b
    j 3f
2:  lghi %r2, -1
3:  END

    # An instruction that lies across a page boundary: only its second half, on
    # the second page, is changed; then only its first.
    BEGIN "across a page boundary"
    larl %r5, crossing_page             # the boundary
    aghik %r6, %r5, -2
    llilf %r1, LGHI_2<<16
    st %r1, 0(%r6)
    mvhhi 2(%r5), BR_14
    lghi %r7, 0
0:  sth %r7, 0(%r5)
    basr %r14, %r6
    lgr %r3, %r7
    CHECK
    aghi %r7, 1
    cghi %r7, 100
    jl 0b
    mvhhi 0(%r6), 0xa728-0x10000        # LHI keeps the upper half of %r2
    llihl %r2, 7
    basr %r14, %r6
    llilf %r3, 99
    llihl %r4, 7
    ogr %r3, %r4
    CHECK
    mvhhi 0(%r6), HALF_LGHI_2
    basr %r14, %r6
    EXPECT %r2, 99
    END

    # Code made, run, and wiped, again and again at the same place.
    BEGIN "code made and wiped"
    larl %r5, arena
    lghi %r7, 1
0:  lghi %r1, 0
    lgr %r2, %r5
    mvhhi 0(%r2), HALF_LGHI_2                # LGHI %r2,0 and then %r7 times AGHI %r2,1
    mvhhi 2(%r2), 0
    la %r2, 4(%r2)
1:  mvhhi 0(%r2), 0xa72b-0x10000
    mvhhi 2(%r2), 1
    la %r2, 4(%r2)
    aghi %r1, 1
    cgr %r1, %r7
    jl 1b
    mvhhi 0(%r2), BR_14
    basr %r14, %r5
    lgr %r3, %r7
    CHECK
    xc 0(256,%r5), 0(%r5)
    aghi %r7, 1
    cghi %r7, 60
    jl 0b
    END

    # How a kernel without facility 193 returns from interruptions: it branches to
    # an LPSWE in its lowcore, on a page that is written all the time.
    BEGIN "LPSWE in the lowcore"
    llilf %r1, 0xb2b20290
    st %r1, 0x400
    lgrl %r1, psw_std
    stg %r1, 0x290
    lghi %r7, 0
    lghi %r8, 0
0:  larl %r1, 1f
    tmll %r7, 1
    jz 4f
    larl %r1, 2f
4:  stg %r1, 0x298
    lgr %r1, %r7
    nill %r1, 3
    sllg %r1, %r1, 44                   # condition code, PSW bits 18 and 19
    lgrl %r2, psw_std
    ogr %r2, %r1
    stg %r2, 0x290
    stg %r7, LC_FREE+16                 # other writes to the same page
    lghi %r1, 0x400
    br %r1
1:  ipm %r2
    aghi %r8, 1
    j 3f
2:  ipm %r2
    aghi %r8, 1000
3:  srl %r2, 28
    llgfr %r2, %r2
    lgr %r3, %r7
    nill %r3, 3
    CHECK
    aghi %r7, 1
    cghi %r7, 4000
    jl 0b
    EXPECT %r8, 2000*1001
    END

    # The instruction at the same lowcore address replaced each time.
    BEGIN "lowcore code rewritten"
    lghi %r7, 0
    lghi %r6, 0x400
0:  llilf %r1, LGHI_2<<16
    ogr %r1, %r7
    st %r1, 0x400
    mvhhi 0x404, BR_14
    basr %r14, %r6
    lgr %r3, %r7
    CHECK
    aghi %r7, 1
    cghi %r7, 300
    jl 0b
    END

    # The same with a prefix: real 0x400 is then another absolute address, and
    # what was executed before is still there, at real PREFIX + 0x400.
    BEGIN "prefix changed under code"
    llilf %r1, LGHI_2<<16 | 11
    st %r1, 0x400
    mvhhi 0x404, BR_14
    basr %r14, %r6
    EXPECT %r2, 11
    larl %r5, prefix_area
    lgr %r2, %r5                        # the new lowcore: a copy of the old
    lghi %r3, 0x1000
    lghi %r4, 0
    lghi %r5, 0x1000
    mvcle %r2, %r4, 0
    larl %r5, prefix_area
    llilf %r1, LGHI_2<<16 | 22
    st %r1, 0x400(%r5)
    st %r5, LC_FREE+16
    larl %r7, prefix_value
    st %r5, 0(%r7)
    spx 0(%r7)
    basr %r14, %r6
    lgr %r8, %r2
    larl %r7, prefix_zero
    spx 0(%r7)
    EXPECT %r8, 22
    basr %r14, %r6
    EXPECT %r2, 11
    END

    # Written by the machine and not by an instruction: the service processor's
    # response code (0x60f0: nothing to read) becomes an immediate.
    BEGIN "code written by SCLP"
    CALL flush
    larl %r5, sccb_code
    lghi %r7, 0
0:  mvghi 0(%r5), 0
    mvhhi 0(%r5), 16
    mvhhi 4(%r5), HALF_LGHI_2
    mvhhi 8(%r5), BR_14
    la %r6, 4(%r5)
    basr %r14, %r6
    EXPECT %r2, 0
    lgr %r3, %r5
    iilf %r2, 0x00770005
    CALL sclp
    mvhhi 8(%r5), BR_14
    basr %r14, %r6
    llgh %r3, 6(%r5)
    lghr %r3, %r3
    CHECK
    ltgr %r2, %r2                       # and something was indeed written
    EXPECT_CC 2
    aghi %r7, 1
    cghi %r7, 5
    jl 0b
    END

    jg finish

    .balign 8
patched:
    lghi %r2, 0
    br %r14

    .balign 8
copied_area:
    .skip 100, 0x07
    .balign 4
copied:
    lghi %r2, -1
    br %r14
    .balign 2
    .skip 256-(.-copied_area), 0x07

.data
    .balign 8
copied_from:
    .skip copied-copied_area, 0x07
    lghi %r2, 0
    br %r14
    .skip 256-(.-copied_from), 0x07
values:
    .byte 2, 3, 0, 0, 0xa7, 0x29, 4, 5
prefix_zero:
    .long 0
.bss
    .balign 8192
prefix_area:
    .skip 8192
    .balign 4096
    .skip 4096
crossing_page:
    .skip 4096
sccb_code:
    .skip 4096
arena:
    .skip 512
before_next:
    .skip 256
prefix_value:
    .skip 8
