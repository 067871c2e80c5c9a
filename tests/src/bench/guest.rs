//! One bare-metal benchmark image on one program: started, read, judged row by row.
//!
//! The guest decides how many passes a row takes and measures them with its own clock, which runs
//! in real time on every program while nobody stops it (`tests/guests/bench/bench.inc`).

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::EmuBuilder;
use crate::guests::image;

/// TOD units of a nanosecond: bit 51 is a microsecond.
const UNITS_PER_NS: f64 = 4.096;

/// A benchmark image and the machine it needs.
#[derive(Clone, Copy, Debug)]
pub struct Image {
    /// Its name in `tests/guests/images`.
    pub name: &'static str,
    /// `-smp`
    pub cpus: &'static str,
}

/// All of them, in the table's order.
pub const IMAGES: &[Image] = &[
    Image::new("bench-compute", "1"),
    Image::new("bench-memory", "1"),
    Image::new("bench-string", "1"),
    Image::new("bench-float", "1"),
    Image::new("bench-digest", "1"),
    Image::new("bench-system", "1"),
    Image::new("bench-code", "1"),
    Image::new("bench-atomic", "2"),
];

impl Image {
    const fn new(name: &'static str, cpus: &'static str) -> Self {
        Self { name, cpus }
    }
}

/// A program under measurement: ours with one of its engines, or QEMU.
#[derive(Clone, Debug)]
pub struct Program {
    /// What the table calls it.
    pub name: String,
    /// The executable.
    pub binary: PathBuf,
    /// What selects its engine.
    pub arguments: Vec<OsString>,
}

impl Program {
    /// This program with an engine of its own by name (`native`, `interp`).
    pub fn engine(binary: PathBuf, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            binary,
            arguments: vec!["-accel".into(), format!("tcg,engine={name}").into()],
        }
    }

    /// The peer.
    pub fn peer(binary: PathBuf) -> Self {
        Self {
            name: "QEMU".to_owned(),
            binary,
            arguments: Vec::new(),
        }
    }

    /// A machine of this program.
    pub fn machine(&self) -> EmuBuilder {
        EmuBuilder::s390x()
            .with_binary(&self.binary)
            .args(self.arguments.iter().cloned())
    }

    /// Whether it starts at all: a build may lack an engine.
    ///
    /// # Errors
    /// What the program has said.
    pub fn probe(&self) -> Result<(), String> {
        let mut emu = self
            .machine()
            .args(["-m", "64M"])
            .kernel(&image("hello"))
            .start();
        match emu.ends_within(Duration::from_secs(60)) {
            Some(status) if status.success() => Ok(()),
            Some(status) => Err(format!("{status}: {}", emu.stderr().trim())),
            None => Err("a guest that only prints a line did not end within 60 s".into()),
        }
    }
}

/// Which rows run, and for how long each.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Only rows whose names contain this.
    pub rows: Option<String>,
    /// How long a row is measured.
    pub length: Length,
}

/// How long a row is measured.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// Milliseconds of the guest's time.
    Milliseconds(u32),
    /// Passes.
    Passes(u32),
}

impl Selection {
    /// The guest's command line.
    fn append(&self) -> String {
        let mut line = match self.length {
            Length::Milliseconds(ms) => format!("ms={ms}"),
            Length::Passes(passes) => format!("passes={passes}"),
        };
        if let Some(pattern) = &self.rows {
            line += &format!(" rows={pattern}");
        }
        line
    }

    /// Whether a row of this name is to run.
    pub fn wants(&self, row: &str) -> bool {
        self.rows
            .as_ref()
            .is_none_or(|pattern| row.contains(pattern))
    }
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum RowOutcome {
    /// Its result was right; nanoseconds an operation, in a typical pass.
    Measured(f64),
    /// Its result was wrong, or it did not come to its end: what was said of it.
    Failed(String),
}

/// Runs one image to its end; the rows in their order. A machine that crashes or hangs fails the
/// row it was at.
pub fn run(
    program: &Program,
    image: &Image,
    selection: &Selection,
    limit: Duration,
) -> Vec<(String, RowOutcome)> {
    let mut emu = program
        .machine()
        .args(["-m", "256M", "-smp", image.cpus])
        .kernel(&self::image(image.name))
        .append(&selection.append())
        .start();
    let end = emu.ends_within(limit);
    let mut rows = read(&emu.console.text());
    let trouble = match end {
        Some(status) if status.success() => None,
        Some(status) => Some(format!("{status}: {}", emu.stderr().trim())),
        None => Some(format!("{} did not end in time", image.name)),
    };
    if let Some(trouble) = trouble {
        match rows.last_mut() {
            Some((_, RowOutcome::Failed(why))) => *why = format!("{why}; {trouble}"),
            _ => rows.push((image.name.to_owned(), RowOutcome::Failed(trouble))),
        }
    }
    rows
}

/// The rows in a guest's output. A row that was begun (`RUN`) and has no `ROW` line has failed.
pub fn read(text: &str) -> Vec<(String, RowOutcome)> {
    let mut rows: Vec<(String, RowOutcome)> = Vec::new();
    let mut wrong: Option<String> = None;
    for line in text.lines() {
        let line = line.trim_end();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let last = rows.last_mut().map(|(_, outcome)| outcome);
        match (word, last) {
            ("RUN", _) => {
                wrong = None;
                let unfinished = RowOutcome::Failed("it did not come to its end".into());
                rows.push((rest.to_owned(), unfinished));
            }
            ("FAIL" | "UNEXPECTED", Some(outcome)) => {
                let said = wrong.get_or_insert_with(|| line.to_owned()).clone();
                *outcome = RowOutcome::Failed(said);
            }
            ("ROW", Some(outcome)) if wrong.is_none() => {
                *outcome = match (number(rest, "ops="), number(rest, "time=")) {
                    (Some(ops), Some(units)) if ops > 0.0 => {
                        RowOutcome::Measured(units / UNITS_PER_NS / ops)
                    }
                    _ => RowOutcome::Failed(format!("not understood: {line}")),
                };
            }
            _ => {}
        }
    }
    rows
}

fn number(line: &str, key: &str) -> Option<f64> {
    line.split_whitespace()
        .find_map(|word| word.strip_prefix(key))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_wrong_ones_fail() {
        let text = "RUN a.b\r\nROW a.b ops=100 passes=3 time=4096 least=1 sum=9\r\n\
                    RUN c\r\nFAIL c check 2: found 1, expected 2\r\n\
                    ROW c ops=1 passes=1 time=1 least=1 sum=1\r\n\
                    RUN d\r\n";
        let rows = read(text);
        assert_eq!(rows[0], ("a.b".into(), RowOutcome::Measured(10.0)));
        assert_eq!(
            rows[1].1,
            RowOutcome::Failed("FAIL c check 2: found 1, expected 2".into())
        );
        assert!(matches!(&rows[2], (name, RowOutcome::Failed(_)) if name == "d"));
        assert_eq!(rows.len(), 3);
    }
}
