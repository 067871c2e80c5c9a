//! The table of instructions, a file per group.

use super::Row;

/// Every group's rows.
pub static GROUPS: &[&[Row]] = &[];
