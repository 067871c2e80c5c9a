//! Small architectures for the tests of translation.

#![allow(clippy::unwrap_used, reason = "tests end where something is wrong")]

pub(crate) mod scripted;
