//! Storage as a CPU sees it: prefixing, dynamic address translation, protection.

pub mod dat;
