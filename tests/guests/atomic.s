# Interlocked updates from all CPUs at once: every total is exact.
# Parameter: rounds=N per CPU and instruction (default 2000).
.include "rt.inc"
.include "smp.inc"

main:
    NUMBER "rounds=", 2000
    stgrl %r2, rounds
    CALL smp_init
    SAY_CPUS

    # Counters: COUNTER is cleared, all CPUs run `body` `rounds` times, the total at
    # `offset` is rounds * cpus * factor. In the body %r10 = cell, %r11 = rounds left,
    # %r8 = the CPU's number; the other registers are free.
    .macro HAMMER name, body
    BEGIN "\name"
    larl %r10, cell
    xc 0(256,%r10), 0(%r10)
    EVERYWHERE 9950f
    larl %r10, cell
    j 9952f
    .balign 8
9950:
    ENTER
    lgr %r8, %r2
    CALL barrier
    larl %r10, cell
    lgrl %r11, rounds
9951:
    \body
    brctg %r11, 9951b
    LEAVE
9952:
    .endm
    # Doubleword (word) at an offset is the number of rounds on all CPUs.
    .macro TOTAL8 offset
    lg %r2, \offset(%r10)
    lgrl %r3, total
    CHECK
    .endm
    .macro TOTAL4 offset
    llgf %r2, \offset(%r10)
    lgrl %r3, total
    CHECK
    .endm
    lgrl %r3, rounds
    lgrl %r4, cpus
    msgr %r3, %r4
    stgrl %r3, total

    .macro BODY_CS
    l %r2, 0(%r10)
0:  lr %r3, %r2
    ahi %r3, 1
    cs %r2, %r3, 0(%r10)
    jl 0b
    .endm
    HAMMER "COMPARE AND SWAP", BODY_CS
    TOTAL4 0
    END

    .macro BODY_CSY
    l %r2, 4(%r10)
0:  lr %r3, %r2
    ahi %r3, 1
    csy %r2, %r3, 4(%r10)
    jl 0b
    .endm
    HAMMER "COMPARE AND SWAP, long displacement", BODY_CSY
    TOTAL4 4
    END

    .macro BODY_CSG
    lg %r2, 8(%r10)
0:  la %r3, 1(%r2)
    csg %r2, %r3, 8(%r10)
    jl 0b
    .endm
    HAMMER "COMPARE AND SWAP (64)", BODY_CSG
    TOTAL8 8
    END

    # Two words that move against each other.
    .macro BODY_CDS
    lm %r2, %r3, 0(%r10)
0:  lr %r4, %r2
    lr %r5, %r3
    ahi %r4, 1
    ahi %r5, 1
    cds %r2, %r4, 0(%r10)
    jl 0b
    .endm
    HAMMER "COMPARE DOUBLE AND SWAP", BODY_CDS
    TOTAL4 0
    TOTAL4 4
    END

    .macro BODY_CDSG
    lmg %r2, %r3, 16(%r10)
0:  la %r4, 1(%r2)
    la %r5, 1(%r3)
    cdsg %r2, %r4, 16(%r10)
    jl 0b
    .endm
    HAMMER "COMPARE DOUBLE AND SWAP (64)", BODY_CDSG
    TOTAL8 16
    TOTAL8 24
    END

    # CDSG beside CSG on one of the two doublewords.
    .macro BODY_CDSG_CSG
    tmll %r8, 1
    jo 1f
    lmg %r2, %r3, 16(%r10)
0:  la %r4, 1(%r2)
    la %r5, 1(%r3)
    cdsg %r2, %r4, 16(%r10)
    jl 0b
    j 3f
1:  lg %r2, 16(%r10)
2:  la %r3, 1(%r2)
    csg %r2, %r3, 16(%r10)
    jl 2b
    lghi %r3, 1
    laag %r2, %r3, 24(%r10)
3:
    .endm
    HAMMER "CDSG beside CSG and LAAG", BODY_CDSG_CSG
    TOTAL8 16
    TOTAL8 24
    END

    .macro BODY_LAA
    lhi %r3, 1
    laa %r2, %r3, 0(%r10)
    laal %r2, %r3, 4(%r10)
    lghi %r3, 1
    laag %r2, %r3, 8(%r10)
    laalg %r2, %r3, 16(%r10)
    .endm
    HAMMER "LOAD AND ADD", BODY_LAA
    TOTAL4 0
    TOTAL4 4
    TOTAL8 8
    TOTAL8 16
    END

    # The old values of all additions of one are all different: their sum tells.
    .macro BODY_LAAG_OLD
    lghi %r3, 1
    laag %r2, %r3, 32(%r10)
    laag %r4, %r2, 40(%r10)
    .endm
    HAMMER "LOAD AND ADD gives each old value once", BODY_LAAG_OLD
    TOTAL8 32
    lgrl %r3, total
    lgr %r5, %r3
    aghi %r5, -1
    msgr %r3, %r5
    srlg %r3, %r3, 1
    lg %r2, 40(%r10)
    CHECK
    END

    # Each CPU its own bit: on, off, turned over; rounds is even, so turning ends at 0.
    # The other bits must not be lost: each CPU finds its own as it left it.
    .macro BODY_BITS
    lghi %r3, 1
    sllg %r3, %r3, 0(%r8)
    lghi %r4, -1
    xgr %r4, %r3
    laog %r2, %r3, 0(%r10)
    ngr %r2, %r3
    agsi_bad %r2
    lao %r2, %r3, 8(%r10)
    nr %r2, %r3
    lang %r2, %r4, 0(%r10)
    xgr %r2, %r3
    ngr %r2, %r3
    agsi_bad %r2
    lan %r2, %r4, 8(%r10)
    xr %r2, %r3
    nr %r2, %r3
    laxg %r2, %r3, 16(%r10)
    lax %r2, %r3, 24(%r10)
    .endm
    # Counts registers that should be zero.
    .macro agsi_bad reg
    ltgr \reg, \reg
    jz 9940f
    agsi 128(%r10), 1
9940:
    .endm
    HAMMER "LOAD AND AND, OR, EXCLUSIVE OR", BODY_BITS
    lg %r2, 0(%r10)
    og %r2, 8(%r10)
    og %r2, 16(%r10)
    og %r2, 24(%r10)
    og %r2, 128(%r10)
    EXPECT %r2, 0
    END

    # Immediate additions (interlocked-access facility 1).
    .macro BODY_ASI
    asi 0(%r10), 1
    agsi 8(%r10), 1
    alsi 4(%r10), 1
    algsi 16(%r10), 1
    agsi 24(%r10), -3
    .endm
    HAMMER "ADD IMMEDIATE to storage", BODY_ASI
    TOTAL4 0
    TOTAL4 4
    TOTAL8 8
    TOTAL8 16
    lg %r2, 24(%r10)
    lgrl %r3, total
    mghi %r3, -3
    CHECK
    END

    # Immediate logical operations (interlocked-access facility 2): a bit of a shared
    # byte for each CPU, through EXECUTE.
    .macro BODY_OI
    lghi %r3, 1
    sllg %r3, %r3, 0(%r8)
    lghi %r4, 255
    xgr %r4, %r3
    exrl %r3, oi_target
    llgc %r2, 0(%r10)
    ngr %r2, %r3
    xgr %r2, %r3
    agsi_bad %r2
    exrl %r3, oiy_target
    exrl %r4, ni_target
    llgc %r2, 0(%r10)
    ngr %r2, %r3
    agsi_bad %r2
    exrl %r3, xi_target
    .endm
    HAMMER "AND, OR, EXCLUSIVE OR immediate", BODY_OI
    llgc %r2, 0(%r10)
    EXPECT %r2, 0
    llgc %r2, 1(%r10)
    EXPECT %r2, 0
    lgrl %r3, cpus
    lghi %r4, 1
    sllg %r3, %r4, 0(%r3)
    aghi %r3, -1
    llgc %r2, 2(%r10)
    CHECK
    lg %r2, 128(%r10)
    EXPECT %r2, 0
    END
    j 1f
oi_target:
    oi 0(%r10), 0
oiy_target:
    oiy 2(%r10), 0
ni_target:
    ni 0(%r10), 0
xi_target:
    xi 1(%r10), 0
1:

    # A lock made of TEST AND SET around an ordinary addition.
    .macro BODY_TS
0:  ts 0(%r10)
    jz 1f
    YIELD
    j 0b
1:  lg %r2, 8(%r10)
    aghi %r2, 1
    stg %r2, 8(%r10)
    mvi 0(%r10), 0
    .endm
    HAMMER "TEST AND SET", BODY_TS
    TOTAL8 8
    END

    # A lock as Linux's spin locks: CS to take it, an ordinary store to free it.
    .macro BODY_LOCK
    lhi %r3, 1
0:  lhi %r2, 0
    cs %r2, %r3, 0(%r10)
    jz 1f
    YIELD
    j 0b
1:  lg %r2, 8(%r10)
    aghi %r2, 1
    stg %r2, 8(%r10)
    mvc 16(8,%r10), 8(%r10)
    lg %r2, 24(%r10)
    aghi %r2, 1
    stg %r2, 24(%r10)
    mvhi 0(%r10), 0
    .endm
    HAMMER "lock freed by a store", BODY_LOCK
    TOTAL8 8
    TOTAL8 16
    TOTAL8 24
    END

    # COMPARE AND SWAP AND STORE: the store names who was last.
    .macro BODY_CSST
    larl %r1, parameters                # one list a CPU
    sllg %r2, %r8, 5
    agr %r1, %r2
    lghi %r0, 0x0301                    # compare 8 bytes, store 8 bytes
    lg %r2, 0(%r10)
0:  la %r3, 1(%r2)
    stg %r3, 0(%r1)
    stg %r3, 16(%r1)
    csst 0(%r10), 64(%r10), %r2
    jnz 0b
    .endm
    HAMMER "COMPARE AND SWAP AND STORE", BODY_CSST
    TOTAL8 0
    lg %r2, 64(%r10)
    ltgr %r2, %r2
    EXPECT_CC 2
    END

    # CSPG and CSP count too.
    .macro BODY_CSPG
    l %r2, 4(%r10)
    la %r4, 4(%r10)
0:  lr %r3, %r2
    ahi %r3, 1
    csp %r2, %r4
    jnz 0b
    lg %r2, 8(%r10)
    la %r4, 8(%r10)
1:  la %r3, 1(%r2)
    cspg %r2, %r4
    jnz 1b
    .endm
    HAMMER "COMPARE AND SWAP AND PURGE", BODY_CSPG
    TOTAL4 4
    TOTAL8 8
    END

    # PERFORM LOCKED OPERATION, one lock token for all: compare and swap, in registers.
    .macro BODY_PLO_CS
    larl %r1, cell                      # the token
    lghi %r0, 6                         # compare and swap, 64 bits in registers
    lg %r2, 0(%r10)
0:  la %r3, 1(%r2)
    plo %r2, 0(%r10), %r4, 0
    jnz 0b
    .endm
    HAMMER "PLO compare and swap", BODY_PLO_CS
    TOTAL8 0
    END

    # Double compare and swap: both or none.
    .macro BODY_PLO_DCS
    larl %r1, cell
    lghi %r0, 10                        # double compare and swap, 64 bits in registers
    lg %r2, 0(%r10)
    lg %r4, 64(%r10)
0:  la %r3, 1(%r2)
    la %r5, 1(%r4)
    plo %r2, 0(%r10), %r4, 64(%r10)
    jnz 0b
    .endm
    HAMMER "PLO double compare and swap", BODY_PLO_DCS
    TOTAL8 0
    TOTAL8 64
    END

    # Compare and swap and store: the second place always follows the first.
    .macro BODY_PLO_CSS
    larl %r1, cell
    lghi %r0, 14                        # compare and swap and store, 64 bits
    lg %r2, 0(%r10)
0:  la %r3, 1(%r2)
    lgr %r4, %r3
    plo %r2, 0(%r10), %r4, 64(%r10)
    jnz 0b
    .endm
    HAMMER "PLO compare and swap and store", BODY_PLO_CSS
    TOTAL8 0
    TOTAL8 64
    END

    # 16 bytes are stored and loaded whole: what each CPU stores is a number and its
    # complement.
    .macro BODY_LPQ
    lpq %r2, 0(%r10)
    ogr %r2, %r3
    jz 0f                               # still as cleared
    lpq %r2, 0(%r10)
    xgr %r2, %r3
    aghi %r2, 1
    agsi_bad %r2
0:  sllg %r4, %r11, 8
    agr %r4, %r8
    lghi %r5, -1
    xgr %r5, %r4
    stpq %r4, 0(%r10)
    .endm
    HAMMER "LOAD PAIR FROM, STORE PAIR TO QUADWORD", BODY_LPQ
    lg %r2, 128(%r10)
    EXPECT %r2, 0
    END

    # A doubleword, a word, a halfword are stored and loaded whole.
    .macro BODY_WHOLE
    lg %r2, 0(%r10)
    srlg %r3, %r2, 32
    llgfr %r2, %r2
    sgr %r2, %r3
    agsi_bad %r2
    llgf %r2, 8(%r10)
    lgr %r3, %r2
    srlg %r3, %r3, 16
    llghr %r2, %r2
    sgr %r2, %r3
    agsi_bad %r2
    llgh %r2, 16(%r10)
    lgr %r3, %r2
    srlg %r3, %r3, 8
    llgcr %r2, %r2
    sgr %r2, %r3
    agsi_bad %r2
    sllg %r4, %r11, 4
    agr %r4, %r8
    llgcr %r4, %r4
    mhi_all %r4
    stg %r4, 0(%r10)
    st %r4, 8(%r10)
    sth %r4, 16(%r10)
    mvc 24(8,%r10), 0(%r10)             # an aligned MVC of 8 is whole, too
    lg %r2, 24(%r10)
    srlg %r3, %r2, 32
    llgfr %r2, %r2
    sgr %r2, %r3
    agsi_bad %r2
    .endm
    # The byte in all eight places.
    .macro mhi_all reg
    llilf %r5, 0x01010101
    msgr \reg, %r5
    sllg %r5, \reg, 32
    ogr \reg, %r5
    .endm
    HAMMER "loads and stores are whole", BODY_WHOLE
    lg %r2, 128(%r10)
    EXPECT %r2, 0
    END

    # LOAD PAIR DISJOINT: of two counters the first is moved first, so whoever sees both at
    # one time finds the second not ahead. Condition code 0 says that they were; it must be
    # possible.
    .macro BODY_LPD
    tmll %r8, 1
    jo 1f
    lghi %r3, 1
    laag %r2, %r3, 0(%r10)
    laag %r2, %r3, 64(%r10)
    j 3f
1:  lghi %r6, 1000
2:  lpdg %r2, 0(%r10), 64(%r10)
    jz 4f
    brctg %r6, 2b
    agsi 128(%r10), 1                   # never at one time
4:  cgr %r3, %r2
    jnh 5f
    agsi 136(%r10), 1
5:  lpd %r2, 4(%r10), 68(%r10)
    jnz 3f
    cr %r3, %r2
    jnh 3f
    agsi 136(%r10), 1
3:
    .endm
    HAMMER "LOAD PAIR DISJOINT", BODY_LPD
    lg %r2, 128(%r10)
    EXPECT %r2, 0
    lg %r2, 136(%r10)
    EXPECT %r2, 0
    END

    jg smp_finish

.bss
    .balign 4096
cell:
    .skip 4096
parameters:
    .skip 32*MAX_CPUS
rounds:
    .skip 8
total:
    .skip 8
