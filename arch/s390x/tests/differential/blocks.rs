//! Random programs: branches, loops, faults, EXECUTE, and code that changes itself.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError};

use crate::case::Case;
use crate::lab::TESTED;
use crate::program::{Piece, Program, ROWS};
use crate::scaled;

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let program = Program::new(self.seed, &self.pieces);
        write!(f, "seed {:#x}\n{}", self.seed, program.text())
    }
}

/// Rows that programs for themselves are made of: those that keep a program going.
fn named(names: &'static [&'static str]) -> Vec<u16> {
    let rows = (0..).zip(ROWS.iter());
    rows.filter(|(_, row)| names.contains(&row.name))
        .map(|(kind, _)| kind)
        .collect()
}

fn pieces(kinds: impl Strategy<Value = u16>) -> impl Strategy<Value = Vec<Piece>> {
    let piece = (kinds, any::<u64>(), any::<u32>());
    let piece = piece.prop_map(|(kind, fill, bend)| Piece { kind, fill, bend });
    proptest::collection::vec(piece, 1..40)
}

fn cases(kinds: impl Strategy<Value = u16>) -> impl Strategy<Value = Case> {
    (any::<u64>(), pieces(kinds)).prop_map(|(seed, pieces)| Case { seed, pieces })
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    case.check(TESTED).map_err(TestCaseError::fail)
}

/// Instructions that change storage, and so code.
const STORES: &[&str] = &[
    "ST", "STG", "STH", "STC", "STY", "STM", "STMG", "MVC", "XC", "NC", "OC", "MVI", "MVIY", "NI",
    "OI", "XI", "MVHI", "MVGHI", "MVHHI", "STRL", "STGRL", "STHRL", "CS", "CSG", "CDSG", "LAAG",
    "MVCLE", "MVCIN", "TR", "STURA", "STURG", "STCK", "STFLE", "STPQ", "ASI", "AGSI", "MVN", "MVZ",
    "UNPK", "PKA",
];
/// Instructions that go elsewhere.
const BRANCHES: &[&str] = &[
    "BRC", "BRCL", "BRCT", "BRCTG", "BRXH", "BRXLE", "CRJ", "CGRJ", "CIJ", "CGIJ", "CLRJ", "CLIJ",
    "BRAS", "BRASL", "EX", "EXRL", "BCR", "BC", "BCT", "BASR", "SVC", "BRCTH", "CLGRJ", "CLGIJ",
    "BRXHG",
];
/// Instructions that only compute.
const ARITHMETIC: &[&str] = &[
    "LR", "LGR", "LA", "LAY", "AR", "AGR", "ALGR", "ALCGR", "ALCR", "SLBGR", "SLBR", "SR", "SGR",
    "AHI", "AGHI", "LHI", "LGHI", "CR", "CGR", "CLR", "CLGR", "CHI", "CGHI", "TM", "TMLL", "NGR",
    "OGR", "XGR", "SLL", "SRL", "SLLG", "SRAG", "RLLG", "RISBG", "LTGR", "LTR", "LCGR", "LPR",
    "MSGR", "MLGR", "DLGR", "DSGR", "LOCGR", "LG", "L", "LLGC", "LGF", "AG", "A", "CG", "CLC",
    "IC", "ICM", "LM", "LMG", "IPM", "LRVG", "FLOGR", "SLA", "SLAG", "SRDA", "LARL", "LGRL", "CLI",
    "N", "O", "X", "XG", "ALG", "ALCG",
];

proptest! {
    #![proptest_config(Config {
        cases: scaled(400),
        max_shrink_iters: 4000,
        failure_persistence: None,
        ..Config::default()
    })]

    /// All instructions alike.
    #[test]
    fn of_all_instructions(case in cases(any::<u16>())) {
        check(&case)?;
    }

    /// Mostly arithmetic and branches: long runs.
    #[test]
    fn of_plain_instructions(
        case in cases(prop_oneof![
            4 => proptest::sample::select(named(ARITHMETIC)),
            2 => proptest::sample::select(named(BRANCHES)),
            1 => any::<u16>(),
        ]),
    ) {
        check(&case)?;
    }

    /// Many stores, and often into the program.
    #[test]
    fn that_change_themselves(
        case in cases(prop_oneof![
            3 => proptest::sample::select(named(STORES)),
            2 => proptest::sample::select(named(BRANCHES)),
            2 => proptest::sample::select(named(ARITHMETIC)),
            1 => any::<u16>(),
        ]),
    ) {
        check(&case)?;
    }
}

#[test]
fn the_names_are_those_of_instructions() {
    for list in [STORES, BRANCHES, ARITHMETIC] {
        for name in list {
            assert!(ROWS.iter().any(|row| row.name == *name), "{name}");
        }
    }
}
