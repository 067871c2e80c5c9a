//! Every instruction of the table, executed once in each of many states by the bare-metal guest
//! `each`: how it ended on one machine, to be compared with how it ended on another.
//!
//! A [`Case`] is an instruction and a state; [`run`] executes a list of them on a program and
//! gives an [`Ending`] for each. Which cases there are is in [`cases`]. Nothing here knows what
//! is right.

pub mod cases;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::bench::Program;
use crate::guests::image;

/// Bytes of storage that instructions see: in front of the code, and about a page's end.
pub const PATTERN_BYTES: usize = 1024 + 512;

/// Absolute address of the first of these.
pub const AREA: u64 = 0x20_0000;

/// Absolute address of the instruction, in that area.
pub const CODE: u64 = AREA + 0x300;

/// How long a run may take beside what its cases take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a case may take.
const LIMIT_OF_CASE: Duration = Duration::from_millis(5);

/// Contents of the general registers, and of the vector registers, two doublewords each.
pub type Registers = [u64; 16 + 64];

/// One instruction in one state.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Mnemonic.
    pub name: &'static str,
    /// Six bytes, the first on the left of 48 bits.
    pub image: u64,
    /// The state, by the name it has in [`cases`].
    pub state: &'static str,
    /// Bits 0-63 of the PSW.
    pub psw_mask: u64,
    /// CR0.
    pub cr0: u64,
    /// Which of the sets of registers.
    pub set: u32,
}

/// How an instruction ended: with the interruption of its own, or with the operation exception of
/// what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// It was a supervisor-call interruption, not a program interruption.
    pub supervisor_call: bool,
    /// Instruction length.
    pub length: u16,
    /// Interruption code.
    pub code: u16,
    /// Data-exception code at real 147.
    pub dxc: u32,
    /// Old PSW.
    pub psw: (u64, u64),
    /// Translation-exception identification at real 168; 0 if none was stored.
    pub teid: u64,
    /// Breaking-event address at real 272.
    pub breaking: u64,
    /// Floating-point control register.
    pub fpc: u32,
    /// Doublewords that have changed: 0-15 general registers, 16-79 vector registers, 80-87 (pairs
    /// of) access registers, 88-279 storage.
    pub changed: BTreeMap<u64, u64>,
}

/// What a run needs beside its cases.
pub struct Plan {
    /// The cases, told by their places in the list.
    pub cases: Vec<Case>,
    /// Sets of registers.
    pub sets: Vec<Registers>,
    /// What storage holds.
    pub pattern: [u8; PATTERN_BYTES],
}

impl Plan {
    /// The initial RAM disk that the guest reads.
    fn disk(&self) -> Vec<u8> {
        let mut disk = Vec::new();
        let mut word = |v: u64| disk.extend(v.to_be_bytes());
        word(self.cases.len() as u64);
        word(self.sets.len() as u64);
        disk.extend(self.pattern);
        for value in self.sets.iter().flatten() {
            disk.extend(value.to_be_bytes());
        }
        for (n, case) in self.cases.iter().enumerate() {
            for value in [case.image << 16, case.psw_mask, case.cr0] {
                disk.extend(value.to_be_bytes());
            }
            disk.extend(case.set.to_be_bytes());
            disk.extend((n as u32).to_be_bytes());
        }
        disk
    }
}

/// Executes the cases on a program, which must execute all of them.
///
/// # Errors
/// A sentence: the program did not start, or did not come to its end.
pub fn run(program: &Program, plan: &Plan) -> Result<Vec<Ending>, String> {
    let (endings, executed) = attempt(program, plan)?;
    executed?;
    if endings.len() == plan.cases.len() {
        Ok(endings)
    } else {
        let (told, all) = (endings.len(), plan.cases.len());
        let last = &plan.cases[told];
        let name = &program.name;
        Err(format!(
            "{name} has told of {told} of {all} cases, not of {last:x?}"
        ))
    }
}

/// The endings that a program has told of, and how its run ended.
type Attempt = (Vec<Ending>, Result<(), String>);

fn attempt(program: &Program, plan: &Plan) -> Result<Attempt, String> {
    let folder = tempfile::tempdir().map_err(|e| format!("a temporary folder: {e}"))?;
    let (disk, output) = (folder.path().join("cases"), folder.path().join("records"));
    std::fs::write(&disk, plan.disk()).map_err(|e| format!("writing the cases: {e}"))?;
    let limit = LIMIT + LIMIT_OF_CASE * plan.cases.len() as u32;
    let executed = execute(program, &disk, &output, limit);
    let records = std::fs::read(&output).map_err(|e| format!("reading the records: {e}"))?;
    Ok((parse(&records), executed))
}

fn execute(program: &Program, disk: &Path, output: &Path, limit: Duration) -> Result<(), String> {
    let stdout = File::create(output).map_err(|e| format!("a file for the records: {e}"))?;
    let mut child = Command::new(&program.binary)
        .args(["-machine", "s390-ccw-virtio", "-nodefaults", "-nographic"])
        .args(["-chardev", "stdio,id=con0,signal=off"])
        .args(["-device", "sclpconsole,chardev=con0", "-m", "64M"])
        .args(&program.arguments)
        .arg("-kernel")
        .arg(image("each"))
        .arg("-initrd")
        .arg(disk)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("starting {}: {e}", program.name))?;
    let until = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("{} ended with {status}", program.name)),
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("{} did not end", program.name));
            }
            Err(e) => return Err(format!("waiting for {}: {e}", program.name)),
        }
    }
}

/// Takes records apart, as many as are whole and have the numbers they should have.
fn parse(bytes: &[u8]) -> Vec<Ending> {
    let mut rest = bytes;
    let mut endings = Vec::new();
    while let Some((id, ending)) = record(&mut rest)
        && id == endings.len() as u64
    {
        endings.push(ending);
    }
    endings
}

/// The next record, with its number.
fn record(bytes: &mut &[u8]) -> Option<(u64, Ending)> {
    let mut take = |count: usize| -> Option<u64> {
        let (now, later) = bytes.split_at_checked(count)?;
        *bytes = later;
        Some(now.iter().fold(0, |v, &byte| v << 8 | u64::from(byte)))
    };
    let id = take(4)?;
    let supervisor_call = take(4)? == 1;
    let (length, code) = (take(2)? as u16, take(2)? as u16);
    let dxc = take(4)? as u32;
    let psw = (take(8)?, take(8)?);
    let (teid, breaking) = (take(8)?, take(8)?);
    let (fpc, count) = (take(4)? as u32, take(4)?);
    let mut changed = BTreeMap::new();
    for _ in 0..count {
        changed.insert(take(8)?, take(8)?);
    }
    let ending = Ending {
        supervisor_call,
        length,
        code,
        dxc,
        psw,
        teid,
        breaking,
        fpc,
        changed,
    };
    Some((id, ending))
}
