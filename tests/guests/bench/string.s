# Benchmark rows: instructions on strings of bytes, translation on. One operation is
# one instruction, whatever its length; lengths are in the names.
.include "bench.inc"
.include "answers.inc"
.include "dat.inc"

.equ SOURCE, DATA                       # a pattern
.equ TARGET, DATA+0x8000
.equ TABLE_NEXT, DATA+0x10000           # byte i: i + 1
.equ TABLE_STOP, DATA+0x10100           # only byte 0xff is not zero
.equ BYTES, DATA+0x10200                # byte i: i
.equ ONES, DATA+0x10300
.equ TEXT, DATA+0x11000                 # 1000 times 'a', 'z', zero
.equ TEXT_2, DATA+0x11800               # the same

prepare:
    ENTER
    CALL map_all
    llilf %r1, SOURCE
    lghi %r2, 0
    llihf %r3, MEMORY_STEP>>32
    iilf %r3, MEMORY_STEP&0xffffffff
    lghi %r0, 2048
0:  stg %r2, 0(%r1)
    agr %r2, %r3
    aghi %r1, 8
    brctg %r0, 0b
    llilf %r1, TABLE_NEXT
    llilf %r2, BYTES
    llilf %r3, TABLE_STOP
    llilf %r4, ONES
    lghi %r5, 0
0:  stc %r5, 0(%r5,%r2)
    la %r6, 1(%r5)
    stc %r6, 0(%r5,%r1)
    lghi %r6, 0
    stc %r6, 0(%r5,%r3)
    lghi %r6, 255
    stc %r6, 0(%r5,%r4)
    la %r5, 1(%r5)
    cghi %r5, 256
    jl 0b
    mvi 255(%r3), 7
    llilf %r1, TEXT
    llilf %r2, TEXT_2
    lghi %r3, 1000
0:  mvi 0(%r1), 'a'
    mvi 0(%r2), 'a'
    la %r1, 1(%r1)
    la %r2, 1(%r2)
    brctg %r3, 0b
    mvhhi 0(%r1), 'z'<<8
    mvhhi 0(%r2), 'z'<<8
    LEAVE
unprepare:
    br %r14

# %r1 = source, %r3 = target, which is cleared, %r0 = turns, %r2 = 0
.macro READY turns
    llilf %r1, SOURCE
    llilf %r3, TARGET
    xc 0(256,%r3), 0(%r3)
    lghi %r2, 0
    lgfi %r0, \turns
.endm

    ROW "string.mvc8", 8*2000, COPIED_64, nothing, TRANSLATED
    READY 2000
0:  .irp at, 0, 8, 16, 24, 32, 40, 48, 56
    mvc \at(8,%r3), \at(%r1)
    .endr
    brctg %r0, 0b
    lg %r2, 0(%r3)
    ag %r2, 56(%r3)
    br %r14

    ROW "string.mvc16", 8*1000, COPIED_128, nothing, TRANSLATED
    READY 1000
0:  .irp at, 0, 16, 32, 48, 64, 80, 96, 112
    mvc \at(16,%r3), \at(%r1)
    .endr
    brctg %r0, 0b
    lg %r2, 0(%r3)
    ag %r2, 120(%r3)
    br %r14

    ROW "string.mvc256", 4*1000, COPIED_1024, nothing, TRANSLATED
    READY 1000
0:  .irp at, 0, 256, 512, 768
    mvc \at(256,%r3), \at(%r1)
    .endr
    brctg %r0, 0b
    lg %r2, 0(%r3)
    ag %r2, 1016(%r3)
    br %r14

# Filling by copying each byte to the next
    ROW "string.mvc-fill256", 4*500, 0x7777777777777777, nothing, TRANSLATED
    READY 500
0:  mvi 0(%r3), 0x77
    mvc 1(255,%r3), 0(%r3)
    mvi 256(%r3), 0x77
    mvc 257(255,%r3), 256(%r3)
    mvi 512(%r3), 0x77
    mvc 513(255,%r3), 512(%r3)
    mvi 768(%r3), 0x77
    mvc 769(255,%r3), 768(%r3)
    brctg %r0, 0b
    lg %r2, 1016(%r3)
    br %r14

    ROW "string.ex-mvc16", 8*1000, COPIED_128, nothing, TRANSLATED
    READY 1000
    larl %r5, 8f
    lghi %r4, 15
0:  .irp at, 0, 16, 32, 48, 64, 80, 96, 112
    la %r6, \at(%r3)
    la %r7, \at(%r1)
    ex %r4, 0(%r5)
    .endr
    brctg %r0, 0b
    lg %r2, 0(%r3)
    ag %r2, 120(%r3)
    br %r14
8:  mvc 0(1,%r6), 0(%r7)

    ROW "string.exrl-mvc16", 8*1000, COPIED_128, nothing, TRANSLATED
    READY 1000
    lghi %r4, 15
0:  .irp at, 0, 16, 32, 48, 64, 80, 96, 112
    la %r6, \at(%r3)
    la %r7, \at(%r1)
    exrl %r4, 8f
    .endr
    brctg %r0, 0b
    lg %r2, 0(%r3)
    ag %r2, 120(%r3)
    br %r14
8:  mvc 0(1,%r6), 0(%r7)

# Comparisons of equal operands
.macro CLCS length, turns
    ROW "string.clc\length", 4*\turns, \turns, nothing, TRANSLATED
    READY \turns
    llilf %r1, SOURCE
    mvc 0(256,%r3), 0(%r1)
0:  clc 0(\length,%r3), 0(%r1)
    jne 1f
    clc 0(\length,%r1), 0(%r3)
    jne 1f
    clc 0(\length,%r3), 0(%r1)
    jne 1f
    clc 0(\length,%r1), 0(%r3)
    jne 1f
    aghi %r2, 1
1:  brctg %r0, 0b
    br %r14
.endm
    CLCS 8, 5000
    CLCS 16, 1000
    CLCS 256, 100

# Each byte one up, as often as gives the first bytes again
    ROW "string.tr256", 256, 0x0001020304050607, nothing, TRANSLATED
    llilf %r1, BYTES
    llilf %r3, TABLE_NEXT
    lghi %r0, 64
0:  .rept 4
    tr 0(256,%r1), 0(%r3)
    .endr
    brctg %r0, 0b
    lg %r2, 0(%r1)
    br %r14

# Found in the last byte
    ROW "string.trt256", 256, 256*(255+7+2), nothing, TRANSLATED
    llilf %r4, BYTES
    llilf %r3, TABLE_STOP
    lghi %r0, 256
    lghi %r5, 0
    lghi %r6, 0
0:  lghi %r1, 0
    lghi %r2, 0
    trt 0(256,%r4), 0(%r3)
    ipm %r7
    srl %r7, 28
    algfr %r5, %r7                      # condition code 2: found, in the last one
    agr %r5, %r1
    sgr %r5, %r4
    agr %r5, %r2
    brctg %r0, 0b
    lgr %r2, %r5
    br %r14

.macro LOGIC name, insn, from, want
    ROW "string.\name\()256", 4*100, \want, nothing, TRANSLATED
    READY 100
    llilf %r4, \from
    mvc 0(256,%r3), 0(%r1)
0:  .rept 4
    \insn 0(256,%r3), 0(%r4)
    .endr
    brctg %r0, 0b
    lg %r2, 0(%r3)
    ag %r2, 248(%r3)
    br %r14
.endm
    LOGIC nc, nc, ONES, COPIED_256
    LOGIC oc, oc, ONES, -2
    LOGIC xc, xc, ONES, COPIED_256

    ROW "string.xc-clear256", 4*1000, 0, nothing, TRANSLATED
    READY 1000
    mvc 0(256,%r3), 0(%r1)
0:  .irp at, 0, 256, 512, 768
    xc \at(256,%r3), \at(%r3)
    .endr
    brctg %r0, 0b
    lg %r2, 0(%r3)
    og %r2, 1016(%r3)
    br %r14

# %r4 and %r6 = addresses, %r5 and %r7 = lengths, of even-odd pairs
.macro PAIRS first, second, length
    llilf %r4, \first
    lghi %r5, \length
    llilf %r6, \second
    lghi %r7, \length
.endm
    ROW "string.mvcl4096", 200, COPIED_4096, nothing, TRANSLATED
    READY 200
0:  PAIRS TARGET, SOURCE, 4096
    mvcl %r4, %r6
    brctg %r0, 0b
    lg %r2, 0(%r3)
    ag %r2, 4088(%r3)
    br %r14

    ROW "string.mvcle4096", 200, COPIED_4096, nothing, TRANSLATED
    READY 200
0:  PAIRS TARGET, SOURCE, 4096
1:  mvcle %r4, %r6, 0
    jo 1b
    brctg %r0, 0b
    lg %r2, 0(%r3)
    ag %r2, 4088(%r3)
    br %r14

    ROW "string.mvcle-fill4096", 200, 0x5555555555555555, nothing, TRANSLATED
    READY 200
0:  PAIRS TARGET, SOURCE, 4096
    lghi %r7, 0
1:  mvcle %r4, %r6, 0x55
    jo 1b
    brctg %r0, 0b
    lg %r2, 0(%r3)
    ng %r2, 4088(%r3)
    br %r14

    ROW "string.clcl4096", 20, 20, 8f, TRANSLATED
    READY 20
0:  PAIRS TARGET, SOURCE, 4096
    clcl %r4, %r6
    jne 1f
    aghi %r2, 1
1:  brctg %r0, 0b
    br %r14
8:  llilf %r2, TARGET
    lghi %r3, 4096
    llilf %r4, SOURCE
    lghi %r5, 4096
9:  mvcle %r2, %r4, 0
    jo 9b
    llilf %r1, SOURCE                   # READY clears the target's first bytes
    xc 0(256,%r1), 0(%r1)
    br %r14

    ROW "string.clcle4096", 20, 20, 8b, TRANSLATED
    READY 20
0:  PAIRS TARGET, SOURCE, 4096
1:  clcle %r4, %r6, 0
    jo 1b
    jne 1f
    aghi %r2, 1
1:  brctg %r0, 0b
    br %r14

    ROW "string.clst1000", 50, 50, nothing, TRANSLATED
    lghi %r3, 50
    lghi %r0, 0
    lghi %r2, 0
0:  llilf %r4, TEXT
    llilf %r6, TEXT_2
1:  clst %r4, %r6
    jo 1b
    jne 2f
    aghi %r2, 1
2:  brctg %r3, 0b
    br %r14

    ROW "string.srst1000", 50, 50*1000, nothing, TRANSLATED
    lghi %r3, 50
    lghi %r0, 'z'
    lghi %r2, 0
0:  llilf %r6, TEXT
    llilf %r4, TEXT+2000
1:  srst %r4, %r6
    jo 1b
    agr %r2, %r4
    llilf %r6, TEXT
    sgr %r2, %r6
    brctg %r3, 0b
    br %r14

    ROW "string.mvst1000", 50, 50*1001, nothing, TRANSLATED
    lghi %r3, 50
    lghi %r0, 0
    lghi %r2, 0
0:  llilf %r6, TEXT
    llilf %r4, TARGET
1:  mvst %r4, %r6
    jo 1b
    agr %r2, %r4
    llilf %r6, TARGET
    sgr %r2, %r6
    brctg %r3, 0b
    br %r14

    ROW "string.cksm4096", 50, CHECKSUM_4096, 8f, TRANSLATED
    lghi %r3, 50
    lghi %r2, 0
0:  llilf %r4, TARGET
    lghi %r5, 4096
1:  cksm %r2, %r4
    jo 1b
    brctg %r3, 0b
    llgfr %r2, %r2
    br %r14
8:  llilf %r1, TARGET
    lghi %r0, 1024
9:  st %r0, 0(%r1)
    la %r1, 4(%r1)
    brctg %r0, 9b
    br %r14

# As a kernel copies from and to its user, here within one space
    ROW "string.mvcos256", 4*500, 0x2222222222222222, 8f, TRANSLATED
    llilf %r1, BYTES
    llilf %r3, TARGET
    lghi %r4, 256
    lghi %r0, 0
    lghi %r2, 500
0:  .rept 4
    mvcos 0(%r3), 0(%r1), %r4
    .endr
    brctg %r2, 0b
    lg %r2, 248(%r3)
    br %r14
8:  llilf %r1, BYTES
    mvi 0(%r1), 0x22
    mvc 1(255,%r1), 0(%r1)
    br %r14
