//! Why a stream was not taken.

use crate::PartError;
use crate::message::MessageError;
use crate::progress::Busy;
use crate::ram::RamError;
use crate::stream::StreamError;
use crate::vm::{OutOfRam, PartId, VmError};

/// Why a stream was not taken. The guest did not start here.
#[derive(Debug, thiserror::Error)]
pub enum IncomingError {
    /// There is a migration under way.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The channel can only be written.
    #[error("nothing can be read from the migration's channel")]
    NotReadable,
    /// The stream is damaged, or makes no sense.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The stream is of another machine.
    #[error("the stream is of another VM: its {what} is {found}, this one's is {expected}")]
    Other {
        /// What differs.
        what: &'static str,
        /// In the stream.
        found: String,
        /// Here.
        expected: String,
    },
    /// The source waits for answers and cannot get any.
    #[error("the source waits for answers, which this channel cannot carry")]
    NoWayBack,
    /// The source does not expect to be answered, so it cannot know when the guest is here.
    #[error("the stream is a snapshot, which only a channel without an answer can bring")]
    Snapshot,
    /// The source gives up.
    #[error("the source gives up: {0}")]
    GivenUp(String),
    /// RAM's pages make no sense.
    #[error("section 'ram' at offset {offset}: {source}")]
    Ram {
        /// Bytes from the stream's beginning to the section's.
        offset: u64,
        /// Why.
        source: RamError,
    },
    /// RAM cannot be cleared before it is loaded.
    #[error(transparent)]
    Clear(#[from] OutOfRam),
    /// The machine has no such part.
    #[error(
        "section '{name}' (instance {instance}) at offset {offset}: this machine has no such part"
    )]
    UnknownPart {
        /// The section's name.
        name: String,
        /// Its instance.
        instance: u32,
        /// Bytes from the stream's beginning to the section's.
        offset: u64,
    },
    /// A section comes again.
    #[error("section '{name}' (instance {instance}) at offset {offset} comes for the second time")]
    Twice {
        /// The section's name.
        name: String,
        /// Its instance.
        instance: u32,
        /// Bytes from the stream's beginning to the section's.
        offset: u64,
    },
    /// The stream has ended without something that it must have.
    #[error("the stream lacks {}", list(.0))]
    Missing(Vec<PartId>),
    /// A part does not take its state.
    #[error(transparent)]
    Part(#[from] PartError),
    /// The VM refuses.
    #[error(transparent)]
    Vm(#[from] VmError),
    /// This program has a fault.
    #[error("the destination has come upon an internal error; see its log")]
    Panic,
    /// Everything was here, but the source did not give the word to start.
    #[error(
        "everything was received, but the source did not hand the guest over ({0}): the guest is \
         still there"
    )]
    NotHandedOver(Box<IncomingError>),
}

impl From<StreamError> for IncomingError {
    fn from(error: StreamError) -> Self {
        Self::Message(error.into())
    }
}

fn list(parts: &[PartId]) -> String {
    let names: Vec<_> = parts
        .iter()
        .map(|part| format!("section '{}' (instance {})", part.name, part.instance))
        .collect();
    names.join(", ")
}
