//! Operands in storage: effective addresses and typed accesses.
//!
//! Addresses are `I64` values that are already wrapped as the addressing mode says. A storage
//! access names its base register, which in access-register mode decides the address space.

use tcg::ir::{BinOp, MemMode, MemOp, MemSize, Ty, Val};

use super::Tx;
use crate::cpu::key::Addressing;
use crate::insn::Insn;

pub use MemSize::{B1, B2, B4, B8};

/// Effective addresses.
impl Tx<'_> {
    /// A computed address with the bits that the addressing mode ignores set to zero.
    pub fn wrap(&mut self, address: Val) -> Val {
        match self.flags.addressing() {
            Addressing::A64 => address,
            mode => self.b.bin_imm(BinOp::And, address, mode.mask()),
        }
    }

    /// Base plus index plus displacement; register 0 counts as zero.
    pub fn address(&mut self, base: u8, index: u8, displacement: i32) -> Val {
        let sum = self.unwrapped_address(base, index, displacement);
        self.wrap(sum)
    }

    /// The sum in 64 bits, as shift counts and LOAD ADDRESS EXTENDED's kin use it.
    pub fn unwrapped_address(&mut self, base: u8, index: u8, displacement: i32) -> Val {
        let displacement = i64::from(displacement) as u64;
        let (first, second) = if base == 0 { (index, 0) } else { (base, index) };
        if first == 0 {
            return self.b.c64(displacement);
        }
        let mut sum = self.r64(first);
        if second != 0 {
            let other = self.r64(second);
            sum = self.b.add(sum, other);
        }
        if displacement != 0 {
            sum = self.b.bin_imm(BinOp::Add, sum, displacement);
        }
        sum
    }

    /// The first operand's address: D1(B1).
    pub fn ea1(&mut self, i: &Insn) -> Val {
        self.address(i.b1, 0, i.d1)
    }

    /// The second operand's address: D2(X2,B2) or D2(B2).
    pub fn ea2(&mut self, i: &Insn) -> Val {
        self.address(i.b2, i.x2, i.d2)
    }

    /// The fourth operand's address: D4(B4).
    pub fn ea4(&mut self, i: &Insn) -> Val {
        self.address(i.b4, 0, i.d4)
    }

    /// An address plus a constant, wrapped.
    pub fn address_plus(&mut self, address: Val, offset: u64) -> Val {
        if offset == 0 {
            return address;
        }
        let sum = self.b.bin_imm(BinOp::Add, address, offset);
        self.wrap(sum)
    }

    /// The bits of a general register that are an address in this mode.
    pub fn register_address(&mut self, register: u8) -> Val {
        let v = self.r64(register);
        self.wrap(v)
    }

    /// Sets a register to an address as LOAD ADDRESS does: all 64 bits in the 64-bit mode, else
    /// bits 32-63.
    pub fn set_address(&mut self, register: u8, address: Val) {
        if self.flags.addressing() == Addressing::A64 {
            self.set_r64(register, address);
        } else {
            let low = self.b.trunc(address);
            self.set_r32(register, low);
        }
    }
}

/// Accesses.
impl Tx<'_> {
    /// The space of an operand with this base register (0 in no register: primary).
    pub fn data_mode(&self, base: u8) -> MemMode {
        self.flags.data_mode(base)
    }

    /// The same as a helper's argument.
    pub fn data_mode_arg(&mut self, base: u8) -> Val {
        let mode = self.data_mode(base);
        self.b.c64(mode.0.into())
    }

    /// Loads an operand, zero-extended to a type.
    pub fn load(&mut self, ty: Ty, size: MemSize, base: u8, address: Val) -> Val {
        let mem = self.mem_op(size, base);
        self.b.load(ty, mem, address)
    }

    /// Loads an operand, sign-extended to a type.
    pub fn load_signed(&mut self, ty: Ty, size: MemSize, base: u8, address: Val) -> Val {
        let mem = MemOp {
            signed: true,
            ..self.mem_op(size, base)
        };
        self.b.load(ty, mem, address)
    }

    /// Loads an operand that must be on its natural boundary (else a specification exception).
    pub fn load_aligned(&mut self, ty: Ty, size: MemSize, base: u8, address: Val) -> Val {
        let mem = self.aligned_op(size, base);
        self.b.load(ty, mem, address)
    }

    /// Stores the low bytes of a value.
    pub fn store(&mut self, size: MemSize, base: u8, address: Val, v: Val) {
        let mem = self.mem_op(size, base);
        self.b.store(mem, address, v);
    }

    /// Stores to an operand that must be on its natural boundary.
    pub fn store_aligned(&mut self, size: MemSize, base: u8, address: Val, v: Val) {
        let mem = self.aligned_op(size, base);
        self.b.store(mem, address, v);
    }

    /// The shape of an operand: unsigned, any alignment.
    pub fn mem_op(&self, size: MemSize, base: u8) -> MemOp {
        MemOp {
            size,
            signed: false,
            aligned: false,
            mode: self.data_mode(base),
        }
    }

    /// The shape of an operand at a relative address: in the space that instructions come from,
    /// on its natural boundary (Principles of Operation, LOAD RELATIVE LONG).
    pub fn relative_op(&self, size: MemSize) -> MemOp {
        MemOp {
            size,
            signed: false,
            aligned: true,
            mode: self.flags.code_mode(),
        }
    }

    /// The shape of an operand that must be on its natural boundary, as interlocked updates need.
    pub fn aligned_op(&self, size: MemSize, base: u8) -> MemOp {
        MemOp {
            aligned: true,
            ..self.mem_op(size, base)
        }
    }
}
