//! Guests that move from one machine to another in the middle of what they do: whole, marked when
//! they write, and harmless when what arrives is damaged.
//!
//! Everything goes by the machine's own parts, RAM and clocks, without stream and program.
#![allow(clippy::unwrap_used, reason = "what is unexpected fails the test")]

mod alike;
mod ends;
mod guests;
mod hostile;
mod marks;
mod rig;
mod versions;
