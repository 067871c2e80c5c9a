//! Small architectures for the tests of translation.

pub(crate) mod scripted;
