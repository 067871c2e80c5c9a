//! `emu`: runs guests. See `emu -help`.

use std::process::ExitCode;

/// Translation makes and drops many small objects.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    ExitCode::from(emu::main_with(&words, emu::machines::MACHINES))
}
