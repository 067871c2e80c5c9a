//! Operands in storage and in registers, as the helpers of string, decimal and interlocked
//! instructions see them.
//!
//! Here are the address spaces of a two-operand instruction packed into one constant, the update
//! of address and length registers in the three addressing modes, overlap, and units that are
//! small enough for a page. Not here: address translation (`tcg::mem` asks the CPU for it).

use tcg::ir::MemMode;
use tcg::mem::PAGE_SIZE;
use tcg::{Access, Guest, Trap, mem};

use crate::cpu::S390Cpu;
use crate::cpu::key::{Addressing, Flags, MODE_ACCESS_REGISTER, MODE_PRIMARY};

/// What the helper of an interruptible instruction returns instead of a condition code when the
/// instruction is to be executed again from the registers as they are now.
pub const RESTART: u64 = 4;

/// Bytes that one execution of an interruptible instruction processes at most, so that a request
/// to the CPU waits for microseconds only.
pub const BUDGET: u64 = 32 * 1024;

/// The spaces of two operands, as one argument of a helper.
pub fn spaces(first: MemMode, second: MemMode) -> u64 {
    u64::from(first.0) | u64::from(second.0) << 8
}

/// The first operand's space.
pub fn first(spaces: u64) -> MemMode {
    MemMode(spaces as u8)
}

/// The second operand's space.
pub fn second(spaces: u64) -> MemMode {
    MemMode((spaces >> 8) as u8)
}

/// The addressing mode.
pub fn addressing(cpu: &S390Cpu) -> Addressing {
    Flags(cpu.psw_mask).addressing()
}

/// The address that a general register holds.
pub fn address(cpu: &S390Cpu, register: usize) -> u64 {
    cpu.gpr[register] & addressing(cpu).mask()
}

/// Sets the address in a general register: all of it in the 64-bit mode, else the low half with
/// zeros left of the address (Principles of Operation, chapter 5, "Address Generation"; where
/// the manual allows the bits left of a 24-bit address to stay, they become zeros).
pub fn set_address(cpu: &mut S390Cpu, register: usize, value: u64) {
    let mode = addressing(cpu);
    cpu.gpr[register] = match mode {
        Addressing::A64 => value,
        Addressing::A24 | Addressing::A31 => low_half(cpu.gpr[register], value & mode.mask()),
    };
}

/// Inserts an address into a general register as TRT and EDMK do: in the 24-bit mode bits 32-39
/// stay.
pub fn insert_address(cpu: &mut S390Cpu, register: usize, value: u64) {
    let old = cpu.gpr[register];
    cpu.gpr[register] = match addressing(cpu) {
        Addressing::A24 => old & !0x00ff_ffff | value & 0x00ff_ffff,
        Addressing::A31 => low_half(old, value & 0x7fff_ffff),
        Addressing::A64 => value,
    };
}

/// The operand length that a general register holds: 64 bits in the 64-bit mode, else 32.
pub fn length(cpu: &S390Cpu, register: usize) -> u64 {
    match addressing(cpu) {
        Addressing::A64 => cpu.gpr[register],
        Addressing::A24 | Addressing::A31 => u64::from(cpu.gpr[register] as u32),
    }
}

/// Sets the operand length in a general register; the high half stays outside the 64-bit mode.
pub fn set_length(cpu: &mut S390Cpu, register: usize, value: u64) {
    cpu.gpr[register] = match addressing(cpu) {
        Addressing::A64 => value,
        Addressing::A24 | Addressing::A31 => low_half(cpu.gpr[register], value),
    };
}

/// A register with its numerically low half replaced.
pub fn low_half(register: u64, low: u64) -> u64 {
    register & !u64::from(u32::MAX) | low & u64::from(u32::MAX)
}

/// Bytes from an address to the end of its page.
pub fn room(address: u64) -> u64 {
    PAGE_SIZE - address % PAGE_SIZE
}

/// How many bytes of a run that starts at `address` are processed at once: up to the end of the
/// page, whole units, at least one unit (which may then cross the page).
pub fn piece(address: u64, limit: u64, unit: u64) -> u64 {
    let most = room(address).min(limit);
    (most - most % unit).max(unit)
}

/// How far the first operand begins behind the second; `None` if they are in different spaces.
/// The manual compares effective addresses and spaces, not where pages lie (chapter 5,
/// "Interlocks for Virtual-Storage References").
pub fn distance(cpu: &S390Cpu, dst: u64, src: u64, spaces: u64) -> Option<u64> {
    same_space(cpu, first(spaces), second(spaces)).then(|| cpu.wrap_address(dst.wrapping_sub(src)))
}

/// The same if it is from 1 to below the length: bytes stored are then fetched again.
pub fn overlap(cpu: &S390Cpu, dst: u64, src: u64, length: u64, spaces: u64) -> Option<u64> {
    distance(cpu, dst, src, spaces).filter(|&distance| distance != 0 && distance < length)
}

fn same_space(cpu: &S390Cpu, a: MemMode, b: MemMode) -> bool {
    let alet = |mode: MemMode| match mode.0.checked_sub(MODE_ACCESS_REGISTER) {
        Some(register) => cpu.ar.get(usize::from(register)).copied(),
        None if mode == MODE_PRIMARY => Some(0),
        None => None,
    };
    a == b || (alet(a).is_some() && alet(a) == alet(b))
}

/// Reads bytes of an operand.
///
/// # Errors
/// The access's trap.
pub fn read(cpu: &mut S390Cpu, mode: MemMode, at: u64, buffer: &mut [u8]) -> Result<(), Trap> {
    mem::read_bytes(cpu, mode, at, buffer)
}

/// Reads one byte of an operand.
///
/// # Errors
/// The access's trap.
pub fn read_byte(cpu: &mut S390Cpu, mode: MemMode, at: u64) -> Result<u8, Trap> {
    let mut byte = [0];
    mem::read_bytes(cpu, mode, at, &mut byte)?;
    Ok(byte[0])
}

/// Writes bytes of an operand, at most a page's length: all or nothing.
///
/// # Errors
/// The access's trap; nothing is stored then.
pub fn write(cpu: &mut S390Cpu, mode: MemMode, at: u64, bytes: &[u8]) -> Result<(), Trap> {
    mem::write_bytes(cpu, mode, at, bytes)
}

/// Reads an operand that will be stored too: the exceptions of storing come first.
///
/// # Errors
/// The access's trap.
pub fn read_for_update(
    cpu: &mut S390Cpu,
    mode: MemMode,
    at: u64,
    buffer: &mut [u8],
) -> Result<(), Trap> {
    mem::probe(cpu, mode, Access::Write, at, buffer.len() as u64)?;
    mem::read_bytes(cpu, mode, at, buffer)
}

/// 0 for equal, 1 for less, 2 for greater: the condition code of a comparison.
pub fn order<T: Ord>(a: T, b: T) -> u64 {
    match a.cmp(&b) {
        std::cmp::Ordering::Equal => 0,
        std::cmp::Ordering::Less => 1,
        std::cmp::Ordering::Greater => 2,
    }
}

/// The byte at which two equally long runs differ first.
pub fn mismatch(a: &[u8], b: &[u8]) -> Option<usize> {
    if a == b {
        return None;
    }
    a.iter().zip(b).position(|(x, y)| x != y)
}
