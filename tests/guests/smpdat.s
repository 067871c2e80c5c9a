# Translations forgotten on every CPU before the instruction that invalidates them is
# complete: IPTE, IDTE, CSPG and CSP with purging; SSKE and RRBE with access control, change and
# reference bits; and PTLB on one CPU.
# Parameter: rounds=N (default 120).
#
# CPU 0 moves a virtual page from frame to frame. What it does each round: write the new
# frame, take the old translation away, write POISON into the old frame, and map the new
# one. The others read, write and execute through the virtual page all the time. One that
# finds POISON, or whose store arrives in the old frame after the instruction, has used a
# translation that was gone.
.include "rt.inc"
.include "smp.inc"

.equ POISON, 0x6666
.equ PTE_INVALID, 0x400
.equ PTE_PROTECT, 0x200
.equ STE_INVALID, 0x20
.equ WINDOW, 0x20000000                 # segment 512: one page table of its own
.equ WINDOW_SEGMENT, 512
.equ ALIAS, 0x20100000                  # segment 513: the same page table
.equ SEGMENTS, 64                       # mapped one to one
.equ FRAMES, 4
# A frame: 0 the round's number; 64.. stores of the CPUs, a doubleword each; 0x800 code
.equ FRAME_STORES, 64
.equ FRAME_CODE, 0x800
.equ LGHI_2, 0xa729
.equ BR_14, 0x07fe

main:
    NUMBER "rounds=", 120
    stgrl %r2, rounds
    CALL smp_init
    SAY_CPUS
    CALL make_tables

    .macro MOVES name, off
    BEGIN "\name"
    larl %r2, mover_\off
    CALL moving
    END
    .endm
    MOVES "INVALIDATE PAGE TABLE ENTRY", ipte
    MOVES "INVALIDATE PAGE TABLE ENTRY, page index only", ipte_index
    MOVES "COMPARE AND SWAP AND PURGE (64)", cspg
    MOVES "COMPARE AND SWAP AND PURGE", csp
    MOVES "INVALIDATE DAT TABLE ENTRY", idte
    MOVES "INVALIDATE DAT TABLE ENTRY, clear by ASCE", idte_clear

    # The page becomes protected, as for copy on write: no store arrives afterwards, and
    # each CPU is refused.
    BEGIN "page made read-only"
    CALL protecting
    END

    # One page table in two segments: an entry invalidated through one address is gone for
    # the other as well, since only the page index counts.
    BEGIN "page table shared by two segments"
    CALL dat_on
    larl %r11, frames
    larl %r10, page_table
    llilf %r6, WINDOW
    llilf %r7, ALIAS
    lghi %r8, 100
1:  mvghi 0(%r11), 1
    lay %r1, 4096(%r11)
    mvghi 0(%r1), 2
    stg %r11, 0(%r10)
    lg %r2, 0(%r6)
    lghi %r3, 1
    CHECK
    lg %r2, 0(%r7)
    lghi %r3, 1
    CHECK
    ipte %r10, %r6
    lay %r1, 4096(%r11)
    stg %r1, 0(%r10)
    lg %r2, 0(%r7)
    lghi %r3, 2
    CHECK
    lg %r2, 0(%r6)
    lghi %r3, 2
    CHECK
    ipte %r10, %r7
    brctg %r8, 1b
    END

    # PURGE TLB on the CPU itself: what the table says now is used.
    BEGIN "PURGE TLB"
    CALL dat_on
    larl %r11, frames
    larl %r10, page_table
    llilf %r6, WINDOW
    lghi %r8, 100
1:  mvghi 0(%r11), 1
    lay %r1, 4096(%r11)
    mvghi 0(%r1), 2
    stg %r11, 0(%r10)
    ptlb
    lg %r2, 0(%r6)
    lghi %r3, 1
    CHECK
    lay %r1, 4096(%r11)
    stg %r1, 0(%r10)
    ptlb
    lg %r2, 0(%r6)
    lghi %r3, 2
    CHECK
    brctg %r8, 1b
    ipte %r10, %r6
    END

    # The next instruction already uses the new translation, also where it is in the block
    # that has been running.
    BEGIN "no old translation for the next instruction"
    CALL dat_on
    larl %r11, frames
    larl %r10, page_table
    llilf %r6, WINDOW
    lghi %r8, 200
    lay %r12, 4096(%r11)
1:  mvghi 0(%r11), 1
    mvghi 0(%r12), 2
    stg %r11, 0(%r10)
    lg %r4, 0(%r6)
    ipte %r10, %r6
    stg %r12, 0(%r10)
    lg %r5, 0(%r6)
    mvghi 0(%r6), 3
    ipte %r10, %r6
    lgr %r2, %r4
    lghi %r3, 1
    CHECK
    lgr %r2, %r5
    lghi %r3, 2
    CHECK
    lg %r2, 0(%r11)
    lghi %r3, 1
    CHECK
    lg %r2, 0(%r12)
    lghi %r3, 3
    CHECK
    brctg %r8, 1b
    END

    # SSKE takes the change bit away; a store of another CPU after that sets it, although
    # the CPU has stored there before.
    BEGIN "SET STORAGE KEY: change bit"
    larl %r2, keeper_sske
    CALL keys
    END

    # The page gets a key that the others do not store under: no store arrives afterwards.
    BEGIN "SET STORAGE KEY: access control"
    CALL locking
    END

    BEGIN "RESET REFERENCE BIT"
    larl %r2, keeper_rrbe
    CALL keys
    END

    EVERYWHERE dat_off
    jg smp_finish

# ---------------------------------------------------------------------------
# CPU 0 moves as %r2 says, the others use the window.
moving:
    ENTER
    stgrl %r2, mover
    larl %r9, round
    mvghi 0(%r9), 0                     # no round yet
    mvghi 8(%r9), 0                     # going on
    mvghi 16(%r9), 0                    # stale reads
    mvghi 24(%r9), 0                    # uses of the window, all CPUs
    mvghi 40(%r9), 0
    # The window starts invalid.
    larl %r10, page_table
    mvghi 0(%r10), PTE_INVALID
    EVERYWHERE dat_on
    EVERYWHERE moving_part
    larl %r9, round
    lg %r2, 16(%r9)
    EXPECT %r2, 0
    lg %r2, 40(%r9)                     # stale code
    EXPECT %r2, 0
    lg %r2, 32(%r9)                     # stores that came late
    EXPECT %r2, 0
    lgrl %r2, cpus
    cghi %r2, 1
    je 0f
    lg %r2, 24(%r9)                     # and they have used it
    ltgr %r2, %r2
    EXPECT_CC 2
0:  LEAVE

moving_part:
    ENTER
    larl %r9, round
    larl %r10, page_table
    lgr %r8, %r2
    CALL barrier
    larl %r10, page_table
    larl %r9, round
    ltgr %r8, %r8
    jnz reader
    mvghi 32(%r9), 0
    lgrl %r7, rounds
    lghi %r6, 0                         # round
    larl %r12, frames                   # frame in use (none at first)
0:  aghi %r6, 1
    # The next frame: number, code.
    lgr %r1, %r6
    nill %r1, FRAMES-1
    sllg %r1, %r1, 12
    larl %r11, frames
    agr %r11, %r1
    stg %r6, 0(%r11)
    llilf %r1, LGHI_2<<16
    lgr %r2, %r6
    nill %r2, 0x3fff
    llghr %r2, %r2
    ogr %r1, %r2
    sllg %r1, %r1, 32
    llilf %r2, BR_14<<16
    ogr %r1, %r2
    stg %r1, FRAME_CODE(%r11)
    lgrl %r1, mover
    basr %r14, %r1                      # the window is gone, or leads to the new frame
    # Nobody uses the old frame any more.
    mvghi 0(%r12), POISON
    lay %r1, FRAME_CODE(%r12)
    mvhhi 2(%r1), POISON
    xc FRAME_STORES(8*MAX_CPUS,%r12), FRAME_STORES(%r12)
    stg %r11, 0(%r10)                   # mapped, if not so already
    stg %r6, 0(%r9)
    # Stores that arrive in the old frame now are late.
    lghi %r5, 30
1:  lghi %r4, MAX_CPUS
2:  sllg %r1, %r4, 3
    lg %r1, FRAME_STORES-8(%r1,%r12)
    ltgr %r1, %r1
    jz 3f
    agsi 32(%r9), 1
3:  brctg %r4, 2b
    brctg %r5, 1b
    lgr %r12, %r11
    tmll %r6, 15
    jnz 4f
    CALL all_have_used
4:  brctg %r7, 0b
    mvghi 8(%r9), 1
    llilf %r1, WINDOW
    ipte %r10, %r1
    LEAVE

# Reads, writes, executes in the window until the mover is done. A page that is not there
# is tried again.
reader:
    larl %r1, absent
    stg %r1, LC_PGM_NEW+8
    lg %r1, LC_PGM_NEW
    oihh %r1, 0x0400                    # DAT stays on
    stg %r1, LC_PGM_NEW
    llilf %r6, WINDOW
    lghi %r7, 0                         # newest round seen
    lghi %r5, 0                         # uses
    sllg %r8, %r8, 3
reader_again:
    lg %r1, 8(%r9)
    ltgr %r1, %r1
    jnz 5f
    lg %r11, 0(%r9)                     # at least this round's frame
    lg %r2, 0(%r6)
    cghi %r2, POISON
    je stale
    clgr %r2, %r11
    jl stale
    clgr %r2, %r7                       # and rounds do not go back
    jl stale
    lgr %r7, %r2
    stg %r7, FRAME_STORES(%r8,%r6)
    la %r3, FRAME_CODE(%r6)
    SERIALISE                           # the code is another CPU's
    basr %r14, %r3
    cghi %r2, POISON
    je stale_code
    # The code of the last round that was told, or a newer one's. Not of the round that the
    # number above was read in: until the purge is complete a CPU may fetch data by the new
    # translation and instructions by the old one.
    sgr %r2, %r11
    tmll %r2, 0x2000
    jz 3f
stale_code:
    agsi 40(%r9), 1
    j 3f
stale:
    agsi 16(%r9), 1
3:  aghi %r5, 1
    stg %r5, 64(%r8,%r9)
    j reader_again
5:  laag %r1, %r5, 24(%r9)
    lgrl %r1, psw_std
    stg %r1, LC_PGM_NEW
    larl %r1, unexpected_pgm
    stg %r1, LC_PGM_NEW+8
    LEAVE
absent:
    llgh %r1, LC_PGM_CODE
    cghi %r1, 0x11                      # page translation
    je reader_again
    cghi %r1, 0x10                      # segment translation
    je reader_again
    jg unexpected_pgm

# The movers: %r10 = page-table entry, %r11 = new frame, %r6 = round.
mover_ipte:
    llilf %r1, WINDOW
    ipte %r10, %r1
    br %r14
mover_ipte_index:
    llilf %r1, WINDOW ^ 0x6a300000
    ipte %r10, %r1
    br %r14
mover_cspg:
    lg %r2, 0(%r10)
    lgr %r3, %r11
    la %r4, 1(%r10)
    cspg %r2, %r4
    br %r14
mover_csp:
    l %r2, 4(%r10)
    lr %r3, %r11
    la %r4, 5(%r10)
    csp %r2, %r4
    br %r14
mover_idte:
    larl %r1, segment_table
    llilf %r2, WINDOW
    lgr %r3, %r1
    oill %r3, 3
    idte %r1, %r3, %r2
    stg %r11, 0(%r10)
    lay %r1, WINDOW_SEGMENT*8(%r1)
    ni 7(%r1), 255-STE_INVALID
    br %r14
mover_idte_clear:
    mvghi 0(%r10), PTE_INVALID
    larl %r1, segment_table
    lghi %r2, 0x800
    lgr %r3, %r1
    oill %r3, 3
    idte %r1, %r3, %r2
    br %r14

# ---------------------------------------------------------------------------
protecting:
    ENTER
    larl %r9, round
    xc 0(256,%r9), 0(%r9)
    larl %r10, page_table
    mvghi 0(%r10), PTE_INVALID
    larl %r11, frames
    xc FRAME_STORES(8*MAX_CPUS,%r11), FRAME_STORES(%r11)
    EVERYWHERE dat_on
    EVERYWHERE protecting_part
    larl %r9, round
    lg %r2, 16(%r9)
    EXPECT %r2, 0
    LEAVE

protecting_part:
    ENTER
    lgr %r8, %r2
    CALL barrier
    larl %r9, round
    larl %r10, page_table
    larl %r11, frames
    ltgr %r8, %r8
    jnz storer
    lgrl %r7, rounds
0:  stg %r11, 0(%r10)                   # open
    lghi %r5, 50
1:  brctg %r5, 1b
    llilf %r1, WINDOW
    ipte %r10, %r1
    lgr %r1, %r11
    oill %r1, PTE_PROTECT
    stg %r1, 0(%r10)                    # closed: nothing moves now
    larl %r3, snapshot
    mvc 0(8*MAX_CPUS,%r3), FRAME_STORES(%r11)
    lghi %r5, 20
2:  clc 0(8*MAX_CPUS,%r3), FRAME_STORES(%r11)
    je 3f
    agsi 16(%r9), 1
3:  brctg %r5, 2b
    llilf %r1, WINDOW
    ipte %r10, %r1
    tmll %r7, 15
    jnz 4f
    stg %r11, 0(%r10)
    CALL all_have_used
    llilf %r1, WINDOW
    ipte %r10, %r1
4:  brctg %r7, 0b
    mvghi 8(%r9), 1
    LEAVE

# Waits until every other CPU has used the window once more.
all_have_used:
    ENTER
    lgrl %r7, cpus
    j 1f
0:  sllg %r6, %r7, 3
    agr %r6, %r9
    lg %r5, 64(%r6)
2:  YIELD
    cg %r5, 64(%r6)
    je 2b
1:  aghi %r7, -1
    jp 0b
    LEAVE

# Stores a count in the window for ever; refused, it tries again.
storer:
    larl %r1, refused
    stg %r1, LC_PGM_NEW+8
    lg %r1, LC_PGM_NEW
    oihh %r1, 0x0400
    stg %r1, LC_PGM_NEW
    llilf %r6, WINDOW
    sllg %r8, %r8, 3
    lghi %r5, 0
storer_again:
    lg %r1, 8(%r9)
    ltgr %r1, %r1
    jnz 0f
    aghi %r5, 1
    stg %r5, FRAME_STORES(%r8,%r6)
    stg %r5, 64(%r8,%r9)
    j storer_again
0:  lgrl %r1, psw_std
    stg %r1, LC_PGM_NEW
    larl %r1, unexpected_pgm
    stg %r1, LC_PGM_NEW+8
    LEAVE
refused:
    llgh %r1, LC_PGM_CODE
    cghi %r1, 0x11
    je storer_again
    cghi %r1, 0x04
    je storer_again
    jg unexpected_pgm

# ---------------------------------------------------------------------------
# CPU 0 opens and closes a page by its key; the others store there under key 3.
.equ OPEN_KEY, 0x30
.equ CLOSED_KEY, 0x40
locking:
    ENTER
    larl %r9, round
    xc 0(256,%r9), 0(%r9)
    larl %r11, frames
    xc FRAME_STORES(8*MAX_CPUS,%r11), FRAME_STORES(%r11)
    EVERYWHERE locking_part
    larl %r9, round
    lg %r2, 16(%r9)
    EXPECT %r2, 0
    LEAVE

locking_part:
    ENTER
    lgr %r8, %r2
    CALL barrier
    larl %r9, round
    larl %r11, frames
    ltgr %r8, %r8
    jnz locked_out
    lgrl %r7, rounds
0:  lghi %r1, OPEN_KEY
    sske %r1, %r11
    lghi %r5, 50
1:  brctg %r5, 1b
    lghi %r1, CLOSED_KEY
    sske %r1, %r11
    larl %r3, snapshot
    mvc 0(8*MAX_CPUS,%r3), FRAME_STORES(%r11)
    lghi %r5, 20
2:  clc 0(8*MAX_CPUS,%r3), FRAME_STORES(%r11)
    je 3f
    agsi 16(%r9), 1
3:  brctg %r5, 2b
    tmll %r7, 15
    jnz 4f
    lghi %r1, OPEN_KEY
    sske %r1, %r11
    CALL all_have_used
4:  brctg %r7, 0b
    mvghi 8(%r9), 1
    lghi %r1, 0
    sske %r1, %r11
    LEAVE

# Stores a count under key 3 for ever; refused, it tries again.
locked_out:
    larl %r1, refused_by_key
    stg %r1, LC_PGM_NEW+8
    lg %r1, LC_PGM_NEW
    oihh %r1, 0x0400
    stg %r1, LC_PGM_NEW
    sllg %r8, %r8, 3
    lghi %r5, 0
locked_again:
    lg %r1, 8(%r9)
    ltgr %r1, %r1
    jnz 0f
    aghi %r5, 1
    spka OPEN_KEY
    stg %r5, FRAME_STORES(%r8,%r11)
    spka 0
    stg %r5, 64(%r8,%r9)
    j locked_again
0:  lgrl %r1, psw_std
    stg %r1, LC_PGM_NEW
    larl %r1, unexpected_pgm
    stg %r1, LC_PGM_NEW+8
    LEAVE
refused_by_key:
    llgh %r1, LC_PGM_CODE
    cghi %r1, 0x04
    je locked_again
    jg unexpected_pgm

# ---------------------------------------------------------------------------
# Keys: CPU 0 changes the key of a page that all have used, another CPU uses it once.
keys:
    ENTER
    stgrl %r2, mover
    larl %r9, round
    xc 0(256,%r9), 0(%r9)
    larl %r11, frames
    EVERYWHERE dat_on
    EVERYWHERE keys_part
    larl %r9, round
    lg %r2, 16(%r9)
    EXPECT %r2, 0
    LEAVE

keys_part:
    ENTER
    lgr %r8, %r2
    larl %r11, frames
    mvghi 0(%r11), 1                    # all have it in their TLBs
    lg %r1, 0(%r11)
    CALL barrier
    larl %r9, round
    larl %r11, frames
    lgrl %r12, cpus
    ltgr %r8, %r8
    jnz toucher
    lgrl %r7, rounds
    lghi %r6, 0
0:  aghi %r6, 1
    lgr %r5, %r6                        # whose turn it is
    lghi %r4, 0
    dlgr %r4, %r12
    lgr %r3, %r4
    sllg %r2, %r6, 4                    # round and turn are told together
    ogr %r2, %r3
    lgrl %r1, mover
    basr %r14, %r1                      # %r4 = bit that is off now and will be on
    iske %r1, %r11
    ngr %r1, %r4
    jz 1f
    agsi 16(%r9), 1
1:  stg %r2, 0(%r9)                     # go
    ltgr %r3, %r3
    jz 2f
3:  lg %r1, 40(%r9)                     # done
    cgr %r1, %r2
    je 4f
    YIELD
    j 3b
2:  lg %r1, 0(%r11)
    stg %r6, 0(%r11)
4:  iske %r1, %r11
    ngr %r1, %r4
    jnz 5f
    agsi 16(%r9), 1
5:  brctg %r7, 0b
    mvghi 8(%r9), 1
    LEAVE
toucher:
    lghi %r6, 0
0:  lg %r1, 8(%r9)
    ltgr %r1, %r1
    jnz 2f
    lg %r1, 0(%r9)
    cgr %r1, %r6
    je 1f
    lgr %r6, %r1
    nill %r1, 15
    llghr %r1, %r1
    cgr %r8, %r1
    jne 1f
    lg %r1, 0(%r11)
    stg %r6, 0(%r11)
    stg %r6, 40(%r9)
    j 0b
1:  YIELD
    j 0b
2:  LEAVE

keeper_sske:
    lghi %r1, 0
    sske %r1, %r11
    lghi %r4, 0x02
    br %r14
# The reference bit; its condition code told the bits before.
keeper_rrbe:
    rrbe %r1, %r11
    lghi %r4, 0x04
    br %r14

# ---------------------------------------------------------------------------
# %r2 is not used: every CPU translates from here on (CPU 0 until it prints).
dat_on:
    larl %r1, asce
    lctlg %c1, %c1, 0(%r1)
    stosm LC_FREE, 0x04
    br %r14
dat_off:
    stnsm LC_FREE, 0xfb
    br %r14

make_tables:
    ENTER
    larl %r1, segment_table
    stgrl %r1, asce
    lghi %r3, 3
    ogr %r3, %r1
    stgrl %r3, asce
    lghi %r2, 2048
0:  mvghi 0(%r1), STE_INVALID
    la %r1, 8(%r1)
    brctg %r2, 0b
    larl %r1, segment_table
    larl %r3, page_tables
    lghi %r2, SEGMENTS
    lghi %r5, 0                         # page address
1:  stg %r3, 0(%r1)
    lghi %r4, 256
2:  stg %r5, 0(%r3)
    la %r3, 8(%r3)
    aghi %r5, 4096
    brctg %r4, 2b
    la %r1, 8(%r1)
    brctg %r2, 1b
    larl %r3, page_table
    larl %r1, segment_table+WINDOW_SEGMENT*8
    stg %r3, 0(%r1)
    stg %r3, 8(%r1)                     # and the alias
    lghi %r4, 256
3:  mvghi 0(%r3), PTE_INVALID
    la %r3, 8(%r3)
    brctg %r4, 3b
    LEAVE

.bss
    .balign 16384
segment_table:
    .skip 16384
page_tables:
    .skip 2048*SEGMENTS
page_table:
    .skip 2048
    .balign 4096
frames:
    .skip 4096*FRAMES
round:
    .skip 256
snapshot:
    .skip 256
mover:
    .skip 8
rounds:
    .skip 8
asce:
    .skip 8
.text
