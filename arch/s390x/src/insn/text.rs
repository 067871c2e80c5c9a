//! One instruction as text, for logs: our mnemonic and the bytes.

use super::decode::{find_row, length};

/// Length and text of the instruction that code begins with.
pub fn disassemble(code: &[u8]) -> (usize, String) {
    let mut image = [0; 8];
    for (to, &from) in image[2..].iter_mut().zip(code) {
        *to = from;
    }
    let image = u64::from_be_bytes(image);
    let count = usize::from(length((image >> 40) as u8)).min(code.len());
    let name = find_row(image).map_or(".insn", |row| row.name);
    let digits: String = code[..count]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    (count, format!("{digits:<12} {}", name.to_lowercase()))
}
