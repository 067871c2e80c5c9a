//! Linux' users of program-event recording, in Debian's kernel: a process that is single-stepped
//! sees every instruction once, and a watched variable every store.

use std::path::Path;
use std::process::Command;

use tests::EmuBuilder;
use tests::guests::{Debian, top};

/// The cross compiler, which not every machine has.
const COMPILER: &str = "s390x-linux-gnu-gcc";

/// An initial RAM disk with one program, `/init` (cpio, "newc").
fn disk(program: &[u8]) -> Vec<u8> {
    const EXECUTABLE: u32 = 0o100_755;
    let mut disk = Vec::new();
    for (name, mode, data) in [("init", EXECUTABLE, program), ("TRAILER!!!", 0, &[])] {
        disk.extend(b"070701");
        let size = data.len() as u32;
        let length = name.len() as u32 + 1;
        for field in [1, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, length, 0] {
            disk.extend(format!("{field:08x}").bytes());
        }
        disk.extend(name.bytes());
        disk.push(0);
        disk.resize(disk.len().next_multiple_of(4), 0);
        disk.extend(data);
        disk.resize(disk.len().next_multiple_of(4), 0);
    }
    disk
}

fn compile(source: &Path, program: &Path) -> Result<(), String> {
    let output = Command::new(COMPILER)
        .args(["-O1", "-static", "-o"])
        .args([program, source])
        .output()
        .map_err(|e| format!("{COMPILER}: {e}"))?;
    if output.status.success() {
        Ok(())
    } else {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{COMPILER} makes no static program: {why}"))
    }
}

#[test]
fn ptrace_sees_every_step_and_store() {
    const NAME: &str = "ptrace_sees_every_step_and_store";
    let debian = match Debian::find() {
        Ok(debian) => debian,
        Err(why) => return tests::skipped(NAME, &why),
    };
    let folder = tempfile::tempdir().unwrap();
    let (program, initrd) = (folder.path().join("init"), folder.path().join("initrd"));
    if let Err(why) = compile(&top().join("tests/guests/linux/ptrace.c"), &program) {
        return tests::skipped(NAME, &why);
    }
    std::fs::write(&initrd, disk(&std::fs::read(&program).unwrap())).unwrap();
    // Others by EMU_ENGINES: the kernel's boot is what takes its time.
    let engine = &tests::engines()[0];
    let mut emu = EmuBuilder::s390x()
        .args(["-m", "256M"])
        .args(engine.arguments.iter().cloned())
        .kernel(&debian.kernel)
        .initrd(&initrd)
        .append("quiet")
        .start();
    emu.expect("hits=", 300);
    emu.wait(60);
    let text = emu.console.text();
    assert!(
        text.contains("PTRACE steps=4003 hits=3"),
        "{}: {text}",
        engine.name
    );
}
