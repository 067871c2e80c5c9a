//! Bare-metal guests that check themselves: running one to its end, and reading what it says.

use std::time::Duration;

use crate::bench::Program;
use crate::guests::image;

/// How long a guest may take. Generous: a host with fewer CPUs than the guest is slow.
const LIMIT: Duration = Duration::from_secs(300);

/// How a self-checking guest is run.
#[derive(Clone, Debug, Default)]
pub struct Run<'a> {
    /// The image.
    pub name: &'a str,
    /// CPUs; 0 for the machine's default.
    pub cpus: u32,
    /// The command line.
    pub append: &'a str,
}

impl Run<'_> {
    /// Runs the guest to its end: every line of checks must be a PASS, and nothing may be said on
    /// stderr. Fails the test otherwise.
    pub fn passes(&self, program: &Program) {
        let mut builder = program
            .machine()
            .args(["-m", "64M"])
            .kernel(&image(self.name));
        if self.cpus > 0 {
            builder = builder.args(["-smp".to_owned(), self.cpus.to_string()]);
        }
        if !self.append.is_empty() {
            builder = builder.append(self.append);
        }
        let mut emu = builder.start();
        let what = format!("{self:?} on {}", program.name);
        let Some(status) = emu.ends_within(LIMIT) else {
            panic!(
                "{what} did not end:\n{}\n{}",
                emu.console.text(),
                emu.stderr()
            );
        };
        let text = emu.console.text();
        let failed: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("FAIL"))
            .collect();
        assert!(failed.is_empty(), "{what}: {failed:#?}\n{text}");
        assert!(
            text.contains("EXIT: STATUS=1"),
            "{what} did not come to its end:\n{text}"
        );
        assert!(
            text.lines().any(|line| line.starts_with("PASS")),
            "{what} checked nothing:\n{text}"
        );
        if self.cpus > 0 {
            let all = format!("CPUS {}", self.cpus);
            assert!(
                text.lines().any(|line| line.trim_end() == all),
                "{what} did not find its CPUs:\n{text}"
            );
        }
        assert!(status.success(), "{what}: {status}");
        assert_eq!(emu.stderr(), "", "{what}");
    }
}
