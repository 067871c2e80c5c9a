//! The s390x machine: CPU, decode and translation, DAT, interruptions, SCLP, IPL and TOD backends

pub mod bfp;
pub mod boot;
pub mod clock;
pub mod console;
pub mod cpu;
pub mod css;
pub mod helpers;
pub mod insn;
pub mod machine;
pub mod memory;
pub mod translate;
pub mod vector;

#[cfg(test)]
mod readme;
