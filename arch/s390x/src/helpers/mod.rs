//! Helpers: instructions whose semantics the IR does not say, a module per group.
//!
//! Each helper is one function and one `static` [`tcg::helper::HelperDef`], which
//! [`crate::translate`] calls from IR. Not here: decoding and operand addresses.

pub mod decimal;
pub mod decimal_format;
pub mod edit;
pub mod execute;
pub mod interlocked;
pub mod io;
pub mod long;
pub mod operand;
pub mod plo;
pub mod storage;
pub mod string;
pub mod system;
pub mod translate_bytes;
pub mod unicode;
pub mod vector_float;
pub mod vector_integer;
pub mod vector_scalar;
pub mod vector_string;

#[cfg(test)]
mod tests;
