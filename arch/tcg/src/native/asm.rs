//! Writes x86-64 machine code: dynasm's assembler, and the uniform instructions by number.
//!
//! dynasm fixes an instruction when it is compiled; the code generator often knows only at run
//! time which operation and which kind of operand it wants. [`Asm::rm`] encodes those: any opcode
//! with a register and a register-or-memory operand. Not here: what is generated.

use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler, dynasm};

use crate::ir::Ty;
use crate::mem::BytesOp;

/// A host register, by its number in machine code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Reg(pub(super) u8);

pub(super) const RAX: Reg = Reg(0);
pub(super) const RCX: Reg = Reg(1);
pub(super) const RDX: Reg = Reg(2);
pub(super) const RBX: Reg = Reg(3);
pub(super) const RSP: Reg = Reg(4);
pub(super) const RBP: Reg = Reg(5);
pub(super) const RSI: Reg = Reg(6);
pub(super) const RDI: Reg = Reg(7);
pub(super) const R8: Reg = Reg(8);
pub(super) const R9: Reg = Reg(9);
pub(super) const R10: Reg = Reg(10);
pub(super) const R11: Reg = Reg(11);
pub(super) const R12: Reg = Reg(12);
pub(super) const R13: Reg = Reg(13);
pub(super) const R14: Reg = Reg(14);
pub(super) const R15: Reg = Reg(15);

/// A register or a place in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rm {
    Reg(Reg),
    Mem(Mem),
}

impl From<Reg> for Rm {
    fn from(reg: Reg) -> Self {
        Self::Reg(reg)
    }
}

impl From<Mem> for Rm {
    fn from(mem: Mem) -> Self {
        Self::Mem(mem)
    }
}

/// `[base + index * scale + disp]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mem {
    pub(super) base: Reg,
    /// Register and scale: 0 to 3 for 1, 2, 4, 8.
    pub(super) index: Option<(Reg, u8)>,
    pub(super) disp: i32,
}

/// `[base + disp]`.
pub(super) fn at(base: Reg, disp: i32) -> Mem {
    Mem {
        base,
        index: None,
        disp,
    }
}

/// `[base + index + disp]`.
pub(super) fn at_index(base: Reg, index: Reg, disp: i32) -> Mem {
    Mem {
        base,
        index: Some((index, 0)),
        disp,
    }
}

/// Operand width of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// 32 bits; a written register's upper half becomes zero.
    W32,
    W64,
}

/// The eight operations of x86's first opcode group; the number is the opcode's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Alu {
    Add = 0,
    Or = 1,
    Adc = 2,
    Sbb = 3,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// Shifts and rotations; the number is the opcode's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Shift {
    Rol = 0,
    Shl = 4,
    Shr = 5,
    Sar = 7,
}

/// Scalar floating-point instructions with a prefix for the format; the number is the opcode's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Scalar {
    /// From memory; the rest of the register becomes zero.
    Move = 0x10,
    Sqrt = 0x51,
    Add = 0x58,
    Mul = 0x59,
    /// Between the formats; that of the operand is named.
    Convert = 0x5a,
    Sub = 0x5c,
    Div = 0x5e,
}

/// Conditions of jumps, set and conditional moves; the number is the opcode's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Cc {
    O = 0,
    B = 2,
    Ae = 3,
    E = 4,
    Ne = 5,
    Be = 6,
    A = 7,
    S = 8,
    P = 10,
    Np = 11,
    L = 12,
    Ge = 13,
    Le = 14,
    G = 15,
}

impl Cc {
    /// The condition that holds exactly when this one does not.
    pub(super) fn negate(self) -> Self {
        match self {
            Self::B => Self::Ae,
            Self::Ae => Self::B,
            Self::E => Self::Ne,
            Self::Ne => Self::E,
            Self::Be => Self::A,
            Self::A => Self::Be,
            Self::P => Self::Np,
            Self::Np => Self::P,
            Self::L => Self::Ge,
            Self::Ge => Self::L,
            Self::Le => Self::G,
            Self::G => Self::Le,
            // Only their positive forms are generated.
            Self::O => Self::O,
            Self::S => Self::S,
        }
    }
}

/// A place in the code that jumps name.
pub(super) type Label = DynamicLabel;

/// Code being written.
pub(super) struct Asm {
    /// For instructions that dynasm writes.
    pub(super) ops: VecAssembler<X64Relocation>,
    /// Changes whenever the flags may have been written, or a jump may arrive.
    flags: u64,
}

impl Asm {
    pub(super) fn new() -> Self {
        Self {
            ops: VecAssembler::new_with_capacity(0, 1024, 0, 0, 32, 0, 64),
            flags: 0,
        }
    }

    /// The code, with all labels resolved.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        self.ops.finalize().ok()
    }

    /// A number that stays as long as the flags do.
    pub(super) fn flags(&self) -> u64 {
        self.flags
    }

    /// What `write` writes leaves the flags alone.
    fn keeping_flags(&mut self, write: impl FnOnce(&mut Self)) {
        let flags = self.flags;
        write(self);
        self.flags = flags;
    }

    /// Bytes written so far.
    pub(super) fn offset(&self) -> usize {
        self.ops.offset().0
    }

    pub(super) fn align(&mut self, bytes: usize) {
        self.ops.align(bytes, 0xcc);
    }

    pub(super) fn label(&mut self) -> Label {
        self.ops.new_dynamic_label()
    }

    /// The label is here.
    pub(super) fn bind(&mut self, label: Label) {
        self.ops.dynamic_label(label);
        self.flags += 1;
    }

    pub(super) fn jmp(&mut self, label: Label) {
        dynasm!(self.ops ; .arch x64 ; jmp =>label);
    }

    /// A jump whose displacement lies in a word of its own, so that it can be changed while others
    /// execute it; where that word is.
    pub(super) fn jmp_aligned(&mut self, label: Label) -> usize {
        let nop: &[u8] = match (self.offset() + 1) % 4 {
            0 => &[],
            1 => &[0x0f, 0x1f, 0x00],
            2 => &[0x66, 0x90],
            _ => &[0x90],
        };
        self.ops.extend(nop);
        self.jmp(label);
        self.offset() - 4
    }

    pub(super) fn jcc(&mut self, cc: Cc, label: Label) {
        match cc {
            Cc::O => dynasm!(self.ops ; .arch x64 ; jo =>label),
            Cc::B => dynasm!(self.ops ; .arch x64 ; jb =>label),
            Cc::Ae => dynasm!(self.ops ; .arch x64 ; jae =>label),
            Cc::E => dynasm!(self.ops ; .arch x64 ; je =>label),
            Cc::Ne => dynasm!(self.ops ; .arch x64 ; jne =>label),
            Cc::Be => dynasm!(self.ops ; .arch x64 ; jbe =>label),
            Cc::A => dynasm!(self.ops ; .arch x64 ; ja =>label),
            Cc::S => dynasm!(self.ops ; .arch x64 ; js =>label),
            Cc::P => dynasm!(self.ops ; .arch x64 ; jp =>label),
            Cc::Np => dynasm!(self.ops ; .arch x64 ; jnp =>label),
            Cc::L => dynasm!(self.ops ; .arch x64 ; jl =>label),
            Cc::Ge => dynasm!(self.ops ; .arch x64 ; jge =>label),
            Cc::Le => dynasm!(self.ops ; .arch x64 ; jle =>label),
            Cc::G => dynasm!(self.ops ; .arch x64 ; jg =>label),
        }
    }

    /// One instruction: `prefix` (0x66, 0xf2, 0xf3) if any, REX, `opcode`, and the operands
    /// `reg` (a register or an opcode extension) and `rm`. `bytes`: they are byte registers.
    fn encode(
        &mut self,
        prefix: Option<u8>,
        width: Width,
        opcode: &[u8],
        reg: u8,
        rm: Rm,
        bytes: bool,
    ) {
        self.flags += 1;
        if let Some(prefix) = prefix {
            self.ops.push(prefix);
        }
        let mut rex = 0u8;
        if width == Width::W64 {
            rex |= 8;
        }
        rex |= reg >> 3 << 2;
        let mut need = bytes && reg >= 4;
        match rm {
            Rm::Reg(Reg(r)) => {
                rex |= r >> 3;
                need |= bytes && r >= 4;
            }
            Rm::Mem(Mem { base, index, .. }) => {
                rex |= base.0 >> 3;
                if let Some((Reg(x), _)) = index {
                    rex |= x >> 3 << 1;
                }
            }
        }
        if rex != 0 || need {
            self.ops.push(0x40 | rex);
        }
        for &byte in opcode {
            self.ops.push(byte);
        }
        self.operands(reg, rm);
    }

    /// The operands' bytes behind an opcode.
    fn operands(&mut self, reg: u8, rm: Rm) {
        let reg = (reg & 7) << 3;
        match rm {
            Rm::Reg(Reg(r)) => self.ops.push(0xc0 | reg | r & 7),
            Rm::Mem(Mem { base, index, disp }) => {
                // rbp and r13 as a base always have a displacement.
                let short = i8::try_from(disp).is_ok();
                let mode = match disp {
                    0 if base.0 & 7 != 5 => 0x00,
                    _ if short => 0x40,
                    _ => 0x80,
                };
                match index {
                    Some((Reg(x), scale)) => {
                        self.ops.push(mode | reg | 4);
                        self.ops.push(scale << 6 | (x & 7) << 3 | base.0 & 7);
                    }
                    None if base.0 & 7 == 4 => {
                        self.ops.push(mode | reg | 4);
                        self.ops.push(0x24);
                    }
                    None => self.ops.push(mode | reg | base.0 & 7),
                }
                match mode {
                    0x00 => {}
                    0x40 => self.ops.push_i8(disp as i8),
                    _ => self.ops.push_i32(disp),
                }
            }
        }
    }

    /// PAUSE: this thread waits for another one.
    pub(super) fn pause(&mut self) {
        self.ops.extend([0xf3, 0x90]);
    }

    /// Any instruction of the form `opcode reg, rm`.
    pub(super) fn rm(&mut self, width: Width, opcode: &[u8], reg: Reg, rm: impl Into<Rm>) {
        self.encode(None, width, opcode, reg.0, rm.into(), false);
    }

    /// The same with a prefix.
    pub(super) fn rm_prefixed(
        &mut self,
        prefix: u8,
        width: Width,
        opcode: &[u8],
        reg: Reg,
        rm: impl Into<Rm>,
    ) {
        self.encode(Some(prefix), width, opcode, reg.0, rm.into(), false);
    }

    /// Any instruction of the form `opcode /extension rm`.
    pub(super) fn ext(&mut self, width: Width, opcode: &[u8], extension: u8, rm: impl Into<Rm>) {
        self.encode(None, width, opcode, extension, rm.into(), false);
    }

    /// A VEX-encoded instruction of map 2 (0f 38): `reg, rm, third` with the third operand in the
    /// prefix. `pp` 1, 2, 3 stands for 66, f3, f2.
    fn vex2(&mut self, pp: u8, width: Width, opcode: u8, reg: Reg, third: Reg, rm: Reg) {
        let w = u8::from(width == Width::W64);
        self.ops.push(0xc4);
        self.ops
            .push((!reg.0 >> 3 & 1) << 7 | 1 << 6 | (!rm.0 >> 3 & 1) << 5 | 2);
        self.ops.push(w << 7 | (!third.0 & 15) << 3 | pp);
        self.ops.push(opcode);
        self.ops.push(0xc0 | (reg.0 & 7) << 3 | rm.0 & 7);
    }

    /// `d = s shifted by count`, modulo the width, without flags (BMI2; no rotation).
    pub(super) fn shift_by(&mut self, shift: Shift, width: Width, d: Reg, s: Reg, count: Reg) {
        let pp = match shift {
            Shift::Shl => 1,
            Shift::Sar => 2,
            _ => 3,
        };
        self.vex2(pp, width, 0xf7, d, count, s);
    }

    /// `high:low = rdx * s` (BMI2); no flags.
    pub(super) fn mulx(&mut self, width: Width, high: Reg, low: Reg, s: Reg) {
        self.vex2(3, width, 0xf6, high, low, s);
    }

    /// `d = !b & a` (BMI1).
    pub(super) fn andn(&mut self, width: Width, d: Reg, not: Reg, a: Reg) {
        self.flags += 1;
        self.vex2(0, width, 0xf2, d, not, a);
    }

    /// `d = s`.
    pub(super) fn mov(&mut self, width: Width, d: Reg, s: impl Into<Rm>) {
        self.keeping_flags(|code| {
            let s = s.into();
            if s != Rm::Reg(d) || width == Width::W32 {
                code.rm(width, &[0x8b], d, s);
            }
        });
    }

    /// `[d] = s`, 4 or 8 bytes.
    pub(super) fn store(&mut self, width: Width, d: Mem, s: Reg) {
        self.keeping_flags(|code| {
            code.rm(width, &[0x89], s, d);
        });
    }

    /// `d = c`, and flags stay.
    pub(super) fn mov_imm_keep_flags(&mut self, d: Reg, c: u64) {
        if let Ok(c) = u32::try_from(c) {
            if d.0 >= 8 {
                self.ops.push(0x41);
            }
            self.ops.push(0xb8 | d.0 & 7);
            self.ops.push_u32(c);
        } else if i32::try_from(c as i64).is_ok() {
            self.keeping_flags(|code| {
                code.ext(Width::W64, &[0xc7], 0, d);
                code.ops.push_i32(c as i32);
            });
        } else {
            self.ops.push(0x48 | d.0 >> 3);
            self.ops.push(0xb8 | d.0 & 7);
            self.ops.push_u64(c);
        }
    }

    /// `[d] = c`, 4 bytes, or 8 by sign extension.
    pub(super) fn store_imm(&mut self, width: Width, d: Mem, c: i32) {
        self.keeping_flags(|code| {
            code.ext(width, &[0xc7], 0, d);
            code.ops.push_i32(c);
        });
    }

    /// `d = d op s`.
    pub(super) fn alu(&mut self, op: Alu, width: Width, d: Reg, s: impl Into<Rm>) {
        self.rm(width, &[(op as u8) << 3 | 3], d, s);
    }

    /// `[d] = [d] op s`, or flags of it.
    pub(super) fn alu_mem(&mut self, op: Alu, width: Width, d: Mem, s: Reg) {
        self.rm(width, &[(op as u8) << 3 | 1], s, d);
    }

    /// `d = d op c`.
    pub(super) fn alu_imm(&mut self, op: Alu, width: Width, d: impl Into<Rm>, c: i32) {
        let d = d.into();
        if let Ok(c) = i8::try_from(c) {
            self.ext(width, &[0x83], op as u8, d);
            self.ops.push_i8(c);
        } else {
            self.ext(width, &[0x81], op as u8, d);
            self.ops.push_i32(c);
        }
    }

    /// Flags of `a & b`.
    pub(super) fn test(&mut self, width: Width, a: Reg, b: Reg) {
        self.rm(width, &[0x85], b, a);
    }

    /// Flags of `a & c`.
    pub(super) fn test_imm(&mut self, width: Width, a: impl Into<Rm>, c: i32) {
        self.ext(width, &[0xf7], 0, a);
        self.ops.push_i32(c);
    }

    /// `d = d shifted by c`.
    pub(super) fn shift_imm(&mut self, shift: Shift, width: Width, d: Reg, c: u8) {
        self.ext(width, &[0xc1], shift as u8, d);
        self.ops.push(c);
    }

    /// `d = d shifted by cl`.
    pub(super) fn shift_cl(&mut self, shift: Shift, width: Width, d: Reg) {
        self.ext(width, &[0xd3], shift as u8, d);
    }

    /// `d` = the address.
    pub(super) fn lea(&mut self, width: Width, d: Reg, mem: Mem) {
        self.keeping_flags(|code| {
            code.rm(width, &[0x8d], d, mem);
        });
    }

    /// `d = -d` or `d = !d`.
    pub(super) fn neg(&mut self, width: Width, d: Reg) {
        self.ext(width, &[0xf7], 3, d);
    }

    /// `d = !d`.
    pub(super) fn not(&mut self, width: Width, d: Reg) {
        self.keeping_flags(|code| {
            code.ext(width, &[0xf7], 2, d);
        });
    }

    /// Byte reversal.
    pub(super) fn bswap(&mut self, width: Width, d: Reg) {
        let w = if width == Width::W64 { 8 } else { 0 };
        let rex = w | d.0 >> 3;
        if rex != 0 {
            self.ops.push(0x40 | rex);
        }
        self.ops.push(0x0f);
        self.ops.push(0xc8 | d.0 & 7);
    }

    /// `d = 1` if the condition holds, else 0; only the low byte is written.
    pub(super) fn setcc(&mut self, cc: Cc, d: Reg) {
        self.keeping_flags(|code| {
            code.encode(
                None,
                Width::W32,
                &[0x0f, 0x90 | cc as u8],
                0,
                Rm::Reg(d),
                true,
            );
        });
    }

    /// `d = s` if the condition holds.
    pub(super) fn cmov(&mut self, width: Width, cc: Cc, d: Reg, s: impl Into<Rm>) {
        self.keeping_flags(|code| {
            code.rm(width, &[0x0f, 0x40 | cc as u8], d, s);
        });
    }

    /// `d` = a byte, zero-extended to 64 bits.
    pub(super) fn movzx8(&mut self, d: Reg, s: impl Into<Rm>) {
        self.keeping_flags(|code| {
            let s = s.into();
            let bytes = matches!(s, Rm::Reg(r) if r.0 >= 4);
            code.encode(None, Width::W32, &[0x0f, 0xb6], d.0, s, bytes);
        });
    }

    /// `d` = two bytes, zero-extended to 64 bits.
    pub(super) fn movzx16(&mut self, d: Reg, s: impl Into<Rm>) {
        self.keeping_flags(|code| {
            code.rm(Width::W32, &[0x0f, 0xb7], d, s);
        });
    }

    /// `d` = a byte, sign-extended.
    pub(super) fn movsx8(&mut self, width: Width, d: Reg, s: impl Into<Rm>) {
        self.keeping_flags(|code| {
            let s = s.into();
            let bytes = matches!(s, Rm::Reg(r) if r.0 >= 4);
            code.encode(None, width, &[0x0f, 0xbe], d.0, s, bytes);
        });
    }

    /// `d` = two bytes, sign-extended.
    pub(super) fn movsx16(&mut self, width: Width, d: Reg, s: impl Into<Rm>) {
        self.keeping_flags(|code| {
            code.rm(width, &[0x0f, 0xbf], d, s);
        });
    }

    /// `d` = four bytes, sign-extended to 64 bits.
    pub(super) fn movsxd(&mut self, d: Reg, s: impl Into<Rm>) {
        self.keeping_flags(|code| {
            code.rm(Width::W64, &[0x63], d, s);
        });
    }

    /// `[d] = low byte of s`.
    pub(super) fn store8(&mut self, d: Mem, s: Reg) {
        self.keeping_flags(|code| {
            code.encode(None, Width::W32, &[0x88], s.0, Rm::Mem(d), true);
        });
    }

    /// `[d] = low two bytes of s`.
    pub(super) fn store16(&mut self, d: Mem, s: Reg) {
        self.keeping_flags(|code| {
            code.encode(Some(0x66), Width::W32, &[0x89], s.0, Rm::Mem(d), false);
        });
    }

    /// Rotates the low two bytes by 8: swaps them.
    pub(super) fn swap16(&mut self, d: Reg) {
        self.encode(Some(0x66), Width::W32, &[0xc1], 0, Rm::Reg(d), false);
        self.ops.push(8);
    }

    /// `d = s * c`.
    pub(super) fn imul_imm(&mut self, width: Width, d: Reg, s: impl Into<Rm>, c: i32) {
        self.rm(width, &[0x69], d, s);
        self.ops.push_i32(c);
    }

    /// Carry = 1.
    pub(super) fn set_carry(&mut self) {
        self.flags += 1;
        self.ops.push(0xf9);
    }

    /// Carry = the lowest bit of a register.
    pub(super) fn carry_from_bit0(&mut self, reg: Reg) {
        self.ext(Width::W32, &[0x0f, 0xba], 4, reg);
        self.ops.push(0);
    }

    /// The low byte of `d` = that of `s`; the rest stays.
    pub(super) fn mov_low8(&mut self, d: Reg, s: Reg) {
        self.keeping_flags(|code| {
            let bytes = d.0 >= 4 || s.0 >= 4;
            code.encode(None, Width::W32, &[0x8a], d.0, Rm::Reg(s), bytes);
        });
    }

    /// The low two bytes of `d` = those of `s`; the rest stays.
    pub(super) fn mov_low16(&mut self, d: Reg, s: Reg) {
        self.keeping_flags(|code| {
            code.encode(Some(0x66), Width::W32, &[0x8b], d.0, Rm::Reg(s), false);
        });
    }

    /// The next instruction's update of memory is interlocked.
    pub(super) fn lock(&mut self) {
        self.ops.push(0xf0);
    }

    /// If `al == [d]` then `[d] = s`, else `al = [d]`; one byte.
    pub(super) fn compare_exchange8(&mut self, d: Mem, s: Reg) {
        self.encode(None, Width::W32, &[0x0f, 0xb0], s.0, Rm::Mem(d), true);
    }

    /// Carry = bit `n` (modulo 64) of `word`.
    pub(super) fn bit_test(&mut self, word: Reg, n: Reg) {
        self.rm(Width::W64, &[0x0f, 0xa3], n, word);
    }

    /// A VEX-encoded instruction on 16 or 32 `bytes`. `map` 1, 2, 3 stands for 0f, 0f 38, 0f 3a;
    /// `third` is 0 where there is none.
    fn vector(
        &mut self,
        (map, pp, opcode): (u8, u8, u8),
        bytes: u16,
        reg: u8,
        third: u8,
        rm: impl Into<Rm>,
    ) {
        let rm = rm.into();
        let (b, x) = match rm {
            Rm::Reg(Reg(r)) => (r >> 3, 0),
            Rm::Mem(Mem { base, index, .. }) => {
                (base.0 >> 3, index.map_or(0, |(Reg(x), _)| x >> 3))
            }
        };
        let l = u8::from(bytes == 32);
        self.ops.push(0xc4);
        self.ops
            .push((reg >> 3 ^ 1) << 7 | (x ^ 1) << 6 | (b ^ 1) << 5 | map);
        self.ops.push((!third & 15) << 3 | l << 2 | pp);
        self.ops.push(opcode);
        self.operands(reg, rm);
    }

    /// `x = [from]` (AVX).
    pub(super) fn vector_load(&mut self, bytes: u16, x: u8, from: Mem) {
        self.vector((1, 2, 0x6f), bytes, x, 0, from);
    }

    /// `[to] = x` (AVX).
    pub(super) fn vector_store(&mut self, bytes: u16, to: Mem, x: u8) {
        self.vector((1, 2, 0x7f), bytes, x, 0, to);
    }

    /// Every byte of `x` = the byte at `from` (AVX2).
    pub(super) fn vector_broadcast(&mut self, bytes: u16, x: u8, from: Mem) {
        self.vector((2, 1, 0x78), bytes, x, 0, from);
    }

    /// `x = 0` (AVX).
    pub(super) fn vector_zero(&mut self, x: u8) {
        self.vector((1, 1, 0xef), 16, x, x, Reg(x));
    }

    /// `x = x op [m]` (AVX2).
    pub(super) fn vector_combine(&mut self, op: BytesOp, bytes: u16, x: u8, m: Mem) {
        let opcode = match op {
            BytesOp::And => 0xdb,
            BytesOp::Or => 0xeb,
            BytesOp::Xor => 0xef,
        };
        self.vector((1, 1, opcode), bytes, x, x, m);
    }

    /// `x = a | b` (AVX2).
    pub(super) fn vector_or(&mut self, bytes: u16, x: u8, a: u8, b: u8) {
        self.vector((1, 1, 0xeb), bytes, x, a, Reg(b));
    }

    /// Each byte of `x` = all ones if it equals that of `[m]`, else 0 (AVX2).
    pub(super) fn vector_equal(&mut self, bytes: u16, x: u8, m: Mem) {
        self.vector((1, 1, 0x74), bytes, x, x, m);
    }

    /// `d` = the highest bit of each byte of `x` (AVX2).
    pub(super) fn vector_mask(&mut self, bytes: u16, d: Reg, x: u8) {
        self.vector((1, 1, 0xd7), bytes, d.0, 0, Reg(x));
    }

    /// Zero flag = all of `x` is zero (AVX).
    pub(super) fn vector_test(&mut self, bytes: u16, x: u8) {
        self.vector((2, 1, 0x17), bytes, x, 0, Reg(x));
    }

    /// The upper halves of all vector registers = 0, and code without AVX is fast again.
    pub(super) fn vector_leave(&mut self) {
        for byte in [0xc5, 0xf8, 0x77] {
            self.ops.push(byte);
        }
    }

    /// `d = d op [m]` on the lowest 1, 2, 4 or 8 bytes; what is above 1 or 2 stays.
    pub(super) fn alu_sized(&mut self, op: Alu, bytes: u16, d: Reg, m: Mem) {
        let opcode = (op as u8) << 3;
        match bytes {
            1 => self.encode(None, Width::W32, &[opcode | 2], d.0, m.into(), true),
            2 => self.rm_prefixed(0x66, Width::W32, &[opcode | 3], d, m),
            4 => self.alu(op, Width::W32, d, m),
            _ => self.alu(op, Width::W64, d, m),
        }
    }

    /// `jmp [mem]`.
    pub(super) fn jmp_mem(&mut self, mem: Mem) {
        self.ext(Width::W32, &[0xff], 4, mem);
    }

    /// `jmp reg`.
    pub(super) fn jmp_reg(&mut self, reg: Reg) {
        self.ext(Width::W32, &[0xff], 4, reg);
    }

    /// `call [mem]`.
    pub(super) fn call_mem(&mut self, mem: Mem) {
        self.ext(Width::W32, &[0xff], 2, mem);
    }

    /// `call reg`.
    pub(super) fn call_reg(&mut self, reg: Reg) {
        self.ext(Width::W32, &[0xff], 2, reg);
    }

    /// `d = s`, unless they are one register.
    pub(super) fn mov_if_other(&mut self, d: Reg, s: Reg) {
        if d != s {
            self.mov(Width::W64, d, s);
        }
    }

    /// `xmm d = xmm d op s`; `ty` is the format, `I32` binary32 and `I64` binary64.
    pub(super) fn scalar(&mut self, op: Scalar, ty: Ty, d: Reg, s: impl Into<Rm>) {
        self.rm_prefixed(float_prefix(ty), Width::W32, &[0x0f, op as u8], d, s);
    }

    /// Flags of comparing floating-point numbers: carry below, zero equal, all and parity
    /// unordered.
    pub(super) fn compare_scalars(&mut self, ty: Ty, a: Reg, b: impl Into<Rm>) {
        match ty {
            Ty::I32 => self.rm(Width::W32, &[0x0f, 0x2e], a, b),
            Ty::I64 => self.rm_prefixed(0x66, Width::W32, &[0x0f, 0x2e], a, b),
        }
    }

    /// `xmm d = bits of s`.
    pub(super) fn move_in(&mut self, width: Width, d: Reg, s: Reg) {
        self.rm_prefixed(0x66, width, &[0x0f, 0x6e], d, s);
    }

    /// `d = bits of xmm s`, zero-extended.
    pub(super) fn move_out(&mut self, width: Width, d: Reg, s: Reg) {
        self.rm_prefixed(0x66, width, &[0x0f, 0x7e], s, d);
    }

    /// `xmm d = 0`, and with it the wait for its old value ends.
    pub(super) fn clear_xmm(&mut self, d: Reg) {
        self.rm(Width::W32, &[0x0f, 0x57], d, d);
    }

    /// `xmm d` = a signed integer of the width in the format.
    pub(super) fn convert_in(&mut self, ty: Ty, width: Width, d: Reg, s: impl Into<Rm>) {
        self.rm_prefixed(float_prefix(ty), width, &[0x0f, 0x2a], d, s);
    }

    /// `d` = a signed integer of the width from `xmm s`: toward zero, or as MXCSR says. The
    /// least integer if it is out of range.
    pub(super) fn convert_out(&mut self, ty: Ty, width: Width, truncate: bool, d: Reg, s: Reg) {
        let opcode = if truncate { 0x2c } else { 0x2d };
        self.rm_prefixed(float_prefix(ty), width, &[0x0f, opcode], d, s);
    }

    /// `xmm d = xmm s` rounded to an integral value (SSE4.1).
    pub(super) fn round(&mut self, ty: Ty, d: Reg, s: Reg, rounding: u8) {
        let opcode = match ty {
            Ty::I32 => 0x0a,
            Ty::I64 => 0x0b,
        };
        self.rm_prefixed(0x66, Width::W32, &[0x0f, 0x3a, opcode], d, s);
        self.ops.push(rounding);
    }

    /// `xmm a = xmm a * xmm b + xmm c`, or minus; rounded once (FMA3).
    pub(super) fn fused(&mut self, minus: bool, width: Width, a: Reg, b: Reg, c: Reg) {
        let opcode = if minus { 0xab } else { 0xa9 };
        self.vex2(1, width, opcode, a, b, c);
    }

    /// MXCSR = `[s]`.
    pub(super) fn load_mxcsr(&mut self, s: Mem) {
        self.ext(Width::W32, &[0x0f, 0xae], 2, s);
    }

    /// `[d]` = MXCSR.
    pub(super) fn store_mxcsr(&mut self, d: Mem) {
        self.ext(Width::W32, &[0x0f, 0xae], 3, d);
    }
}

/// The prefix of an instruction on a format.
fn float_prefix(ty: Ty) -> u8 {
    match ty {
        Ty::I32 => 0xf3,
        Ty::I64 => 0xf2,
    }
}
