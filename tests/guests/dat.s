# Dynamic address translation: five levels of tables, every translation exception
# with its code, translation-exception identification and old PSW, protection,
# purging, address spaces. One CPU; storage keys are not dealt with here.
# Principles of Operation, "Dynamic Address Translation".
.include "rt.inc"

.equ INVALID, 0x20                      # of region and segment entries
.equ PAGE_INVALID, 0x400
.equ PROTECT, 0x200                     # of segment and page entries
.equ TYPE_FIRST, 0xc                    # region-table types, also of an ASCE
.equ TYPE_SECOND, 0x8
.equ TYPE_THIRD, 0x4
.equ LENGTH, 3                          # all 2048 entries
.equ AFTER, 1
.equ AT, 0
.equ LC_A, LC_FREE+0x80
.equ LC_B, LC_FREE+0x90

# Virtual addresses of segment 1, page by page
.equ VA, 0x100000
.equ VA_A, VA                           # frame A
.equ VA_B, VA+0x1000                    # frame B
.equ VA_INVALID, VA+0x2000
.equ VA_A2, VA+0x3000                   # frame A again
.equ VA_C_READ, VA+0x4000               # frame C, protected
.equ VA_C, VA+0x5000                    # frame C
.equ VA_B2, VA+0x6000                   # frame B again, and right behind it
.equ VA_A3, VA+0x7000                   # frame A
.equ VA_CHANGING, VA+0x8000             # frame A at first
.equ VA_BAD, VA+0x9000                  # a reserved bit in its entry
.equ VA_END, VA+0xa000                  # from here invalid
.equ VA_PROTECTED, 0x200000             # segment 2: as 1, but protected
.equ VA_NO_SEGMENT, 0x300000

.macro DAT_ON
    stosm LC_FREE, 0x04
.endm
.macro DAT_OFF
    stnsm LC_FREE, 0xfb
.endm
.macro LOAD_CR number, value
    lgrl %r1, \value
    stg %r1, LC_FREE
    lctlg %c\number, %c\number, LC_FREE
.endm
# \insn, with translation on, must give \code. The identification's address is
# \address, its low bits (which address space) \space.
.macro FAULT code, where, address, space, insn
    ON_PGM 9941f
    DAT_ON
9940:
    \insn
9942:
    DAT_OFF
    lghi %r2, -1
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
    lgrl %r5, 9944f
    lghi %r6, \space
    brasl %r14, check_fault
9943:
    .pushsection .data
    .balign 8
9944:
    .quad \address
    .popsection
.endm
.macro PTE address, value, flags=0
    larl %r5, page_table
    larl %r4, \value
    .if \flags
    aghi %r4, \flags
    .endif
    stg %r4, ((\address)>>12&0xff)*8(%r5)
.endm

main:
    CALL build_tables
    LOAD_CR 1, asce_first
    llilf %r7, VA
    larl %r8, frame_a
    larl %r9, frame_b
    larl %r10, frame_c

    BEGIN "identity"
    lgrl %r5, pattern
    DAT_ON
    stg %r5, 0(%r8)
    lg %r6, 0(%r8)
    DAT_OFF
    EXPECT %r6, 0x0123456789abcdef
    END

    BEGIN "mapped pages and aliases"
    mvghi 8(%r8), 1
    mvghi 8(%r9), 2
    mvghi 8(%r10), 3
    DAT_ON
    lg %r5, VA_A-VA+8(%r7)
    lay %r4, VA_B-VA(%r7)
    lg %r6, 8(%r4)
    lay %r4, VA_C_READ-VA(%r7)
    lg %r11, 8(%r4)
    mvghi 16(%r7), 77                   # through one address...
    lay %r4, VA_A2-VA(%r7)
    lg %r12, 16(%r4)                    # ...and the other
    DAT_OFF
    EXPECT %r5, 1
    EXPECT %r6, 2
    EXPECT %r11, 3
    EXPECT %r12, 77
    lg %r5, 16(%r8)
    EXPECT %r5, 77
    END

    BEGIN "page translation"
    llilf %r11, VA_INVALID
    FAULT 0x11, AT, VA_INVALID, 0, "lg %r4, 0x123(%r11)"
    llgc %r5, LC_PGM_ILC+1
    EXPECT %r5, 6
    FAULT 0x11, AT, VA_INVALID, 0, "l %r4, 0xffc(%r11)"
    llgc %r5, LC_PGM_ILC+1
    EXPECT %r5, 4
    FAULT 0x11, AT, VA_INVALID, 0, "mvi 0(%r11), 1"
    FAULT 0x11, AT, VA_INVALID, 0, "mvc 0(8,%r7), 8(%r11)"
    FAULT 0x11, AT, VA_INVALID, 0, "mvc 8(8,%r11), 0(%r7)"
    FAULT 0x11, AT, VA_INVALID, 0, "csg %r4, %r5, 0(%r11)"
    FAULT 0x11, AT, VA_INVALID, 0, "stmg %r0, %r3, 0x100(%r11)"
    FAULT 0x11, AT, VA_INVALID, 0, "stcke 0x10(%r11)"
    FAULT 0x11, AT, VA_INVALID, 0, "clc 0(8,%r7), 8(%r11)"
    # valid from now on; an invalid entry may not have been kept
    PTE VA_INVALID, frame_b
    DAT_ON
    lg %r5, 8(%r11)
    DAT_OFF
    EXPECT %r5, 2
    PTE VA_INVALID, frame_b, PAGE_INVALID
    ptlb
    END

    BEGIN "fetch or store said, where facility 75 is there"
    larl %r11, facilities
    lghi %r0, 1
    stfle 0(%r11)
    tm 9(%r11), 0x10
    jz 9f
    llilf %r11, VA_INVALID
    FAULT 0x11, AT, VA_INVALID, 0, "lg %r4, 0x123(%r11)"
    lg %r5, LC_TEID
    srlg %r5, %r5, 10
    nill %r5, 3
    llghr %r5, %r5
    EXPECT %r5, 2
    FAULT 0x11, AT, VA_INVALID, 0, "stg %r4, 0x123(%r11)"
    lg %r5, LC_TEID
    srlg %r5, %r5, 10
    nill %r5, 3
    llghr %r5, %r5
    EXPECT %r5, 1
9:  END

    BEGIN "segment translation"
    llilf %r11, VA_NO_SEGMENT
    FAULT 0x10, AT, VA_NO_SEGMENT, 0, "lg %r4, 0(%r11)"
    END

    BEGIN "region translation"
    llihl %r11, 0
    oilh %r11, 0x8000                   # 2**31
    FAULT 0x3b, AT, 0x80000000, 0, "lg %r4, 0(%r11)"
    llihl %r11, 0x400                   # 2**42
    FAULT 0x3a, AT, 0x0000040000000000, 0, "lg %r4, 0(%r11)"
    llihh %r11, 0x20                    # 2**53
    FAULT 0x39, AT, 0x0020000000000000, 0, "lg %r4, 0(%r11)"
    lghi %r11, -8
    FAULT 0x39, AT, 0xfffffffffffff000, 0, "lg %r4, 0(%r11)"
    END

    BEGIN "ASCE type"
    LOAD_CR 1, asce_third
    DAT_ON
    lg %r5, 8(%r7)
    DAT_OFF
    EXPECT %r5, 1
    llihl %r11, 0x400
    FAULT 0x38, AT, 0x0000040000000000, 0, "lg %r4, 0(%r11)"
    LOAD_CR 1, asce_segment
    DAT_ON
    lg %r5, 8(%r7)
    DAT_OFF
    EXPECT %r5, 1
    llihl %r11, 1
    FAULT 0x38, AT, 0x0000000100000000, 0, "lg %r4, 0(%r11)"
    LOAD_CR 1, asce_first
    END

    BEGIN "table length"
    LOAD_CR 1, asce_third_short         # 512 entries
    llihl %r11, 0x100                   # 2**40: entry 512
    FAULT 0x3b, AT, 0x0000010000000000, 0, "lg %r4, 0(%r11)"
    LOAD_CR 1, asce_first
    END

    BEGIN "translation specification"
    llilf %r11, VA_BAD
    FAULT 0x12, AFTER, -1, 0, "lg %r4, 0(%r11)"
    larl %r5, region_second             # the second entry's type is wrong
    llihl %r11, 0x400
    larl %r4, region_third
    aghi %r4, TYPE_FIRST+LENGTH
    stg %r4, 8(%r5)
    FAULT 0x12, AFTER, -1, 0, "lg %r4, 0(%r11)"
    larl %r5, region_second
    lghi %r4, INVALID+TYPE_SECOND
    stg %r4, 8(%r5)
    ptlb
    END

    BEGIN "page protection"
    llilf %r11, VA_C_READ
    DAT_ON
    lg %r5, 8(%r11)
    DAT_OFF
    EXPECT %r5, 3
    FAULT 4, AFTER, VA_C_READ, 0, "mvi 8(%r11), 1"
    tm LC_TEID+7, 4                     # it was DAT, not a key
    EXPECT_CC 3
    FAULT 4, AFTER, VA_C_READ, 0, "stg %r4, 8(%r11)"
    FAULT 4, AFTER, VA_C_READ, 0, "mvc 0(16,%r11), 0(%r7)"
    FAULT 4, AFTER, VA_C_READ, 0, "xc 0(16,%r11), 0(%r11)"
    lg %r5, 8(%r10)
    EXPECT %r5, 3
    END

    BEGIN "segment protection"
    llilf %r11, VA_PROTECTED
    DAT_ON
    lg %r5, 8(%r11)
    DAT_OFF
    EXPECT %r5, 1
    FAULT 4, AFTER, VA_PROTECTED, 0, "mvi 8(%r11), 1"
    END

    BEGIN "IPTE"
    llilf %r11, VA_CHANGING
    DAT_ON
    lg %r5, 8(%r11)
    DAT_OFF
    EXPECT %r5, 1
    larl %r4, page_table
    ipte %r4, %r11
    lg %r5, (VA_CHANGING>>12&0xff)*8(%r4)
    srlg %r5, %r5, 10
    nill %r5, 1
    llghr %r5, %r5
    EXPECT %r5, 1                       # the entry itself is invalid now
    FAULT 0x11, AT, VA_CHANGING, 0, "lg %r4, 8(%r11)"
    END

    BEGIN "PTLB"
    PTE VA_CHANGING, frame_a
    DAT_ON
    lg %r5, 8(%r11)
    DAT_OFF
    EXPECT %r5, 1
    PTE VA_CHANGING, frame_b
    ptlb
    DAT_ON
    lg %r5, 8(%r11)
    DAT_OFF
    EXPECT %r5, 2
    END

    BEGIN "IDTE, clearing by ASCE"
    PTE VA_CHANGING, frame_c
    lghi %r5, 0x800
    lgrl %r6, asce_first
    lghi %r4, 0
    idte %r4, %r6, %r5
    DAT_ON
    lg %r5, 8(%r11)
    DAT_OFF
    EXPECT %r5, 3
    END

    BEGIN "CSPG"
    larl %r4, frame_c
    larl %r5, frame_a
    larl %r6, page_table+(VA_CHANGING>>12&0xff)*8
    aghi %r6, 1                         # and purge
    cspg %r4, %r6
    EXPECT_CC 0
    DAT_ON
    lg %r5, 8(%r11)
    DAT_OFF
    EXPECT %r5, 1
    END

    .macro LRA_MAPPED on, off
    lghi %r5, -1
    \on
    lra %r5, 0x123(%r7)
    ipm %r6
    \off
    srl %r6, 28
    llgfr %r6, %r6
    EXPECT %r6, 0
    sgr %r5, %r8
    EXPECT %r5, 0x123
    .endm
    .macro LRA_UNMAPPED on, off
    llilf %r11, VA_INVALID
    \on
    lra %r5, 8(%r11)
    ipm %r6
    \off
    srl %r6, 28
    llgfr %r6, %r6
    EXPECT %r6, 2
    larl %r4, page_table+(VA_INVALID>>12&0xff)*8
    sgr %r5, %r4
    EXPECT %r5, 0                       # the entry's address
    llilf %r11, VA_NO_SEGMENT
    \on
    lra %r5, 0(%r11)
    ipm %r6
    \off
    srl %r6, 28
    llgfr %r6, %r6
    EXPECT %r6, 1
    larl %r4, segment_table+3*8
    sgr %r5, %r4
    EXPECT %r5, 0
    llihh %r11, 0x20
    \on
    lra %r5, 0(%r11)
    ipm %r6
    \off
    srl %r6, 28
    llgfr %r6, %r6
    EXPECT %r6, 3
    .endm
    BEGIN "LRA"
    LRA_MAPPED DAT_ON, DAT_OFF
    END

    BEGIN "LRA of what is not mapped"
    LRA_UNMAPPED DAT_ON, DAT_OFF
    END

    BEGIN "LRA with translation off"    # translates all the same
    LRA_MAPPED nopr, nopr
    LRA_UNMAPPED nopr, nopr
    END

    BEGIN "TPROT"
    tprot 0(%r7), 0
    EXPECT_CC 0
    DAT_ON
    tprot 0(%r7), 0
    ipm %r5
    llilf %r11, VA_C_READ
    tprot 0(%r11), 0
    ipm %r6
    llilf %r11, VA_INVALID
    tprot 0(%r11), 0
    ipm %r12
    DAT_OFF
    srl %r5, 28
    srl %r6, 28
    srl %r12, 28
    llgfr %r5, %r5
    llgfr %r6, %r6
    llgfr %r12, %r12
    EXPECT %r5, 0
    EXPECT %r6, 1
    EXPECT %r12, 3
    END

    BEGIN "across pages that are not neighbours"
    lgrl %r5, pattern
    llilf %r11, VA_A3-3                 # 3 bytes at B's end, 5 at A's beginning
    mvghi 0(%r8), 0
    DAT_ON
    stg %r5, 0(%r11)
    lg %r6, 0(%r11)
    llgf %r12, 1(%r11)
    DAT_OFF
    EXPECT %r6, 0x0123456789abcdef
    EXPECT %r12, 0x23456789
    lg %r5, 4088(%r9)
    llgtr %r5, %r5
    nilh %r5, 0x00ff
    EXPECT %r5, 0x012345
    lg %r5, 0(%r8)
    srlg %r5, %r5, 24
    EXPECT %r5, 0x6789abcdef
    END

    # A page that is not there: nothing is stored on the one before it.
    BEGIN "nothing stored before a fault"
    llilf %r11, VA_END-4
    PTE VA_BAD, frame_b
    ptlb
    mvghi 4088(%r9), 0x55
    FAULT 0x11, AT, VA_END, 0, "stg %r4, 0(%r11)"
    lg %r5, 4088(%r9)
    EXPECT %r5, 0x55
    FAULT 0x11, AT, VA_END, 0, "mvc 0(20,%r11), 0(%r8)"
    lg %r5, 4088(%r9)
    EXPECT %r5, 0x55
    FAULT 0x11, AT, VA_END, 0, "stmg %r0, %r5, 0(%r11)"
    lg %r5, 4088(%r9)
    EXPECT %r5, 0x55
    FAULT 0x11, AT, VA_END, 0, "lmg %r4, %r6, 0(%r11)"
    FAULT 0x11, AT, VA_END, 0, "xc 0(20,%r11), 0(%r11)"
    lg %r5, 4088(%r9)
    EXPECT %r5, 0x55
    END

    BEGIN "MVCLE stops at the fault and goes on"
    larl %r4, frame_c
    lghi %r5, 100
    llilf %r12, VA_END-40
    lghi %r13, 100
    ON_PGM 1f
    DAT_ON
0:  mvcle %r4, %r12, 0
    jo 0b
    DAT_OFF
    lghi %r6, 0
    j 2f
1:  llgh %r6, LC_PGM_CODE
2:  ON_PGM unexpected_pgm
    EXPECT %r6, 0x11
    EXPECT %r13, 60                     # what could be moved has been
    EXPECT %r5, 60
    lgfi %r3, VA_END
    lgr %r2, %r12
    CHECK
    END

    BEGIN "instruction fetch"
    mvhhi 0x100(%r8), 0x07fe            # BR %r14, in frame A
    lay %r11, 0x100(%r7)
    DAT_ON
    basr %r14, %r11
    DAT_OFF
    llilf %r11, VA_INVALID
    ON_PGM 0f
    DAT_ON
    br %r11
0:  ON_PGM unexpected_pgm
    llgh %r5, LC_PGM_CODE
    EXPECT %r5, 0x11
    lg %r5, LC_PGM_OLD+8
    EXPECT %r5, VA_INVALID
    lg %r5, LC_TEID
    srlg %r5, %r5, 12
    EXPECT %r5, VA_INVALID>>12
    END

    # LGHI %r5,imm across two pages that are not neighbours in storage; its second
    # half is then changed through the frame's other address.
    BEGIN "instruction across pages, changed through an alias"
    mvhhi 4094(%r9), 0xa759-0x10000
    mvhhi 2(%r8), 0x07fe
    llilf %r11, VA_A3-2
    llilf %r12, VA_A2
    lghi %r6, 0
0:  DAT_ON
    sth %r6, 0(%r12)
    bcr 15, %r0                         # serializes: the address is another one
    basr %r14, %r11
    DAT_OFF
    lgr %r2, %r5
    lgr %r3, %r6
    CHECK
    aghi %r6, 1
    cghi %r6, 200
    jl 0b
    END

    # The same virtual address, two spaces: no purge in between.
    BEGIN "primary ASCE switched"
    mvghi 8(%r8), 1
    mvghi 8(%r9), 2
    lghi %r12, 50
0:  LOAD_CR 1, asce_first
    DAT_ON
    lg %r5, 8(%r7)
    DAT_OFF
    LOAD_CR 1, asce_other
    DAT_ON
    lg %r6, 8(%r7)
    DAT_OFF
    EXPECT %r5, 1
    EXPECT %r6, 2
    brctg %r12, 0b
    LOAD_CR 1, asce_first
    END

    # Code at the same virtual address in both: another function in each.
    BEGIN "code in two spaces"
    mvhhi 0x200(%r8), 0xa759-0x10000    # LGHI %r5,1 and 2
    mvhhi 0x202(%r8), 1
    mvhhi 0x204(%r8), 0x07fe
    mvhhi 0x200(%r9), 0xa759-0x10000
    mvhhi 0x202(%r9), 2
    mvhhi 0x204(%r9), 0x07fe
    lghi %r12, 50
    lay %r11, 0x200(%r7)
0:  LOAD_CR 1, asce_first
    DAT_ON
    basr %r14, %r11
    DAT_OFF
    lgr %r6, %r5
    LOAD_CR 1, asce_other
    DAT_ON
    basr %r14, %r11
    DAT_OFF
    EXPECT %r6, 1
    EXPECT %r5, 2
    brctg %r12, 0b
    LOAD_CR 1, asce_first
    END

    # As Linux runs: itself in the home space, its user's in the secondary one.
    BEGIN "home and secondary space"
    lgrl %r1, cr0_std
    oilh %r1, 0x0400                    # secondary-space control
    stg %r1, LC_FREE
    lctlg %c0, %c0, LC_FREE
    LOAD_CR 13, asce_first
    LOAD_CR 7, asce_other
    LOAD_CR 1, asce_other
    lgrl %r4, psw_home
    CALL load_psw
    lg %r5, 8(%r7)
    lgrl %r4, psw_std
    CALL load_psw
    EXPECT %r5, 1
    LOAD_CR 13, asce_other
    LOAD_CR 1, asce_first
    LOAD_CR 7, asce_other
    lgrl %r4, psw_secondary
    CALL load_psw
    lg %r5, 8(%r7)
    lgrl %r4, psw_std
    CALL load_psw
    EXPECT %r5, 2
    END

    BEGIN "MVCOS between home and secondary space"
    LOAD_CR 13, asce_first
    LOAD_CR 7, asce_other
    LOAD_CR 1, asce_other
    mvghi 24(%r8), 111
    mvghi 24(%r9), 222
    lgrl %r4, psw_home
    CALL load_psw
    llilf %r0, 0x0081                   # source: secondary space
    lghi %r5, 8
    mvcos 32(%r7), 24(%r7), %r5
    ipm %r6
    llilf %r0, 0x00810000               # destination: secondary space
    mvcos 40(%r7), 24(%r7), %r5
    lgrl %r4, psw_std
    CALL load_psw
    srl %r6, 28
    llgfr %r6, %r6
    EXPECT %r6, 0
    lg %r5, 32(%r8)
    EXPECT %r5, 222
    lg %r5, 40(%r9)
    EXPECT %r5, 111
    # a fault in the user's space names that space
    llilf %r11, VA_INVALID
    lghi %r5, 8
    ON_PGM 0f
    lgrl %r4, psw_home
    CALL load_psw
    llilf %r0, 0x0081
    mvcos 32(%r7), 0(%r11), %r5
    lghi %r5, -1
0:  ON_PGM unexpected_pgm
    llgh %r5, LC_PGM_CODE
    EXPECT %r5, 0x11
    lg %r5, LC_TEID
    lgr %r6, %r5
    srlg %r5, %r5, 12
    EXPECT %r5, VA_INVALID>>12
    nill %r6, 3
    llghr %r6, %r6
    EXPECT %r6, 2
    LOAD_CR 1, asce_first
    END

    BEGIN "home space is named in the identification"
    llilf %r11, VA_INVALID
    LOAD_CR 13, asce_first
    ON_PGM 0f
    lgrl %r4, psw_home
    CALL load_psw
    lg %r5, 0(%r11)
0:  ON_PGM unexpected_pgm
    llgc %r5, LC_TEID+7
    nill %r5, 3
    EXPECT %r5, 3
    END

    BEGIN "real storage with translation on"
    larl %r11, frame_c
    mvghi 48(%r10), 5
    lay %r11, 48(%r10)
    lghi %r5, 9
    DAT_ON
    lurag %r6, %r11
    sturg %r5, %r11
    DAT_OFF
    EXPECT %r6, 5
    lg %r5, 48(%r10)
    EXPECT %r5, 9
    END

    # Interruptions load a PSW with translation off, and LPSWE turns it on again.
    BEGIN "supervisor calls from translated code"
    larl %r1, 2f
    stg %r1, LC_SVC_NEW+8
    lghi %r12, 100
    lghi %r6, 0
    DAT_ON
1:  svc 1
    aghi %r6, 1
    brctg %r12, 1b
    DAT_OFF
    j 3f
2:  aghi %r6, 1000
    lpswe LC_SVC_OLD
3:  larl %r1, unexpected_svc
    stg %r1, LC_SVC_NEW+8
    EXPECT %r6, 100100
    END

    jg finish

# Checks a translation exception: %r3 = old PSW's address, %r4 = code, %r5 =
# address in the identification (-1: none is stored), %r6 = its space.
check_fault:
    ENTER
    lgr %r7, %r3
    ON_PGM unexpected_pgm
    llgh %r2, LC_PGM_CODE
    lgr %r3, %r4
    CALL group_check
    lg %r2, LC_PGM_OLD+8
    lgr %r3, %r7
    CALL group_check
    cghi %r5, -1
    je 0f
    lg %r2, LC_TEID
    srlg %r2, %r2, 12
    srlg %r3, %r5, 12
    CALL group_check
    lg %r2, LC_TEID
    lghi %r3, 3
    ngr %r2, %r3
    lgr %r3, %r6
    CALL group_check
0:  LEAVE

# PSW mask %r4, going on at %r14
load_psw:
    stg %r4, LC_B
    stg %r14, LC_B+8
    lpswe LC_B

# \count entries at \table := \entry
.macro FILL table, count, entry
    larl %r2, \table
    lghi %r3, \entry
    lghi %r4, \count
9930:
    stg %r3, 0(%r2)
    la %r2, 8(%r2)
    brctg %r4, 9930b
.endm
.macro ENTRY table, index, target, flags
    larl %r2, \table
    larl %r3, \target
    aghi %r3, \flags
    stg %r3, (\index)*8(%r2)
.endm
build_tables:
    ENTER
    FILL region_first, 2048, INVALID+TYPE_FIRST
    FILL region_second, 2048, INVALID+TYPE_SECOND
    FILL region_third, 2048, INVALID+TYPE_THIRD
    FILL segment_table, 2048, INVALID
    FILL segment_other, 512, INVALID
    FILL page_table, 256, PAGE_INVALID
    FILL page_table_other, 256, PAGE_INVALID
    ENTRY region_first, 0, region_second, TYPE_FIRST+LENGTH
    ENTRY region_second, 0, region_third, TYPE_SECOND+LENGTH
    ENTRY region_third, 0, segment_table, TYPE_THIRD+LENGTH
    ENTRY segment_table, 0, page_table_identity, 0
    ENTRY segment_table, 1, page_table, 0
    ENTRY segment_table, 2, page_table, PROTECT
    ENTRY segment_other, 0, page_table_identity, 0
    ENTRY segment_other, 1, page_table_other, 0
    larl %r2, page_table_identity
    lghi %r3, 0
    lghi %r4, 256
0:  stg %r3, 0(%r2)
    la %r2, 8(%r2)
    agfi %r3, 4096
    brctg %r4, 0b
    .macro PAGE address, frame, flags=0
    ENTRY page_table, (\address)>>12&0xff, \frame, \flags
    .endm
    PAGE VA_A, frame_a
    PAGE VA_B, frame_b
    PAGE VA_A2, frame_a
    PAGE VA_C_READ, frame_c, PROTECT
    PAGE VA_C, frame_c
    PAGE VA_B2, frame_b
    PAGE VA_A3, frame_a
    PAGE VA_CHANGING, frame_a
    PAGE VA_BAD, frame_a, 0x800
    ENTRY page_table_other, 0, frame_b, 0
    ENTRY page_table_other, 1, frame_a, 0
    LEAVE

.data
    .balign 8
pattern:
    .quad 0x0123456789abcdef
asce_first:
    .quad region_first+TYPE_FIRST+LENGTH
asce_third:
    .quad region_third+TYPE_THIRD+LENGTH
asce_third_short:
    .quad region_third+TYPE_THIRD
asce_segment:
    .quad segment_table+LENGTH
asce_other:
    .quad segment_other
psw_home:
    .quad 0x0400c00180000000
psw_secondary:
    .quad 0x0400800180000000
.bss
    .balign 4096
region_first:
    .skip 16384
region_second:
    .skip 16384
region_third:
    .skip 16384
segment_table:
    .skip 16384
segment_other:
    .skip 4096
page_table:
    .skip 2048
page_table_identity:
    .skip 2048
page_table_other:
    .skip 2048
    .balign 4096
frame_a:
    .skip 4096
frame_b:
    .skip 4096
frame_c:
    .skip 4096
facilities:
    .skip 32
