//! Guest-independent translation: the IR, its optimiser, the engines, code cache and softmmu.
//!
//! A front end (an architecture) implements [`Guest`] for its CPU: it turns guest code into IR
//! with a [`ir::Builder`] and brings helpers written in Rust for what the IR does not say. An
//! engine executes IR blocks. Nothing here knows a guest instruction, and no front end knows
//! which engine runs.
//!
//! One block's way: [`exec`] finds its key's block in a vCPU's jump cache, else in the store that
//! all vCPUs share (`cache`), else has the front end translate it, and executes it as it is the
//! first few times (`cold`); [`opt`] makes it cheaper; the
//! machine's engine (`engine`: `native` makes machine code for x86-64, `interp` is the portable
//! interpreter, `reference` the plainest one that the others are tested against) compiles it; exits to constant addresses are linked. A store
//! that changes code drops exactly the blocks made from the changed bytes, found by 64-byte line,
//! and the running one is left after the current instruction. [`mem`] is guest memory behind a
//! TLB tagged by address space.

mod alone;
mod cache;
pub mod clock;
mod cold;
pub mod cpu;
mod engine;
pub mod eval;
pub mod exec;
pub mod guest;
pub mod helper;
mod interp;
pub mod ir;
pub mod mem;
mod migrate;
mod native;
pub mod opt;
mod reference;
mod shootdown;
pub mod system;

pub use alone::alone;
pub use cache::CacheStats;
pub use clock::ClockRecipe;
pub use cpu::{Attention, CpuCore};
pub use guest::{Access, BlockKey, CcOperand, CcTest, Guest, PageMapping, Poll, Protection, Trap};
pub use helper::{
    Effects, Float, FloatControl, FloatOp, GlobalSet, HelperDef, HelperRet, Intrinsic,
};
pub use migrate::MAX_TOLL_NS;
pub use system::{EngineKind, Options, System};
