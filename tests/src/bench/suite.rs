//! The whole suite: every program in turn on every image, as often as asked, gathered by row.

use std::path::PathBuf;
use std::time::Duration;

use crate::guests::Debian;

use super::guest::{self, IMAGES, Program, RowOutcome, Selection};
use super::{Sample, linux};

/// How long one start of a guest may take: a hang ends in a failed row.
const LIMIT: Duration = Duration::from_secs(600);

/// What to run.
pub struct Plan {
    /// Our executable.
    pub binary: PathBuf,
    /// Our engines by name.
    pub engines: Vec<String>,
    /// QEMU, if it is there.
    pub peer: Option<PathBuf>,
    /// Starts of each guest on each program.
    pub runs: usize,
    /// Which rows, and how long each.
    pub selection: Selection,
}

/// What came of a row on one program.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// Nanoseconds an operation, one value a run.
    pub ns: Sample,
    /// What went wrong.
    pub failures: Vec<String>,
}

/// A row and its cells, in the order of [`Results::programs`].
pub struct Row {
    /// Its name; what stands before the first dot is its group.
    pub name: String,
    /// One for each program.
    pub cells: Vec<Cell>,
}

/// Everything measured.
pub struct Results {
    /// The programs that ran: our engines, and then the peer.
    pub programs: Vec<Program>,
    /// Whether the last program is the peer.
    pub has_peer: bool,
    /// What could not be measured, and why.
    pub left_out: Vec<String>,
    /// The rows in order.
    pub rows: Vec<Row>,
}

impl Results {
    fn add(&mut self, program: usize, name: String, outcome: RowOutcome) {
        let at = self.rows.iter().position(|row| row.name == name);
        let at = at.unwrap_or_else(|| {
            let cells = vec![Cell::default(); self.programs.len()];
            self.rows.push(Row { name, cells });
            self.rows.len() - 1
        });
        let cell = &mut self.rows[at].cells[program];
        match outcome {
            RowOutcome::Measured(ns) => cell.ns.0.push(ns),
            RowOutcome::Failed(why) => cell.failures.push(why),
        }
    }

    /// Whether every result was right.
    pub fn all_right(&self) -> bool {
        let own = self.programs.len() - usize::from(self.has_peer);
        let cells = self.rows.iter().flat_map(|row| &row.cells[..own]);
        cells.into_iter().all(|cell| cell.failures.is_empty())
    }
}

/// Runs the plan; `progress` is told what is being done.
pub fn run(plan: &Plan, mut progress: impl FnMut(&str)) -> Results {
    let mut left_out = Vec::new();
    let engines = plan.engines.iter();
    let mut programs: Vec<_> = engines
        .map(|name| Program::engine(plan.binary.clone(), name))
        .collect();
    programs.extend(plan.peer.clone().map(Program::peer));
    programs.retain(|program| match program.probe() {
        Ok(()) => true,
        Err(why) => {
            left_out.push(format!("{} is left out: {why}", program.name));
            false
        }
    });
    if plan.peer.is_none() {
        left_out.push("no peer: qemu-system-s390x is not installed, or was not wanted".into());
    }
    let has_peer = programs.last().is_some_and(|last| last.name == "QEMU");
    let debian = if plan.selection.wants(linux::BOOT) || plan.selection.wants(linux::LOOP) {
        Debian::find()
            .map_err(|why| left_out.push(format!("the rows of Linux are left out: {why}")))
            .ok()
    } else {
        None
    };
    let mut results = Results {
        programs,
        has_peer,
        left_out,
        rows: Vec::new(),
    };
    for run in 1..=plan.runs {
        let programs = results.programs.clone();
        for image in IMAGES {
            for (index, program) in programs.iter().enumerate() {
                progress(&format!(
                    "run {run} of {}: {} on {}",
                    plan.runs, image.name, program.name
                ));
                for (name, outcome) in guest::run(program, image, &plan.selection, LIMIT) {
                    results.add(index, name, outcome);
                }
            }
        }
        for (index, program) in programs.iter().enumerate() {
            if let Some(debian) = &debian {
                progress(&format!(
                    "run {run} of {}: Linux on {}",
                    plan.runs, program.name
                ));
                for (name, outcome) in linux::run(program, debian, LIMIT) {
                    results.add(index, name, outcome);
                }
            }
        }
    }
    results
}
