# The order of storage accesses as other CPUs see it: litmus tests of the architecture's
# rules. A CPU's fetches stay in order, so do its stores, and no store comes before a fetch
# that precedes it; only a fetch may come before a store that precedes it, unless the
# program serialises (BCR 15,0, BCR 14,0, COMPARE AND SWAP). A store is seen by all other
# CPUs at once.
# Parameter: rounds=N (default 20), each over 1000 pairs of locations.
.include "rt.inc"
.include "smp.inc"

.equ CELLS, 1000
.equ STRIDE, 64

# Each test: `name`, what CPUs 0 to 3 do to the pair at %r5 (X) and %r6 (Y), both zero
# before, and what is checked afterwards. A CPU's two results go to 0(%r7) and 8(%r7); the
# check has those of CPU n at 16*n(%r7) and jumps to 7f if all is well.
.macro LITMUS name, cpus, cpu0, cpu1, checks, cpu2=nothing, cpu3=nothing
    lgrl %r1, cpus
    cghi %r1, \cpus
    jl 9969f
    BEGIN "\name"
    lgrl %r12, rounds
9960:
    CALL clear
    EVERYWHERE 9970f
    CALL load_pointers
9961:
    \checks
    aghi %r9, 1
7:  CALL next_cell
    jnz 9961b
    lgr %r2, %r9
    lghi %r3, 0
    CHECK
    brctg %r12, 9960b
    END
    j 9969f
9970:
    ENTER
    lgr %r8, %r2
    CALL barrier
    lgr %r1, %r8
    CALL load_pointers
    sllg %r8, %r1, 4
    agr %r7, %r8
    cghi %r1, 0
    je 9980f
    cghi %r1, 1
    je 9981f
    cghi %r1, 2
    je 9982f
    cghi %r1, 3
    jne 9989f
9983:
    lghi %r1, \cpus
    lghi %r2, 3
    CALL meet
    \cpu3
    CALL next_cell
    jnz 9983b
    j 9989f
9982:
    lghi %r1, \cpus
    lghi %r2, 2
    CALL meet
    \cpu2
    CALL next_cell
    jnz 9982b
    j 9989f
9981:
    lghi %r1, \cpus
    lghi %r2, 1
    CALL meet
    \cpu1
    CALL next_cell
    jnz 9981b
    j 9989f
9980:
    lghi %r1, \cpus
    lghi %r2, 0
    CALL meet
    \cpu0
    CALL next_cell
    jnz 9980b
9989:
    LEAVE
9969:
.endm
.macro nothing
.endm
# %r2 = result: kept
.macro KEEP first=%r2, second=%r3
    stg \first, 0(%r7)
    stg \second, 8(%r7)
.endm
.macro STORE to, value
    mvghi 0(\to), \value
.endm
# All is well unless the doubleword has this value.
.macro UNLESS offset, base, value
    cghsi \offset(\base), \value
    jne 7f
.endm

main:
    NUMBER "rounds=", 20
    stgrl %r2, rounds
    CALL smp_init
    SAY_CPUS

    # One CPU sees its own stores.
    .macro OWN_0
    STORE %r5, 1
    lg %r2, 0(%r5)
    mvi 7(%r5), 2
    lg %r3, 0(%r5)
    KEEP
    .endm
    .macro OWN_CHECK
    clc 0(16,%r7), one_two-litmus_data(%r10)
    je 7f
    .endm
    larl %r10, litmus_data
    LITMUS "a CPU sees its own stores", 1, OWN_0, nothing, OWN_CHECK

    .macro SB_BCR15_0
    STORE %r5, 1
    bcr 15, %r0
    lg %r2, 0(%r6)
    KEEP
    .endm
    .macro SB_BCR15_1
    STORE %r6, 1
    bcr 15, %r0
    lg %r2, 0(%r5)
    KEEP
    .endm
    .macro SB_CHECK
    UNLESS 0, %r7, 0
    UNLESS 16, %r7, 0
    .endm
    LITMUS "store, BCR 15, fetch", 2, SB_BCR15_0, SB_BCR15_1, SB_CHECK

    .macro SB_BCR14_0
    STORE %r5, 1
    bcr 14, %r0
    lg %r2, 0(%r6)
    KEEP
    .endm
    .macro SB_BCR14_1
    STORE %r6, 1
    bcr 14, %r0
    lg %r2, 0(%r5)
    KEEP
    .endm
    LITMUS "store, BCR 14, fetch", 2, SB_BCR14_0, SB_BCR14_1, SB_CHECK

    .macro SB_CS_0
    STORE %r5, 1
    cs %r0, %r0, 32(%r7)
    lg %r2, 0(%r6)
    KEEP
    .endm
    .macro SB_CS_1
    STORE %r6, 1
    cs %r0, %r0, 32(%r7)
    lg %r2, 0(%r5)
    KEEP
    .endm
    LITMUS "store, COMPARE AND SWAP, fetch", 2, SB_CS_0, SB_CS_1, SB_CHECK

    .macro SB_CSG_0
    lghi %r1, 1
    lghi %r2, 0
    csg %r2, %r1, 0(%r5)
    lg %r2, 0(%r6)
    KEEP
    .endm
    .macro SB_CSG_1
    lghi %r1, 1
    lghi %r2, 0
    csg %r2, %r1, 0(%r6)
    lg %r2, 0(%r5)
    KEEP
    .endm
    LITMUS "stored by COMPARE AND SWAP (64), fetch", 2, SB_CSG_0, SB_CSG_1, SB_CHECK

    .macro SB_STCK_0
    STORE %r5, 1
    stck LC_FREE+0x20
    lg %r2, 0(%r6)
    KEEP
    .endm
    .macro SB_STCK_1
    STORE %r6, 1
    stck LC_FREE+0x20
    lg %r2, 0(%r5)
    KEEP
    .endm
    LITMUS "store, STORE CLOCK, fetch", 2, SB_STCK_0, SB_STCK_1, SB_CHECK

    .macro SB_MVC_0
    mvc 0(8,%r5), one-litmus_data(%r10)
    bcr 15, %r0
    lg %r2, 0(%r6)
    KEEP
    .endm
    .macro SB_MVC_1
    mvc 0(8,%r6), one-litmus_data(%r10)
    bcr 15, %r0
    lg %r2, 0(%r5)
    KEEP
    .endm
    LITMUS "stored by MVC, BCR 15, fetch", 2, SB_MVC_0, SB_MVC_1, SB_CHECK

    .macro MP_0
    STORE %r5, 1
    STORE %r6, 1
    .endm
    .macro MP_1
    lg %r2, 0(%r6)
    lg %r3, 0(%r5)
    KEEP
    .endm
    .macro MP_CHECK
    UNLESS 16, %r7, 1
    UNLESS 24, %r7, 0
    .endm
    LITMUS "message passing", 2, MP_0, MP_1, MP_CHECK

    .macro MP_MVC_0
    mvc 0(16,%r5), ones-litmus_data(%r10)
    mvc 0(8,%r6), one-litmus_data(%r10)
    .endm
    .macro MP_MVC_1
    lg %r2, 0(%r6)
    mvc 8(8,%r7), 8(%r5)
    stg %r2, 0(%r7)
    .endm
    LITMUS "message passing by MVC", 2, MP_MVC_0, MP_MVC_1, MP_CHECK

    .macro MP_STMG_0
    lmg %r2, %r3, ones-litmus_data(%r10)
    stmg %r2, %r3, 0(%r5)
    sth %r3, 6(%r6)
    .endm
    .macro MP_STMG_1
    lh %r2, 6(%r6)
    lgfr %r2, %r2
    lg %r3, 8(%r5)
    nilh %r3, 0
    KEEP
    .endm
    LITMUS "message passing by STMG and STH", 2, MP_STMG_0, MP_STMG_1, MP_CHECK

    .macro LB_0
    lg %r2, 0(%r5)
    STORE %r6, 1
    KEEP
    .endm
    .macro LB_1
    lg %r2, 0(%r6)
    STORE %r5, 1
    KEEP
    .endm
    .macro LB_CHECK
    UNLESS 0, %r7, 1
    UNLESS 16, %r7, 1
    .endm
    LITMUS "fetch before store", 2, LB_0, LB_1, LB_CHECK

    .macro S_0
    STORE %r5, 2
    STORE %r6, 1
    .endm
    .macro S_1
    lg %r2, 0(%r6)
    STORE %r5, 1
    KEEP
    .endm
    .macro S_CHECK
    UNLESS 16, %r7, 1
    UNLESS 0, %r5, 2
    .endm
    LITMUS "store after a fetch of what came after a store", 2, S_0, S_1, S_CHECK

    .macro W2_0
    STORE %r5, 1
    STORE %r6, 2
    .endm
    .macro W2_1
    STORE %r6, 1
    STORE %r5, 2
    .endm
    .macro W2_CHECK
    UNLESS 0, %r5, 1
    UNLESS 0, %r6, 1
    .endm
    LITMUS "two stores each", 2, W2_0, W2_1, W2_CHECK

    .macro R_0
    STORE %r5, 1
    STORE %r6, 1
    .endm
    .macro R_1
    STORE %r6, 2
    bcr 15, %r0
    lg %r2, 0(%r5)
    KEEP
    .endm
    .macro R_CHECK
    UNLESS 0, %r6, 2
    UNLESS 16, %r7, 0
    .endm
    LITMUS "stores against store and fetch", 2, R_0, R_1, R_CHECK

    .macro CO_0
    STORE %r5, 1
    STORE %r5, 2
    .endm
    .macro CO_1
    lg %r2, 0(%r5)
    lg %r3, 0(%r5)
    KEEP
    .endm
    .macro CO_CHECK
    clc 16(8,%r7), 24(%r7)
    jnh 7f
    .endm
    LITMUS "one location does not go back", 2, CO_0, CO_1, CO_CHECK

    .macro W_X
    STORE %r5, 1
    .endm
    .macro W_Y
    STORE %r6, 1
    .endm
    .macro R_XY
    lg %r2, 0(%r5)
    lg %r3, 0(%r6)
    KEEP
    .endm
    .macro R_YX
    lg %r2, 0(%r6)
    lg %r3, 0(%r5)
    KEEP
    .endm
    .macro IRIW_CHECK
    UNLESS 32, %r7, 1
    UNLESS 40, %r7, 0
    UNLESS 48, %r7, 1
    UNLESS 56, %r7, 0
    .endm
    LITMUS "two readers agree on two writers", 4, W_X, W_Y, IRIW_CHECK, R_XY, R_YX

    .macro WRC_1
    lg %r2, 0(%r5)
    stg %r2, 0(%r6)
    .endm
    .macro WRC_2
    lg %r2, 0(%r6)
    lg %r3, 0(%r5)
    KEEP
    .endm
    .macro WRC_CHECK
    UNLESS 32, %r7, 1
    UNLESS 40, %r7, 0
    .endm
    LITMUS "what is passed on was seen before", 4, W_X, WRC_1, WRC_CHECK, WRC_2

    jg smp_finish

# ---------------------------------------------------------------------------
# %r5, %r6, %r7 at the first cells, %r4 how many, %r9 = 0, %r10 = constants. Keeps %r1.
load_pointers:
    larl %r5, cells_x
    larl %r6, cells_y
    larl %r7, results
    larl %r11, meetings
    lghi %r4, CELLS
    lghi %r9, 0
    larl %r10, litmus_data
    br %r14
# Condition code 0 behind the last.
next_cell:
    aghi %r5, STRIDE
    aghi %r6, STRIDE
    aghi %r7, STRIDE
    aghi %r11, STRIDE
    aghi %r4, -1
    br %r14

# %r1 CPUs meet at each pair of locations, so that what they do there is at one time: in no
# more steps than that, for one of them may not be running. Then each waits a little, another
# time for each pair. %r2 = CPU.
meet:
    lghi %r3, 1
    laag %r0, %r3, 0(%r11)
    lghi %r3, 1000
0:  clg %r1, 0(%r11)
    jnh 1f
    brctg %r3, 0b
1:  lgr %r3, %r4
    ltgr %r2, %r2
    jz 2f
    srlg %r3, %r4, 3(%r2)
2:  nill %r3, 63
    llghr %r3, %r3
    aghi %r3, 1
3:  brctg %r3, 3b
    br %r14

clear:
    ENTER
    larl %r2, cells_x
    lgfi %r3, CELLS*STRIDE*4
    lghi %r4, 0
    lghi %r5, 0
0:  mvcle %r2, %r4, 0
    jo 0b
    LEAVE

.data
    .balign 16
litmus_data:
one:
    .quad 1
one_two:
    .quad 1, 2
    .balign 16
ones:
    .quad 0x0001000100010001, 0x0000000000010001
.bss
    .balign 4096
cells_x:
    .skip CELLS*STRIDE
cells_y:
    .skip CELLS*STRIDE
results:
    .skip CELLS*STRIDE
meetings:
    .skip CELLS*STRIDE
rounds:
    .skip 8
.text
