//! The vector facility and its enhancements 1 and 2: the guest `vector`, whose tables come from
//! models of their own, on every engine and on QEMU.

use std::time::Duration;

use tests::bench::Program;
use tests::guests::image;
use tests::self_checking::Run;
use tests::{engines, skipped};

#[test]
fn vector_instructions_are_right() {
    for engine in engines() {
        Run {
            name: "vector",
            ..Run::default()
        }
        .passes(engine);
    }
}

/// What QEMU 7.2 gets wrong; the groups of such rows say so in parentheses.
const WRONG: [&str; 6] = [
    "(a sum of its own)",
    "(inexact suppressed)",
    "(invalid and inexact)",
    "(rounded, then negated)",
    "(tiny and exact)",
    "(which NaN)",
];

#[test]
fn the_peer_differs_only_where_it_is_known_to() {
    const NAME: &str = "the_peer_differs_only_where_it_is_known_to";
    let peer = Program::peer("qemu-system-s390x".into());
    let found = std::process::Command::new(&peer.binary)
        .arg("--version")
        .output();
    let Ok(version) = found else {
        return skipped(NAME, "qemu-system-s390x is not installed");
    };
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if !version.contains("version 7.2.") {
        return skipped(NAME, "qemu-system-s390x is not 7.2");
    }
    let mut emu = peer
        .machine()
        .args(["-m", "64M", "-cpu", "max"])
        .kernel(&image("vector"))
        .start();
    let ended = emu.ends_within(Duration::from_secs(300)).is_some();
    let text = emu.console.text();
    assert!(ended && text.contains("EXIT: STATUS="), "{text}");
    let unknown: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("FAIL"))
        .filter(|line| !WRONG.iter().any(|group| line.contains(group)))
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(text.lines().any(|line| line.starts_with("PASS")), "{text}");
}
