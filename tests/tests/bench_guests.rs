//! The benchmark guests compute what they must, on every engine: two passes of each row.
//! How long they take is no matter here.

use std::time::Duration;

use tests::bench::guest::{self, Length, Program, RowOutcome};
use tests::bench::{IMAGES, Selection};
use tests::{process, skipped};

fn all_rows_are_right(program: &Program) {
    let selection = Selection {
        rows: None,
        length: Length::Passes(2),
    };
    for image in IMAGES {
        let rows = guest::run(program, image, &selection, Duration::from_secs(300));
        assert!(!rows.is_empty(), "{} ran no row", image.name);
        for (name, outcome) in rows {
            if let RowOutcome::Failed(why) = outcome {
                panic!("{} on {}: {name}: {why}", image.name, program.name);
            }
        }
    }
}

#[test]
fn benchmark_rows_are_right_on_the_default_engine() {
    let program = Program {
        name: "the default engine".into(),
        binary: process::binary(),
        arguments: Vec::new(),
    };
    all_rows_are_right(&program);
}

#[test]
fn benchmark_rows_are_right_on_the_interpreter() {
    let program = Program::engine(process::binary(), "interp");
    if let Err(why) = program.probe() {
        return skipped("benchmark_rows_are_right_on_the_interpreter", &why);
    }
    all_rows_are_right(&program);
}
