# Benchmark rows: small programs as a compiler makes them, one operation a byte or number.
.include "bench.inc"
.include "answers.inc"
.include "dat.inc"

.equ MESSAGE, DATA                      # 4096 bytes of a pattern
.equ CRC_TABLE, DATA+0x10000
.equ SIEVE, DATA+0x20000
.equ SIEVE_SIZE, 16384
.equ SHA_BYTES, 1024
.equ SORT, DATA+0x30000
.equ SORT_COUNT, 256

prepare:
    ENTER
    CALL map_all
    # the table of the reflected polynomial 0xedb88320
    llilf %r1, CRC_TABLE
    lghi %r2, 0
0:  lr %r3, %r2
    lghi %r4, 8
1:  lr %r5, %r3
    srl %r3, 1
    tmll %r5, 1
    jz 2f
    xilf %r3, 0xedb88320
2:  brct %r4, 1b
    st %r3, 0(%r1)
    la %r1, 4(%r1)
    ahi %r2, 1
    chi %r2, 256
    jl 0b
    LEAVE
unprepare:
    br %r14

fill_message:
    llilf %r1, MESSAGE
    lghi %r2, 0
    llihf %r3, MEMORY_STEP>>32
    iilf %r3, MEMORY_STEP&0xffffffff
    lghi %r0, 512
0:  stg %r2, 0(%r1)
    agr %r2, %r3
    aghi %r1, 8
    brctg %r0, 0b
    br %r14

    ROW "program.crc32", 4096, CRC32, fill_message, TRANSLATED
    llilf %r3, MESSAGE
    llilf %r5, CRC_TABLE
    lghi %r0, 4096
    lhi %r2, -1
0:  llgc %r4, 0(%r3)
    xr %r4, %r2
    llgcr %r4, %r4
    sllg %r4, %r4, 2
    srl %r2, 8
    x %r2, 0(%r4,%r5)
    la %r3, 1(%r3)
    brctg %r0, 0b
    xilf %r2, 0xffffffff
    llgfr %r2, %r2
    br %r14

# A message of 1015 bytes, 16 blocks with what is put behind it; the digest's first 8 bytes
    ROW "program.sha256", SHA_BYTES, SHA256, 8f, TRANSLATED
    lay %r15, -16(%r15)
    stg %r14, 0(%r15)
    larl %r1, sha_initial
    larl %r2, sha_state
    mvc 0(32,%r2), 0(%r1)
    llilf %r0, MESSAGE
    stg %r0, 8(%r15)
0:  # the schedule: 16 words of the message, 48 made of them
    larl %r12, schedule
    lg %r3, 8(%r15)
    mvc 0(64,%r12), 0(%r3)
    lghi %r4, 48
1:  l %r5, 4(%r12)
    rll %r6, %r5, 25
    rll %r7, %r5, 14
    xr %r6, %r7
    srl %r5, 3
    xr %r6, %r5
    l %r5, 56(%r12)
    rll %r8, %r5, 15
    rll %r7, %r5, 13
    xr %r8, %r7
    srl %r5, 10
    xr %r8, %r5
    ar %r6, %r8
    a %r6, 0(%r12)
    a %r6, 36(%r12)
    st %r6, 64(%r12)
    la %r12, 4(%r12)
    brctg %r4, 1b
    larl %r1, sha_state
    lm %r2, %r9, 0(%r1)
    larl %r1, sha_constants
    larl %r12, schedule
    lghi %r13, 8
2:
    .macro SHA_ROUND a, b, c, d, e, f, g, h, at
    rll %r10, %r\e, 26
    rll %r11, %r\e, 21
    xr %r10, %r11
    rll %r11, %r\e, 7
    xr %r10, %r11
    ar %r\h, %r10
    lr %r11, %r\f
    xr %r11, %r\g
    nr %r11, %r\e
    xr %r11, %r\g
    ar %r\h, %r11
    a %r\h, \at(%r1)
    a %r\h, \at(%r12)
    ar %r\d, %r\h
    rll %r10, %r\a, 30
    rll %r11, %r\a, 19
    xr %r10, %r11
    rll %r11, %r\a, 10
    xr %r10, %r11
    ar %r\h, %r10
    lr %r10, %r\a
    or %r10, %r\b
    nr %r10, %r\c
    lr %r11, %r\a
    nr %r11, %r\b
    or %r10, %r11
    ar %r\h, %r10
    .endm
    SHA_ROUND 2, 3, 4, 5, 6, 7, 8, 9, 0
    SHA_ROUND 9, 2, 3, 4, 5, 6, 7, 8, 4
    SHA_ROUND 8, 9, 2, 3, 4, 5, 6, 7, 8
    SHA_ROUND 7, 8, 9, 2, 3, 4, 5, 6, 12
    SHA_ROUND 6, 7, 8, 9, 2, 3, 4, 5, 16
    SHA_ROUND 5, 6, 7, 8, 9, 2, 3, 4, 20
    SHA_ROUND 4, 5, 6, 7, 8, 9, 2, 3, 24
    SHA_ROUND 3, 4, 5, 6, 7, 8, 9, 2, 28
    la %r1, 32(%r1)
    la %r12, 32(%r12)
    brctg %r13, 2b
    larl %r1, sha_state
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    .set reg, 2+\n
    a reg, 4*\n(%r1)
    .endr
    stm %r2, %r9, 0(%r1)
    lg %r3, 8(%r15)
    aghi %r3, 64
    stg %r3, 8(%r15)
    clgfi %r3, MESSAGE+SHA_BYTES
    jl 0b
    lg %r2, 0(%r1)
    lg %r14, 0(%r15)
    la %r15, 16(%r15)
    br %r14
8:  lgr %r13, %r14
    brasl %r14, fill_message
    llilf %r1, MESSAGE+SHA_BYTES-9
    mvi 0(%r1), 0x80
    lghi %r2, 8*(SHA_BYTES-9)
    stg %r2, 1(%r1)
    br %r13

# Eratosthenes' sieve; one operation is one number
    ROW "program.sieve", SIEVE_SIZE, PRIMES, nothing, TRANSLATED
    llilf %r3, SIEVE
    lgr %r4, %r3
    lgfi %r5, SIEVE_SIZE
    lghi %r7, 0
    lgr %r6, %r3
0:  mvcle %r4, %r6, 1
    jo 0b
    lghi %r2, 0
    lghi %r4, 2
1:  llgc %r5, 0(%r4,%r3)
    cgije %r5, 0, 3f
    aghi %r2, 1
    lgr %r6, %r4
    msgr %r6, %r4
    clgfi %r6, SIEVE_SIZE
    jhe 3f
    lghi %r7, 0
2:  stc %r7, 0(%r6,%r3)
    agr %r6, %r4
    clgfi %r6, SIEVE_SIZE
    jl 2b
3:  aghi %r4, 1
    clgfi %r4, SIEVE_SIZE
    jl 1b
    br %r14

# 256 random doublewords sorted by insertion; one operation is one number
    ROW "program.sort", SORT_COUNT, SORTED, nothing, TRANSLATED
    llilf %r3, SORT
    larl %r1, seed
    lg %r4, 0(%r1)
    lghi %r0, SORT_COUNT
    lgr %r5, %r3
0:  sllg %r6, %r4, 13
    xgr %r4, %r6
    srlg %r6, %r4, 7
    xgr %r4, %r6
    sllg %r6, %r4, 17
    xgr %r4, %r6
    stg %r4, 0(%r5)
    la %r5, 8(%r5)
    brctg %r0, 0b
    la %r5, 8(%r3)
1:  lg %r6, 0(%r5)
    lgr %r7, %r5
2:  clgr %r7, %r3
    je 3f
    lg %r8, -8(%r7)
    cgrjnh %r8, %r6, 3f
    stg %r8, 0(%r7)
    aghi %r7, -8
    j 2b
3:  stg %r6, 0(%r7)
    la %r5, 8(%r5)
    lay %r8, 8*SORT_COUNT(%r3)
    clgr %r5, %r8
    jl 1b
    lghi %r2, 0                         # each times its place
    lghi %r0, SORT_COUNT
4:  lgr %r6, %r0
    msg %r6, 0(%r3)
    agr %r2, %r6
    la %r3, 8(%r3)
    brctg %r0, 4b
    br %r14

.data
    .balign 8
seed:
    .quad PATTERN_2
sha_initial:
    .long SHA_H0, SHA_H1, SHA_H2, SHA_H3, SHA_H4, SHA_H5, SHA_H6, SHA_H7
sha_constants:
    .irp row, 0, 1, 2, 3, 4, 5, 6, 7
    .irp column, 0, 1, 2, 3, 4, 5, 6, 7
    .long SHA_K\row\()\column
    .endr
    .endr
.bss
    .balign 8
sha_state:
    .skip 32
schedule:
    .skip 256
