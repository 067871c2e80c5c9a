//! Migration: the stream with its sections, guest RAM's pages in it, and the channels it goes
//! through.
//!
//! The crate knows guest time (`tod`), but no machine, no monitor and no command line: those
//! hand it what it needs through traits.

pub mod codec;
pub mod exchange;
mod handover;
pub mod incoming;
mod message;
pub mod outgoing;
pub mod params;
pub mod part;
pub mod progress;
pub mod ram;
pub mod snapshot;
pub mod stream;
pub mod transport;
pub mod vm;

pub use codec::{CodecError, decode, encode};
pub use message::MessageError;
pub use part::{Part, PartError};
