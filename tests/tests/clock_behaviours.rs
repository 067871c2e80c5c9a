//! What the architecture says of clocks and QEMU 7.2's translation gets wrong, as guests that
//! check themselves: `ckc` (one CPU's conditions), `epoch` (beyond 64 bits, PTFF), `probe` (several
//! CPUs' conditions, SET CLOCK) and `smptod` (order and uniqueness). `ckc`, `probe` and `smptod`
//! run on every engine in `bare_metal.rs` and `smp.rs`.
//!
//! Where QEMU is installed the same guests run there, and what fails is told, not judged: it is the
//! peer's column of the table of clock behaviours.

use std::path::PathBuf;
use std::time::Duration;

use tests::bench::Program;
use tests::guests::image;
use tests::{engines, skipped};

/// Everything a guest has printed, run to its end.
fn said(program: &Program, name: &str, arguments: &[&str]) -> String {
    let mut emu = program
        .machine()
        .args(["-m", "64M"])
        .args(arguments.iter().copied())
        .kernel(&image(name))
        .start();
    let ended = emu.ends_within(Duration::from_secs(300)).is_some();
    let text = emu.console.text();
    assert!(ended, "{name} on {} did not end:\n{text}", program.name);
    text
}

/// Each line of checks is a PASS, and there are so many groups that say they are there.
fn passes(cpu: &str, there: &[&str], absent: &[&str]) {
    for engine in engines() {
        let text = said(engine, "epoch", &["-cpu", cpu]);
        let fails = text.lines().any(|line| line.starts_with("FAIL"));
        assert!(!fails && text.contains("EXIT: STATUS=1"), "{text}");
        for word in there {
            assert!(text.lines().any(|line| line.trim_end() == *word), "{text}");
        }
        for word in absent {
            assert!(!text.lines().any(|line| line.trim_end() == *word), "{text}");
        }
    }
}

#[test]
fn epoch_index_sign_control_and_ptff_are_right() {
    passes("qemu", &["EPOCHS", "STEERED"], &[]);
}

#[test]
fn without_multiple_epochs_there_is_no_index_and_no_sign_control() {
    passes("qemu,mepoch=off", &["NO EPOCHS", "STEERED"], &["EPOCHS"]);
}

#[test]
fn without_clock_steering_there_is_no_ptff() {
    let cpu = "qemu,mepoch=off,tods=off";
    passes(cpu, &["NO EPOCHS"], &["EPOCHS", "STEERED"]);
}

#[test]
fn what_the_peer_does() {
    let peer = Program::peer(PathBuf::from("qemu-system-s390x"));
    let found = std::process::Command::new(&peer.binary)
        .arg("--version")
        .output();
    let Ok(version) = found else {
        return skipped("what_the_peer_does", "qemu-system-s390x is not installed");
    };
    let version = String::from_utf8_lossy(&version.stdout);
    println!("PEER {}", version.lines().next().unwrap_or_default());
    for (name, cpus) in [
        ("ckc", "1"),
        ("epoch", "1"),
        ("probe", "2"),
        ("smptod", "2"),
    ] {
        let text = said(&peer, name, &["-smp", cpus]);
        for line in text.lines() {
            if line.starts_with("PASS") || line.starts_with("FAIL") {
                println!("PEER {name}: {line}");
            }
        }
    }
}
