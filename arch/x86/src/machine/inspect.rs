//! Looking at a machine from outside: instructions as text.
//!
//! Nothing here changes what the guest sees.

use std::cell::OnceCell;

use capstone::arch::x86::{ArchMode, ArchSyntax};
use capstone::prelude::*;

/// Where a CPU starts after a reset.
pub const RESET_PC: u64 = 0xffff_fff0;

/// How instructions are encoded where a CPU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSize {
    /// Real mode and 16-bit segments.
    Bits16,
    /// 32-bit segments.
    Bits32,
    /// Long mode.
    Bits64,
}

/// Disassembles one instruction: its length and its text in AT&T's syntax, as QEMU's monitor
/// shows it. What is no instruction is one byte of data.
#[must_use]
pub fn disassemble(size: CodeSize, address: u64, code: &[u8]) -> (usize, String) {
    thread_local! {
        static DECODERS: [OnceCell<Option<Capstone>>; 3] = const { [const { OnceCell::new() }; 3] };
    }
    DECODERS.with(|decoders| {
        let (cell, mode) = match size {
            CodeSize::Bits16 => (&decoders[0], ArchMode::Mode16),
            CodeSize::Bits32 => (&decoders[1], ArchMode::Mode32),
            CodeSize::Bits64 => (&decoders[2], ArchMode::Mode64),
        };
        let decoder = cell.get_or_init(|| {
            Capstone::new()
                .x86()
                .mode(mode)
                .syntax(ArchSyntax::Att)
                .build()
                .ok()
        });
        let text = decoder.as_ref().and_then(|decoder| {
            let instructions = decoder.disasm_count(code, address, 1).ok()?;
            let one = instructions.first()?;
            let operands = one.op_str().unwrap_or_default();
            let name = one.mnemonic().unwrap_or_default();
            let text = format!("{name:<8} {operands}");
            Some((one.bytes().len(), text.trim_end().to_owned()))
        });
        text.unwrap_or_else(|| match code.first() {
            Some(byte) => (1, format!(".byte    {byte:#04x}")),
            None => (0, String::new()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_other_instructions_elsewhere() {
        let code = [0x48, 0x89, 0xd8];
        assert_eq!(
            disassemble(CodeSize::Bits64, 0, &code),
            (3, "movq     %rbx, %rax".into())
        );
        assert_eq!(
            disassemble(CodeSize::Bits32, 0, &code),
            (1, "decl     %eax".into())
        );
        assert_eq!(
            disassemble(CodeSize::Bits16, 0, &code),
            (1, "decw     %ax".into())
        );
    }

    #[test]
    fn what_is_no_instruction_is_data() {
        assert_eq!(
            disassemble(CodeSize::Bits64, 0, &[0x06, 0x90]),
            (1, ".byte    0x06".into())
        );
        assert_eq!(disassemble(CodeSize::Bits64, 0, &[]).0, 0);
    }
}
