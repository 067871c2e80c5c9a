//! The engines against one another and against what the IR means, on two small architectures:
//! [`scripted`] executes blocks that tests make, [`toy`] has code in memory.

#![allow(clippy::unwrap_used, reason = "tests end where something is wrong")]

mod code_changes;
mod each_op;
mod logged;
mod loops;
mod optimiser;
mod random;
mod random_blocks;
mod scripted;
mod softmmu;
mod toy;

use tcg::EngineKind;

/// The engines that must do what [`EngineKind::Reference`] does.
const TESTED: &[EngineKind] = EngineKind::ALL.split_at(1).1;
