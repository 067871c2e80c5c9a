//! Migration: the stream with its sections, guest RAM's pages in it, the channels it goes through,
//! and the protocol by which a guest moves from one program to another and exactly one has it.
//!
//! | | source | destination |
//! |---|---|---|
//! | 1 | header; exchanges of time stamps; RAM, pass after pass, while the guest runs | writes RAM, answers |
//! | 2 | the guest stops; the last RAM, run state, every part, the clocks, the end | verifies that it is whole, loads it |
//! | 3 | | `loaded` |
//! | 4 | commits; `go` | |
//! | 5 | | the guest starts; `started`, with when |
//! | 6 | knows how long the guest stood | knows it, too |
//!
//! Up to 4 any failure leaves the guest at the source, running if it ran ([`outgoing`],
//! [`incoming`]). Without a way back (files, commands) everything up to the end is one step.
//!
//! The crate knows guest time (`tod`), but no machine, no monitor and no command line: those
//! hand it what it needs through traits ([`vm`]).

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
pub use part::{Part, PartError, StatePart};
