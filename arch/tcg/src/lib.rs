//! Guest-independent translation: the IR, its optimiser, the engines, code cache and softmmu.
//!
//! A front end (an architecture) implements [`Guest`] for its CPU: it turns guest code into IR
//! with a [`ir::Builder`] and brings helpers written in Rust for what the IR does not say. An
//! engine executes IR blocks. Nothing here knows a guest instruction, and no front end knows
//! which engine runs.

mod cache;
pub mod cpu;
mod engine;
pub mod eval;
pub mod exec;
pub mod guest;
pub mod helper;
mod interp;
pub mod ir;
pub mod mem;
pub mod opt;
mod reference;
pub mod system;

pub use cache::CacheStats;
pub use cpu::{Attention, CpuCore};
pub use guest::{Access, BlockKey, CcOperand, CcTest, Guest, PageMapping, Poll, Protection, Trap};
pub use helper::{Effects, HelperDef, HelperRet, Intrinsic};
pub use system::{EngineKind, Options, System};
