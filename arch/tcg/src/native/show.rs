//! Host code as text, for `-d out_asm` and for reports of differences.

use capstone::arch::{BuildsCapstone, x86};

/// Writes a line for each instruction.
pub(super) fn disassemble(
    f: &mut std::fmt::Formatter<'_>,
    code: &[u8],
    address: u64,
) -> std::fmt::Result {
    let capstone = capstone::Capstone::new()
        .x86()
        .mode(x86::ArchMode::Mode64)
        .build();
    let Ok(capstone) = capstone else {
        return write!(f, "{code:02x?}");
    };
    let Ok(insns) = capstone.disasm_all(code, address) else {
        return write!(f, "{code:02x?}");
    };
    for insn in insns.iter() {
        writeln!(
            f,
            "{:#x}  {} {}",
            insn.address(),
            insn.mnemonic().unwrap_or("?"),
            insn.op_str().unwrap_or("")
        )?;
    }
    Ok(())
}
