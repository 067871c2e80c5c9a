//! QEMU's own QMP library (PyPI: qemu.qmp) drives the program: `scripts/qmp-moves`, which knows
//! nothing of this program.
//!
//! `EMU_PYTHON` names a Python that has the library; else `python3` is asked.

use std::process::Command;

use tests::guests::{image, top};
use tests::{process, skipped};

#[test]
fn offline_and_live_moves_with_qemus_own_library() {
    let python = std::env::var_os("EMU_PYTHON").unwrap_or_else(|| "python3".into());
    let has_it = Command::new(&python)
        .args(["-c", "import qemu.qmp"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !has_it {
        return skipped(
            "offline_and_live_moves_with_qemus_own_library",
            &format!(
                "{} has no qemu.qmp (pip install qemu.qmp)",
                python.display()
            ),
        );
    }
    let output = Command::new(&python)
        .arg(top().join("tests/scripts/qmp-moves"))
        .arg(process::binary())
        .arg(image("move"))
        .arg("mb=8")
        .output()
        .expect("a Python that has just run");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(said.lines().count(), 2, "{said}");
}
