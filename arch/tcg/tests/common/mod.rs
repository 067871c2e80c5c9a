//! Small architectures for the tests of translation.

#![allow(dead_code, reason = "each test file uses some of it")]
#![allow(clippy::unwrap_used, reason = "tests end where something is wrong")]

pub(crate) mod logged;
pub(crate) mod random;
pub(crate) mod scripted;
pub(crate) mod toy;

use tcg::EngineKind;

/// The engines that must do what [`EngineKind::Reference`] does.
pub(crate) const TESTED: &[EngineKind] = EngineKind::ALL.split_at(1).1;
