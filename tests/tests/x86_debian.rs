//! Debian's amd64 kernel under KVM, where the host's KVM can run it.

use std::process::Command;

use tests::guests::top;
use tests::{process, skipped};

/// What the script ends with where it could not be tried.
const SKIPPED: i32 = 77;

#[test]
fn debians_kernel_boots_and_powers_off() {
    const NAME: &str = "debians_kernel_boots_and_powers_off";
    let cache = std::env::var_os("EMU_CACHE").map_or_else(|| top().join("cache"), Into::into);
    if !cache.join("debian-amd64/vmlinuz").is_file() {
        let why = "Debian's amd64 kernel is not in the cache: tests/scripts/get-debian-guest \
                   --arch amd64 gets it";
        return skipped(NAME, why);
    }
    let script = Command::new(top().join("tests/scripts/boot-debian-amd64"))
        .args(["--limit", "300", "--silence", "90"])
        .arg("--cache")
        .arg(cache)
        .arg("--emu")
        .arg(process::binary())
        .output()
        .unwrap_or_else(|why| panic!("tests/scripts/boot-debian-amd64: {why}"));
    let said = String::from_utf8_lossy(&script.stdout) + String::from_utf8_lossy(&script.stderr);
    match script.status.code() {
        Some(0) => assert!(said.contains("PASSED"), "{said}"),
        Some(SKIPPED) => skipped(NAME, said.trim()),
        _ => panic!("{said}"),
    }
}
