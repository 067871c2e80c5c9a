//! What the destination says, read by a thread of its own, so that a failure is heard at once and
//! time stamps are taken when a reply comes, not when somebody looks.

use std::io::Read;

use crossbeam::channel::Sender;
use tod::HostClock;

use super::error::OutgoingError;
use crate::exchange::Stamp;
use crate::message::{self, Failed, MessageError, Pong, Started};
use crate::stream::{END, Item, Reader, Section};

/// As many replies may wait to be looked at; the destination only ever has one or two to send.
pub(super) const CAPACITY: usize = 16;

/// A reply.
#[derive(Debug)]
pub(super) enum Reply {
    /// To a ping; with when it came, if the host's clocks can be read.
    Pong(Pong, Option<Stamp>),
    /// Everything is loaded and verified.
    Loaded,
    /// The guest is started, or stands.
    Started(Started, Option<Stamp>),
    /// The destination gives up.
    Failed(String),
    /// There are no more replies: the channel is closed or stalled, or what came made no sense.
    Lost(MessageError),
}

impl Reply {
    /// The reply as an error, if it says that the migration has failed or comes when no such
    /// reply can.
    pub(super) fn unexpected(self, when: &'static str) -> OutgoingError {
        let found = match self {
            Self::Pong(..) => message::PONG,
            Self::Loaded => message::LOADED,
            Self::Started(..) => message::STARTED,
            Self::Failed(why) => return OutgoingError::Refused(why),
            Self::Lost(error) => return OutgoingError::Reply(error),
        };
        OutgoingError::Unexpected { found, when }
    }
}

/// Reads replies until there are no more or nobody wants them.
pub(super) fn read(reader: impl Read, clock: &dyn HostClock, replies: &Sender<Reply>) {
    let mut reader = Reader::replies(reader);
    loop {
        let reply = match reader.next(message::limit_from_destination) {
            Ok(Item::Section(section)) => understand(&section, clock).unwrap_or_else(Reply::Lost),
            Ok(Item::End) => Reply::Lost(MessageError::OutOfPlace {
                name: END.to_owned(),
                offset: reader.offset(),
                why: "replies have no end",
            }),
            Err(error) => Reply::Lost(error.into()),
        };
        let last = matches!(reply, Reply::Failed(_) | Reply::Lost(_));
        if replies.send(reply).is_err() || last {
            return;
        }
    }
}

fn understand(section: &Section<'_>, clock: &dyn HostClock) -> Result<Reply, MessageError> {
    let came = message::stamp(clock);
    Ok(match section.name {
        message::PONG => Reply::Pong(message::parse(section)?, came),
        message::LOADED => {
            let () = message::parse(section)?;
            Reply::Loaded
        }
        message::STARTED => Reply::Started(message::parse(section)?, came),
        message::FAILED => Reply::Failed(message::parse::<Failed>(section)?.text()),
        _ => return Err(MessageError::out_of_place(section, "it is no reply")),
    })
}
