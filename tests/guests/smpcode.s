# Code that one CPU changes while others execute it: once the change has been told and the
# other CPU has serialised, it executes the new code.
# Parameter: rounds=N (default 300).
.include "rt.inc"
.include "smp.inc"

.equ LGHI_2, 0xa729
.equ HALF_LGHI_2, LGHI_2-0x10000
.equ BR_14, 0x07fe

main:
    NUMBER "rounds=", 300
    stgrl %r2, rounds
    CALL smp_init
    SAY_CPUS

    # CPU 0 changes what `victim` returns, by `patch` to %r6 (its address is %r5), and tells.
    .macro PATCHED name, patch
    BEGIN "\name"
    larl %r3, 9950f
    stgrl %r3, patcher
    EVERYWHERE patching
    larl %r10, cell
    lg %r2, 64(%r10)
    EXPECT %r2, 0
    j 9952f
9950:
    \patch
    br %r14
9952:
    END
    .endm
    .macro BY_STH
    sth %r6, 2(%r5)
    .endm
    .macro BY_ST
    llilf %r1, LGHI_2<<16
    llghr %r2, %r6
    ogr %r1, %r2
    st %r1, 0(%r5)
    .endm
    .macro BY_STG
    BY_ST_VALUE
    stg %r1, 0(%r5)
    .endm
    # %r1 = LGHI %r2,%r6; BR %r14; NOPR
    .macro BY_ST_VALUE
    llilf %r1, LGHI_2<<16
    llghr %r2, %r6
    ogr %r1, %r2
    sllg %r1, %r1, 32
    llilf %r2, BR_14<<16 | 0x0700
    ogr %r1, %r2
    .endm
    .macro BY_MVC
    BY_ST_VALUE
    stg %r1, LC_FREE
    mvc 0(8,%r5), LC_FREE
    .endm
    .macro BY_CSG
    BY_ST_VALUE
    lg %r2, 0(%r5)
    csg %r2, %r1, 0(%r5)
    .endm
    .macro BY_STURG
    BY_ST_VALUE
    sturg %r1, %r5
    .endm
    .macro BY_MVCLE
    BY_ST_VALUE
    stg %r1, LC_FREE
    lgr %r2, %r5
    lghi %r3, 8
    lghi %r0, LC_FREE
    lgr %r4, %r0
    lgr %r1, %r5
    lghi %r5, 8
    mvcle %r2, %r4, 0
    lgr %r5, %r1
    .endm
    PATCHED "immediate changed by STH", BY_STH
    PATCHED "instruction changed by ST", BY_ST
    PATCHED "instructions changed by STG", BY_STG
    PATCHED "instructions changed by MVC", BY_MVC
    PATCHED "instructions changed by CSG", BY_CSG
    PATCHED "instructions changed by STURG", BY_STURG
    PATCHED "instructions changed by MVCLE", BY_MVCLE

    # A branch that is switched on and off by its mask, as the kernel's static keys are.
    BEGIN "branch switched by MVI"
    EVERYWHERE switching
    larl %r10, cell
    lg %r2, 64(%r10)
    EXPECT %r2, 0
    END

    # A CPU in a loop that never ends is freed by a change of the loop's code.
    .macro FREED name, loop
    BEGIN "\name"
    larl %r3, \loop
    stgrl %r3, patcher
    larl %r10, cell
    xc 0(256,%r10), 0(%r10)
    EVERYWHERE freeing
    larl %r10, cell
    lgrl %r3, cpus
    aghi %r3, -1
    lgrl %r4, rounds
    srlg %r4, %r4, 3
    msgr %r3, %r4
    lg %r2, 72(%r10)
    CHECK
    END
    .endm
    FREED "a branch to itself", loop_self
    FREED "a loop of one block", loop_one
    FREED "a loop of several blocks", loop_three
    FREED "a loop over two pages", loop_pages

    # Every CPU changes and calls a function of its own; all functions lie side by side.
    BEGIN "each CPU its own code"
    larl %r10, cell
    xc 0(256,%r10), 0(%r10)
    EVERYWHERE own_code
    larl %r10, cell
    lg %r2, 64(%r10)
    EXPECT %r2, 0
    END

    # All CPUs execute the same code that is dropped and made again all the time.
    BEGIN "code written by all and executed by all"
    larl %r10, cell
    xc 0(256,%r10), 0(%r10)
    EVERYWHERE shared_code
    larl %r10, cell
    lg %r2, 64(%r10)
    EXPECT %r2, 0
    END
    jg smp_finish

# ---------------------------------------------------------------------------
patching:
    ENTER
    lgr %r8, %r2
    larl %r10, cell
    larl %r5, victim
    ltgr %r8, %r8
    jnz 0f
    xc 0(256,%r10), 0(%r10)
    mvhhi 0(%r5), HALF_LGHI_2
    mvhhi 2(%r5), 0
    mvhhi 4(%r5), BR_14
0:  CALL barrier
    larl %r10, cell
    larl %r5, victim
    lgrl %r11, rounds
    lghi %r6, 0
    ltgr %r8, %r8
    jnz patch_reader
1:  aghi %r6, 1
    lgrl %r1, patcher
    basr %r14, %r1
    stg %r6, 0(%r10)                    # told
    basr %r14, %r5
    cgr %r2, %r6
    je 2f
    agsi 64(%r10), 1
2:  lgr %r1, %r6
    nill %r1, 31
    tmll %r1, 31
    jnz 3f
    YIELD
3:  brctg %r11, 1b
    LEAVE
patch_reader:
    lg %r7, 0(%r10)
    SERIALISE
    basr %r14, %r5
    cgr %r2, %r7
    jnl 1f
    agsi 64(%r10), 1
1:  cgr %r2, %r6                        # and what is new stays new
    jnl 2f
    agsi 64(%r10), 1
2:  lgr %r6, %r2
    cgr %r7, %r11
    jl patch_reader
    LEAVE

# 0(%r10) counts the changes, twice each: odd while one is made. The branch is on after an
# odd change.
switching:
    ENTER
    lgr %r8, %r2
    larl %r10, cell
    larl %r5, switch
    ltgr %r8, %r8
    jnz 0f
    xc 0(256,%r10), 0(%r10)
    mvi 1(%r5), 0x04
0:  CALL barrier
    larl %r10, cell
    larl %r5, switch
    lgrl %r11, rounds
    sllg %r11, %r11, 1
    lghi %r6, 0
    ltgr %r8, %r8
    jnz 4f
1:  aghi %r6, 1
    stg %r6, 0(%r10)
    tmll %r6, 2
    jz 2f
    mvi 1(%r5), 0x04
    j 3f
2:  mvi 1(%r5), 0xf4
3:  aghi %r6, 1
    stg %r6, 0(%r10)
    tmll %r6, 63
    jnz 8f
    YIELD
8:  cgr %r6, %r11
    jl 1b
    LEAVE
4:  lg %r6, 0(%r10)
    SERIALISE
    CALL switch_function
    lg %r7, 0(%r10)
    cgr %r6, %r7
    jne 4b
    cgr %r6, %r11
    jnl 9f
    tmll %r6, 1
    jo 4b                               # a change is being made
    srlg %r1, %r6, 1
    nill %r1, 1
    cgr %r1, %r2
    je 4b
    agsi 64(%r10), 1
    j 4b
9:  LEAVE
switch_function:
    lghi %r2, 0
switch:
    brc 0, 1f
    br %r14
1:  lghi %r2, 1
    br %r14

# CPU 0 waits until all others are in the loop, opens it by changing its first halfword's
# mask, waits until they are out, and closes it. A loop's first instruction is BRC.
freeing:
    ENTER
    lgr %r8, %r2
    CALL barrier
    larl %r10, cell
    lgrl %r5, patcher
    lgrl %r11, rounds
    srlg %r11, %r11, 3
    lgrl %r9, cpus
    aghi %r9, -1
    ltgr %r8, %r8
    jnz 4f
0:  lg %r1, 0(%r10)                     # in
    cgr %r1, %r9
    je 1f
    YIELD
    j 0b
1:  YIELD
    mvghi 0(%r10), 0
    mvi 1(%r5), 0x04
2:  lg %r1, 8(%r10)                     # out
    cgr %r1, %r9
    je 3f
    YIELD
    j 2b
3:  mvi 1(%r5), 0xf4
    mvghi 8(%r10), 0
    agsi 16(%r10), 1                    # next round
    brctg %r11, 0b
    LEAVE
4:  lghi %r7, 0
5:  lghi %r1, 1
    laag %r2, %r1, 0(%r10)
    basr %r14, %r5
    agsi 72(%r10), 1
    laag %r2, %r1, 8(%r10)
    aghi %r7, 1
6:  lg %r2, 16(%r10)
    cgr %r2, %r7
    je 7f
    YIELD
    j 6b
7:  SERIALISE
    brctg %r11, 5b
    LEAVE

    .balign 64
loop_self:
    brc 15, loop_self
    br %r14
    .balign 64
loop_one:
    brc 15, 0f
    br %r14
0:  aghi %r4, 1
    aghi %r3, -1
    j loop_one
    .balign 64
loop_three:
    brc 15, 0f
    br %r14
0:  aghi %r4, 1
    tmll %r4, 1
    jz 1f
    aghi %r3, 1
1:  tmll %r4, 2
    jz loop_three
    aghi %r3, 2
    j loop_three

own_code:
    ENTER
    lgr %r8, %r2
    CALL barrier
    larl %r10, cell
    sllg %r5, %r8, 4
    larl %r1, codes
    agr %r5, %r1
    mvhhi 0(%r5), HALF_LGHI_2
    mvhhi 4(%r5), BR_14
    lgrl %r11, rounds
0:  sth %r11, 2(%r5)
    basr %r14, %r5
    cgr %r2, %r11
    je 1f
    agsi 64(%r10), 1
1:  brctg %r11, 0b
    LEAVE

# The word at `codes` is LGHI %r2,n: each CPU stores its own number; what is returned is
# one of those, and a CPU that is alone with it finds its own.
shared_code:
    ENTER
    lgr %r8, %r2
    larl %r5, codes
    mvhhi 0(%r5), HALF_LGHI_2
    mvhhi 4(%r5), BR_14
    mvhhi 2(%r5), 0
    CALL barrier
    larl %r10, cell
    larl %r5, codes
    lgrl %r11, rounds
0:  sth %r8, 2(%r5)
    basr %r14, %r5
    clgr %r2, %r8
    je 1f
    lgrl %r1, cpus
    clgr %r2, %r1
    jl 1f
    agsi 64(%r10), 1
1:  brctg %r11, 0b
    LEAVE

    .balign 4096
    .skip 4096-64
    .balign 2
    .skip 52
loop_pages:
    brc 15, 0f
    br %r14
0:  aghi %r4, 1
    aghi %r3, -1
    aghi %r3, -1
    j loop_pages

    .balign 256
victim:
    lghi %r2, 0
    br %r14
    nopr

.bss
    .balign 4096
cell:
    .skip 4096
codes:
    .skip 4096
patcher:
    .skip 8
rounds:
    .skip 8
.text
