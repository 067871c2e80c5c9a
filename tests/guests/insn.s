# Ordinary integer instructions with known operands and results: vectors.inc has
# those that fit one pattern. What spans several registers or storage is in string.s,
# floating point in float.s, program checks in pgm.s, translation in dat.s.
.include "rt.inc"
.include "table.inc"

main:
    .include "vectors.inc"
    jg finish
