//! What the translation engines ask of the CPU: [`tcg::Guest`] for [`S390Cpu`].
//!
//! Here are the condition code, the PSW as one value, and the block key; the rest is handed to
//! where it belongs.
#![allow(
    unsafe_code,
    reason = "implements tcg::Guest, whose contract is on the CPU's layout"
)]

use tcg::ir::{Builder, Global, GlobalDecl, MemMode};
use tcg::{Access, BlockKey, CcTest, CpuCore, Guest, PageMapping, Poll, Trap};

use super::key::{self, Addressing, Flags};
use super::psw::{self, Psw};
use super::{GLOBALS, ProgramCode, S390Cpu, cc, gpr, interrupt, program_interrupt};
use crate::memory;
use crate::memory::protection::FETCH_OVERRIDE;
use crate::translate;

impl S390Cpu {
    /// The flags of the CPU's current state.
    #[inline]
    pub fn flags(&self) -> Flags {
        let afp = if self.cr[0] & CR0_AFP != 0 {
            key::AFP
        } else {
            0
        };
        let with_override = self.cr[0] & FETCH_OVERRIDE != 0 && self.psw_mask & psw::KEY != 0;
        let fetch_override = if with_override {
            key::FETCH_OVERRIDE
        } else {
            0
        };
        let vector = if self.cr[0] & CR0_VECTOR == CR0_VECTOR {
            key::VECTOR
        } else {
            0
        };
        Flags(self.psw_mask & key::PSW_FLAGS | afp | fetch_override | vector)
    }

    /// The floating-point registers: the left halves of the first vector registers.
    pub fn fprs(&self) -> [u64; 16] {
        std::array::from_fn(|n| self.vr[n].left)
    }

    /// The condition code, 0 to 3.
    pub fn cc(&self) -> u8 {
        cc::evaluate(self.core.cc_kind as u8, self.core.cc_a, self.core.cc_b) as u8
    }

    /// Sets the condition code.
    pub fn set_cc(&mut self, cc: u8) {
        self.core.cc_kind = cc::CcKind::Code as u32;
        self.core.cc_a = u64::from(cc & 3);
        self.core.cc_b = 0;
    }

    /// The PSW; its address is `core.pc`.
    pub fn psw(&self) -> Psw {
        Psw {
            mask: self.psw_mask & !psw::CC | u64::from(self.cc()) << psw::CC_SHIFT,
            address: self.core.pc,
        }
    }

    /// Makes a PSW current without checking it; what its masks enable is looked at before the
    /// next block.
    #[inline]
    pub fn set_psw(&mut self, psw: Psw) {
        let changed = self.psw_mask ^ psw.mask;
        if changed & psw::KEY != 0 {
            self.core.spaces_changed();
        }
        self.psw_mask = psw.mask & !psw::CC;
        self.per_mask_changed(changed);
        self.set_cc((psw.mask >> psw::CC_SHIFT) as u8);
        self.core.pc = psw.address;
        self.execute_target = 0;
        self.control.wait_told = false;
        self.masks_changed();
    }

    /// Wraps an address as the addressing mode says.
    pub fn wrap(&self, address: u64) -> u64 {
        address & self.addressing().mask()
    }

    /// The addressing mode.
    pub fn addressing(&self) -> Addressing {
        Flags(self.psw_mask).addressing()
    }

    /// The space of an ordinary operand with this base register.
    pub fn data_mode(&self, base: u8) -> MemMode {
        Flags(self.psw_mask).data_mode(base)
    }
}

/// CR0 bit 45: AFP-register control.
const CR0_AFP: u64 = 1 << (63 - 45);
/// The same and bit 46, vector-enablement control.
const CR0_VECTOR: u64 = CR0_AFP | 1 << (63 - 46);

// SAFETY: S390Cpu is `#[repr(C)]` with a CpuCore first, and GLOBALS takes each offset from the
// field it names, of the declared size.
unsafe impl Guest for S390Cpu {
    const GLOBALS: &'static [GlobalDecl] = &GLOBALS;
    const HOT: &'static [Global] = &[
        gpr(1),
        gpr(2),
        gpr(3),
        gpr(4),
        gpr(5),
        gpr(14),
        gpr(11),
        gpr(15),
    ];
    const MEM_MODES: usize = key::MEM_MODES;

    fn cc_evaluate(kind: u8, a: u64, b: u64) -> u32 {
        cc::evaluate(kind, a, b)
    }

    fn cc_test(kind: u8, mask: u8) -> CcTest {
        cc::test(kind, mask)
    }

    fn cc_is_operand(kind: u8) -> bool {
        kind == cc::CcKind::Code as u8
    }

    fn cc_name(kind: u8) -> &'static str {
        cc::CcKind::from_number(kind).map_or("?", cc::CcKind::name)
    }

    #[inline]
    fn key(&self) -> BlockKey {
        BlockKey {
            pc: self.core.pc,
            flags: self.flags().0,
            aux: self.execute_target,
        }
    }

    fn code_mode(flags: u64) -> MemMode {
        Flags(flags).code_mode()
    }

    fn translate(&mut self, key: &BlockKey, builder: &mut Builder) -> Result<(), Trap> {
        translate::block::translate(self, key, builder)
    }

    fn translate_address(
        &mut self,
        address: u64,
        access: Access,
        mode: MemMode,
    ) -> Result<PageMapping, Trap> {
        memory::translate(self, address, access, mode)
    }

    fn about_to_store(&mut self, address: u64, length: u64, mode: MemMode) {
        if self.psw_mask & psw::PER != 0 {
            self.per_stored(address, length, mode);
        }
    }

    fn space_tag(&mut self, mode: MemMode) -> u16 {
        memory::space_tag(self, mode)
    }

    fn unaligned(&mut self, _address: u64, _mode: MemMode) -> Trap {
        ProgramCode::Specification.into()
    }

    fn wrap_address(&self, address: u64) -> u64 {
        self.wrap(address)
    }

    fn poll(&mut self) -> Poll {
        interrupt::poll(self)
    }

    fn deliver(&mut self, trap: Trap) {
        program_interrupt::deliver(self, trap);
    }

    fn disassemble(&self, address: u64, code: &[u8]) -> (usize, String) {
        crate::insn::text::disassemble(address, code)
    }

    fn core(&self) -> &CpuCore {
        &self.core
    }

    fn core_mut(&mut self) -> &mut CpuCore {
        &mut self.core
    }
}
