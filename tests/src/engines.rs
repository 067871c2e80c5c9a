//! The engines that the program under test knows, for tests that run on each of them.

use std::sync::OnceLock;

use crate::bench::Program;
use crate::process;

/// All engines there are, by the names that `-accel tcg,engine=` takes. A build or a host may
/// lack some.
const NAMES: [&str; 3] = ["native", "interp", "reference"];

/// The program with each engine that it starts with; asked once a process. `EMU_ENGINES`, names
/// with commas between, chooses among them.
pub fn engines() -> &'static [Program] {
    static KNOWN: OnceLock<Vec<Program>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let chosen = std::env::var("EMU_ENGINES").ok();
        let wanted = |name: &&str| {
            chosen
                .as_ref()
                .is_none_or(|names| names.split(',').any(|chosen| chosen == *name))
        };
        let programs: Vec<_> = NAMES
            .into_iter()
            .filter(wanted)
            .map(|name| Program::engine(process::binary(), name))
            .filter(|program| program.probe().is_ok())
            .collect();
        assert!(!programs.is_empty(), "the program starts with no engine");
        programs
    })
}
