//! Every instruction in many states: all engines agree in everything that can be seen, and QEMU,
//! where it is installed, agrees but for its known errors.
//!
//! A thirtieth of the cases is tried; `EMU_EACH=1` tries all, `EMU_EACH=N` one in N.

use std::collections::BTreeSet;

use tests::bench::Program;
use tests::each::{CODE, Case, Ending, cases, run};

fn every() -> usize {
    std::env::var("EMU_EACH")
        .ok()
        .and_then(|value| value.parse().ok())
        .filter(|&every| every > 0)
        .unwrap_or(30)
}

#[test]
fn engines_agree() {
    let plan = cases::plan(every());
    let mut results = Vec::new();
    for program in tests::engines() {
        let endings = run(program, &plan).unwrap_or_else(|why| panic!("{why}"));
        results.push((program, endings));
    }
    let (first, expected) = &results[0];
    for (program, endings) in &results[1..] {
        for ((case, a), b) in plan.cases.iter().zip(expected).zip(endings) {
            if !cases::varies(case.name) {
                assert_eq!(a, b, "{case:x?}: {} and {}", first.name, program.name);
            }
        }
    }
}

/// What QEMU 7.2 does not survive: CSST aborts it; translation with one- and two-byte characters
/// never ends; PSWs that are not valid are loaded, and may wait for ever.
const FATAL: &[&str] = &["CSST", "TROO", "TROT", "TRTO", "TRTT", "LPSW", "LPSWE"];

/// Where QEMU 7.2 differs, and why, beside instructions that it lacks. "Either": the manual allows both.
const DIFFERENT: &[(&str, &[&str])] = &[
    (
        "no specification exception for registers, boundaries, lengths or PSW bits",
        &[
            "CDSG", "CGFRL", "CGRL", "CLGFRL", "CLGRL", "CLRL", "CRL", "LDXBR", "LEXBR", "LGFRL",
            "LGRL", "LLGFRL", "LPP", "LRL", "LURA", "LURAG", "MVCLU", "SSM", "STGRL", "STOSM",
            "STRL", "STURA", "STURG",
        ],
    ),
    (
        "no fixed-point overflow",
        &[
            "MSC", "MSGC", "MSGRKC", "MSRKC", "SLA", "SLAK", "SLAG", "SLDA",
        ],
    ),
    (
        "a wrong result",
        &[
            "LAE", "LAEY", "LTDBR", "LTEBR", "LTXBR", "MDEB", "MDEBR", "MXDB", "MXDBR", "PKA",
            "PKU", "STCPS", "STMH", "UNPK", "VCKSM",
        ],
    ),
    (
        "bits 0-31 of a register are lost outside the 64-bit mode",
        &["LA", "LARL", "LAY", "CLST"],
    ),
    ("no translation while DAT is off", &["LRA", "LRAG", "LRAY"]),
    ("no wrapping of the address", &["STCRW", "TRE"]),
    (
        "no special-operation exception, or in another order",
        &["MVCP", "MVCS", "SACF"],
    ),
    (
        "privileged, and tells of an access that is none",
        &["TPROT"],
    ),
    ("DXC 3 instead of 2", &["LFAS", "SFASR"]),
    (
        "no inexact result beside the invalid operation",
        &[
            "CFDBR", "CFEBR", "CFXBR", "CGDBR", "CGEBR", "CGXBR", "CLFDBR", "CLFEBR", "CLFXBR",
            "CLGDBR", "CLGEBR", "CLGXBR",
        ],
    ),
    ("one operand less is accessed", &["ECTG"]),
    (
        "the inexact flag in spite of XxC",
        &["VCDG", "VCDLG", "VCGD", "VCLGD", "VFI", "VFLR"],
    ),
    (
        "no reference and change bits of some storage",
        &["ISKE", "RRBE"],
    ),
    (
        "either: units of operation, bits left of a 24-bit address, operands that overlap",
        &[
            "CKSM", "CLCL", "CLCLE", "CU12", "CU14", "CU21", "CU24", "CU41", "CU42", "LAM", "LAMY",
            "MVCIN", "MVCLE", "MVST", "SRST", "SRSTU", "STCTL", "STCTG", "TR", "UNPKA", "UNPKU",
        ],
    ),
    (
        "either: the load whose condition does not hold",
        &["LOC", "LOCFH", "LOCG"],
    ),
    (
        "either: order of operand and access exceptions",
        &["MSCH", "SSCH", "STSCH", "TSCH"],
    ),
    (
        "either: order of data and specification exceptions",
        &["LXR"],
    ),
    (
        "special operation where the PSW names the secondary space",
        &["MVCOS"],
    ),
    ("either: an operand that is not stored", &["TPI"]),
    ("no multiple-block control", &["SSKE"]),
    ("another facility list in low storage, by STFL", &["VLM"]),
];

fn is_operation_exception(case: &Case, ending: &Ending) -> bool {
    let length: u16 = match case.image >> 46 {
        0 => 2,
        1 | 2 => 4,
        _ => 6,
    };
    ending.code == 1 && ending.length == length && ending.psw.1 == CODE + u64::from(length)
}

/// Whether QEMU 7.2 survives a case. An unassigned function of VFMAX and VFMIN aborts it.
fn is_fatal(case: &Case) -> bool {
    let unassigned = case.image >> 20 & 15 == 13;
    FATAL.contains(&case.name) || matches!(case.name, "VFMAX" | "VFMIN") && unassigned
}

fn is_known(name: &str) -> bool {
    DIFFERENT.iter().any(|(_, names)| names.contains(&name))
}

#[test]
fn qemu_agrees() {
    let mut plan = cases::plan(every());
    plan.cases.retain(|case| !is_fatal(case));
    let peer = Program::peer("qemu-system-s390x".into());
    let theirs = match run(&peer, &plan) {
        Ok(endings) => endings,
        Err(why) => {
            tests::skipped("qemu_agrees", &why);
            return;
        }
    };
    let own = &tests::engines()[0];
    let ours = run(own, &plan).unwrap_or_else(|why| panic!("{why}"));
    // It has an instruction if any case is anything else than an operation exception of its own.
    let has: BTreeSet<_> = plan
        .cases
        .iter()
        .zip(&theirs)
        .filter(|(case, ending)| !is_operation_exception(case, ending))
        .map(|(case, _)| case.name)
        .collect();
    let all: BTreeSet<_> = plan.cases.iter().map(|case| case.name).collect();
    let lacks: Vec<_> = all.difference(&has).collect();
    println!("QEMU lacks {lacks:?}");
    let mut unknown = 0;
    let mut seen = BTreeSet::new();
    for ((case, a), b) in plan.cases.iter().zip(&ours).zip(&theirs) {
        if !has.contains(case.name) {
            continue;
        }
        let Some(what) = difference(case.name, a, b) else {
            continue;
        };
        if is_known(case.name) {
            seen.insert(case.name);
        } else {
            unknown += 1;
        }
        println!("{} {:012x} [{}] {what}", case.name, case.image, case.state);
    }
    println!("{} instructions differ as is known", seen.len());
    assert_eq!(unknown, 0, "differences that nobody has judged");
}

/// What can be seen of two endings and is not the same, ours first.
fn difference(name: &str, a: &Ending, b: &Ending) -> Option<String> {
    let mut what = Vec::new();
    let mut push = |field: &str, a: u64, b: u64| {
        if a != b {
            what.push(format!("{field} {a:x}/{b:x}"));
        }
    };
    push("code", a.code.into(), b.code.into());
    push("length", a.length.into(), b.length.into());
    push("mask", a.psw.0, b.psw.0);
    push("address", a.psw.1, b.psw.1);
    if a.code == 7 && b.code == 7 {
        push("dxc", a.dxc.into(), b.dxc.into());
    }
    // An update is a fetch and a store: bits 52-53 may tell of either.
    let (x, y) = (a.teid & !0xc00, b.teid & !0xc00);
    push("teid", x, y);
    push("breaking", a.breaking, b.breaking);
    push("fpc", a.fpc.into(), b.fpc.into());
    if !cases::varies(name) {
        let keys: BTreeSet<_> = a.changed.keys().chain(b.changed.keys()).collect();
        for key in keys {
            let (x, y) = (a.changed.get(key), b.changed.get(key));
            if x != y {
                what.push(format!("[{key}] {x:x?}/{y:x?}"));
            }
        }
    }
    (!what.is_empty()).then(|| what.join(", "))
}
