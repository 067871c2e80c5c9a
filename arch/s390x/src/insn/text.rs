//! One instruction as text: capstone's, and where capstone has gaps our mnemonic and the bytes.
//!
//! Not here: any decision by that text; it is for the monitor and logs.

use std::cell::OnceCell;

use capstone::arch::BuildsCapstone;
use capstone::{Capstone, Endian};

use super::decode::{find_row, length};

thread_local! {
    /// A disassembler for this thread (its handle is not shared); `None` if it cannot be had.
    static CAPSTONE: OnceCell<Option<Capstone>> = const { OnceCell::new() };
}

/// Length and text of the instruction that code begins with; `address` is where it stands, for
/// relative operands.
pub fn disassemble(address: u64, code: &[u8]) -> (usize, String) {
    let Some(&first) = code.first() else {
        return (0, String::new());
    };
    let count = usize::from(length(first)).min(code.len());
    let code = &code[..count];
    let text = by_capstone(address, code).unwrap_or_else(|| by_table(code));
    (count, text)
}

fn by_capstone(address: u64, code: &[u8]) -> Option<String> {
    CAPSTONE.with(|cell| {
        let capstone = cell.get_or_init(|| {
            let mut capstone = Capstone::new()
                .sysz()
                .mode(capstone::arch::sysz::ArchMode::Default)
                .build()
                .ok()?;
            capstone.set_endian(Endian::Big).ok()?;
            Some(capstone)
        });
        let insns = capstone.as_ref()?.disasm_count(code, address, 1).ok()?;
        let insn = insns
            .first()
            .filter(|insn| insn.bytes().len() == code.len())?;
        let operands = insn.op_str().unwrap_or_default();
        Some(
            format!("{:<8} {operands}", insn.mnemonic()?)
                .trim_end()
                .to_owned(),
        )
    })
}

fn by_table(code: &[u8]) -> String {
    let mut image = [0; 8];
    for (to, &from) in image[2..].iter_mut().zip(code) {
        *to = from;
    }
    let name = find_row(u64::from_be_bytes(image)).map(|row| row.name.to_lowercase());
    let digits: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    match name {
        Some(name) => format!("{name:<8} # {digits}"),
        None => format!("{:<8} 0x{digits}", ".insn"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_and_nonsense_is_shown_as_bytes() {
        assert_eq!(
            disassemble(0, &[0x18, 0x12]),
            (2, "lr       %r1, %r2".into())
        );
        // LPSWE, which capstone does not know.
        let (length, text) = disassemble(0, &[0xb2, 0xb2, 0xf0, 0x00, 0]);
        assert_eq!(length, 4);
        assert!(text.starts_with("lpswe"), "{text}");
        assert_eq!(disassemble(0, &[0, 0]), (2, ".insn    0x0000".into()));
        assert_eq!(disassemble(0, &[]), (0, String::new()));
    }
}
