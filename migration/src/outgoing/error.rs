//! Why a guest did not move away.

use std::io;

use crate::PartError;
use crate::message::MessageError;
use crate::progress::Busy;
use crate::stream::StreamError;
use crate::transport::TransportError;
use crate::vm::{OutOfRam, VmError};

/// Why a guest did not move away, or was not saved. It is where it was.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    /// There is one already.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The host has no thread or descriptor left for it.
    #[error("the migration cannot begin: {0}")]
    Begin(io::Error),
    /// There is no channel.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The channel can only be read.
    #[error("nothing can be written to the migration's channel")]
    NotWritable,
    /// The stream cannot be written.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The channel did not take everything to its place.
    #[error("the stream was written but not brought to its place: {0}")]
    Finish(io::Error),
    /// The destination's replies cannot be read or make no sense.
    #[error("no proper answer from the destination: {0}")]
    Reply(MessageError),
    /// The destination says something that it cannot say yet.
    #[error("the destination says '{found}' {when}")]
    Unexpected {
        /// What it says.
        found: &'static str,
        /// At which point.
        when: &'static str,
    },
    /// The destination gives up.
    #[error("the destination refuses: {0}")]
    Refused(String),
    /// The VM cannot be stopped.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// A part's state cannot be saved.
    #[error(transparent)]
    Part(#[from] PartError),
    /// A part is called as a section of the protocol's own.
    #[error("a part of the machine is called '{0}', as a section of the stream's own")]
    Reserved(String),
    /// A page that is to be sent is not in RAM.
    #[error(transparent)]
    Ram(#[from] OutOfRam),
    /// Pages cannot be compressed.
    #[error("pages cannot be compressed: {0}")]
    Compress(io::Error),
    /// This program has a fault.
    #[error("the migration has come upon an internal error; see the log")]
    Panic,
    /// The user has given it up.
    #[error("the migration was cancelled")]
    Cancelled,
}

impl From<StreamError> for OutgoingError {
    fn from(error: StreamError) -> Self {
        Self::Message(error.into())
    }
}
