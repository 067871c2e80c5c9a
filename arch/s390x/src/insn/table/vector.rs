//! Vector facility: loads, stores, moves, permutations and bitwise operations.

use tcg::ir::BinOp::{And, AndNot, Or, Xor};

use super::row;
use crate::cpu::Half::{Left, Right};
use crate::cpu::facility::{VECTOR, VECTOR_ENHANCEMENTS_1 as VE1, VECTOR_ENHANCEMENTS_2 as VE2};
use crate::insn::Format::*;
use crate::insn::Row;
use crate::translate::vector::memory as m;
use crate::translate::vector::memory::Order::{Forward, Reversed};
use crate::translate::vector::memory::Reversal;
use crate::translate::vector::moves::{self as t, Unpack};
use crate::vector::ElementSize::{Byte, Doubleword, Halfword, Word};
use crate::vector::permute::Overflow;

/// The rows.
pub(super) const ROWS: &[Row] = &[
    row("LCBB", 0xe727, RXE, VECTOR, m::lcbb),
    row("VL", 0xe706, VRX, VECTOR, m::vl),
    row("VST", 0xe70e, VRX, VECTOR, m::vst),
    row("VLM", 0xe736, VRSa, VECTOR, m::vlm),
    row("VSTM", 0xe73e, VRSa, VECTOR, m::vstm),
    row("VLL", 0xe737, VRSb, VECTOR, m::vll),
    row("VSTL", 0xe73f, VRSb, VECTOR, m::vstl),
    row("VLBB", 0xe707, VRX, VECTOR, m::vlbb),
    row("VLEB", 0xe700, VRX, VECTOR, |tx, i| {
        m::vle(tx, i, Byte, Forward)
    }),
    row("VLEH", 0xe701, VRX, VECTOR, |tx, i| {
        m::vle(tx, i, Halfword, Forward)
    }),
    row("VLEF", 0xe703, VRX, VECTOR, |tx, i| {
        m::vle(tx, i, Word, Forward)
    }),
    row("VLEG", 0xe702, VRX, VECTOR, |tx, i| {
        m::vle(tx, i, Doubleword, Forward)
    }),
    row("VSTEB", 0xe708, VRX, VECTOR, |tx, i| {
        m::vste(tx, i, Byte, Forward)
    }),
    row("VSTEH", 0xe709, VRX, VECTOR, |tx, i| {
        m::vste(tx, i, Halfword, Forward)
    }),
    row("VSTEF", 0xe70b, VRX, VECTOR, |tx, i| {
        m::vste(tx, i, Word, Forward)
    }),
    row("VSTEG", 0xe70a, VRX, VECTOR, |tx, i| {
        m::vste(tx, i, Doubleword, Forward)
    }),
    row("VLREP", 0xe705, VRX, VECTOR, |tx, i| {
        m::vlrep(tx, i, Byte, Forward)
    }),
    row("VLLEZ", 0xe704, VRX, VECTOR, |tx, i| {
        let left = tx.has(VE1);
        m::vllez(tx, i, Byte, left, Forward)
    }),
    row("VGEF", 0xe713, VRV, VECTOR, |tx, i| m::vge(tx, i, Word)),
    row("VGEG", 0xe712, VRV, VECTOR, |tx, i| {
        m::vge(tx, i, Doubleword)
    }),
    row("VSCEF", 0xe71b, VRV, VECTOR, |tx, i| m::vsce(tx, i, Word)),
    row("VSCEG", 0xe71a, VRV, VECTOR, |tx, i| {
        m::vsce(tx, i, Doubleword)
    }),
    row("VLEBRH", 0xe601, VRX, VE2, |tx, i| {
        m::vle(tx, i, Halfword, Reversed)
    }),
    row("VLEBRF", 0xe603, VRX, VE2, |tx, i| {
        m::vle(tx, i, Word, Reversed)
    }),
    row("VLEBRG", 0xe602, VRX, VE2, |tx, i| {
        m::vle(tx, i, Doubleword, Reversed)
    }),
    row("VSTEBRH", 0xe609, VRX, VE2, |tx, i| {
        m::vste(tx, i, Halfword, Reversed)
    }),
    row("VSTEBRF", 0xe60b, VRX, VE2, |tx, i| {
        m::vste(tx, i, Word, Reversed)
    }),
    row("VSTEBRG", 0xe60a, VRX, VE2, |tx, i| {
        m::vste(tx, i, Doubleword, Reversed)
    }),
    row("VLBRREP", 0xe605, VRX, VE2, |tx, i| {
        m::vlrep(tx, i, Halfword, Reversed)
    }),
    row("VLLEBRZ", 0xe604, VRX, VE2, |tx, i| {
        m::vllez(tx, i, Halfword, true, Reversed)
    }),
    row("VLBR", 0xe606, VRX, VE2, |tx, i| {
        m::load_reversed(tx, i, Reversal::Bytes)
    }),
    row("VSTBR", 0xe60e, VRX, VE2, |tx, i| {
        m::store_reversed(tx, i, Reversal::Bytes)
    }),
    row("VLER", 0xe607, VRX, VE2, |tx, i| {
        m::load_reversed(tx, i, Reversal::Elements)
    }),
    row("VSTER", 0xe60f, VRX, VE2, |tx, i| {
        m::store_reversed(tx, i, Reversal::Elements)
    }),
    row("VLR", 0xe756, VRRa, VECTOR, t::vlr),
    row("VGBM", 0xe744, VRIa, VECTOR, t::vgbm),
    row("VGM", 0xe746, VRIb, VECTOR, t::vgm),
    row("VREP", 0xe74d, VRIc, VECTOR, t::vrep),
    row("VREPI", 0xe745, VRIa, VECTOR, t::vrepi),
    row("VLEIB", 0xe740, VRIa, VECTOR, |tx, i| t::vlei(tx, i, Byte)),
    row("VLEIH", 0xe741, VRIa, VECTOR, |tx, i| {
        t::vlei(tx, i, Halfword)
    }),
    row("VLEIF", 0xe743, VRIa, VECTOR, |tx, i| t::vlei(tx, i, Word)),
    row("VLEIG", 0xe742, VRIa, VECTOR, |tx, i| {
        t::vlei(tx, i, Doubleword)
    }),
    row("VLGV", 0xe721, VRSc, VECTOR, t::vlgv),
    row("VLVG", 0xe722, VRSb, VECTOR, t::vlvg),
    row("VLVGP", 0xe762, VRRf, VECTOR, t::vlvgp),
    row("VMRH", 0xe761, VRRc, VECTOR, |tx, i| {
        t::merge_elements(tx, i, Left)
    }),
    row("VMRL", 0xe760, VRRc, VECTOR, |tx, i| {
        t::merge_elements(tx, i, Right)
    }),
    row("VPK", 0xe794, VRRc, VECTOR, t::vpk),
    row("VPKS", 0xe797, VRRb, VECTOR, |tx, i| {
        t::pack_saturated(tx, i, Overflow::Signed)
    }),
    row("VPKLS", 0xe795, VRRb, VECTOR, |tx, i| {
        t::pack_saturated(tx, i, Overflow::Unsigned)
    }),
    row("VPERM", 0xe78c, VRRe, VECTOR, t::vperm),
    row("VPDI", 0xe784, VRRc, VECTOR, t::vpdi),
    row("VSEL", 0xe78d, VRRe, VECTOR, t::vsel),
    row("VSEG", 0xe75f, VRRa, VECTOR, t::vseg),
    row("VUPH", 0xe7d7, VRRa, VECTOR, |tx, i| {
        t::unpack(
            tx,
            i,
            Unpack {
                half: Left,
                signed: true,
            },
        )
    }),
    row("VUPLH", 0xe7d5, VRRa, VECTOR, |tx, i| {
        t::unpack(
            tx,
            i,
            Unpack {
                half: Left,
                signed: false,
            },
        )
    }),
    row("VUPL", 0xe7d6, VRRa, VECTOR, |tx, i| {
        t::unpack(
            tx,
            i,
            Unpack {
                half: Right,
                signed: true,
            },
        )
    }),
    row("VUPLL", 0xe7d4, VRRa, VECTOR, |tx, i| {
        t::unpack(
            tx,
            i,
            Unpack {
                half: Right,
                signed: false,
            },
        )
    }),
    row("VN", 0xe768, VRRc, VECTOR, |tx, i| t::bitwise(tx, i, And)),
    row("VNC", 0xe769, VRRc, VECTOR, |tx, i| {
        t::bitwise(tx, i, AndNot)
    }),
    row("VO", 0xe76a, VRRc, VECTOR, |tx, i| t::bitwise(tx, i, Or)),
    row("VX", 0xe76d, VRRc, VECTOR, |tx, i| t::bitwise(tx, i, Xor)),
    row("VNO", 0xe76b, VRRc, VECTOR, |tx, i| t::inverted(tx, i, Or)),
    row("VNX", 0xe76c, VRRc, VE1, |tx, i| t::inverted(tx, i, Xor)),
    row("VNN", 0xe76e, VRRc, VE1, |tx, i| t::inverted(tx, i, And)),
    row("VOC", 0xe76f, VRRc, VE1, t::voc),
];
