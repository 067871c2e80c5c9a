//! The destination: takes a guest over from a channel.
//!
//! [`receive`] works on the caller's thread until the guest is here or does not come. The guest is
//! started only when the whole stream is here, verified and loaded, and, where the channel has a
//! way back, the source has answered to that with its word to go (see `handover`). Anything else
//! ends with [`DestinationVm::fail`], and the source is told why if it can be.

mod error;
mod load;

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crossbeam::channel::{RecvTimeoutError, bounded};
use tod::RunState;

pub use error::IncomingError;

use crate::exchange;
use crate::handover::{Destination, DestinationEvent};
use crate::message::{self, Failed, Guest, MessageError, Pong};
use crate::progress::{Progress, Status, Stood};
use crate::stream::{self, Item, Reader, Writer};
use crate::transport::{Channel, Closer, Halves};
use crate::vm::{DestinationVm, Started};
use load::{Loaded, Purpose};

/// How long a source is listened to that was told of a failure. It hangs up when it has heard it;
/// a channel that is closed with something unread may lose what was said.
const FAREWELL: Duration = Duration::from_secs(1);

/// Takes a guest over. What became of it.
///
/// # Errors
/// [`IncomingError`]; the guest does not run here, the VM has been told so by
/// [`DestinationVm::fail`], and the source, too, if the channel has a way back.
pub fn receive(
    vm: &dyn DestinationVm,
    channel: Channel,
    progress: &Progress,
) -> Result<Started, IncomingError> {
    progress.begin()?;
    for warning in &channel.warnings {
        log::warn!("{}: {warning}", channel.uri);
    }
    let closer = channel.closer;
    let result = match channel.halves {
        Halves::TwoWay(reader, writer) => {
            Incoming::new(vm, progress, Some(Writer::replies(writer))).run(reader, &closer)
        }
        Halves::Read(reader) => {
            Incoming::new(vm, progress, None::<Writer<io::Sink>>).run(reader, &closer)
        }
        Halves::Write(_) => {
            vm.fail();
            Err(IncomingError::NotReadable)
        }
    };
    match &result {
        Ok((_, stood)) => progress.complete(*stood, None),
        Err(error) => progress.fail(&error.to_string()),
    }
    result.map(|(started, _)| started)
}

struct Incoming<'a, W: Write> {
    vm: &'a dyn DestinationVm,
    progress: &'a Progress,
    replies: Option<Writer<W>>,
    fate: Destination,
}

impl<'a, W: Write> Incoming<'a, W> {
    fn new(vm: &'a dyn DestinationVm, progress: &'a Progress, replies: Option<Writer<W>>) -> Self {
        Self {
            vm,
            progress,
            replies,
            fate: Destination::Loading,
        }
    }

    fn run(
        mut self,
        mut reader: impl Read,
        closer: &Closer,
    ) -> Result<(Started, Option<Stood>), IncomingError> {
        // A fault of this program costs the migration, not the source's guest.
        let taking = AssertUnwindSafe(|| self.take(&mut reader));
        let result = catch_unwind(taking).unwrap_or_else(|panic| {
            if self.fate.has_started() {
                resume_unwind(panic);
            }
            Err(IncomingError::Panic)
        });
        if let Err(error) = &result {
            self.fate = self.fate.after(DestinationEvent::Lost);
            self.vm.fail();
            self.say_farewell(&error.to_string(), &mut reader, closer);
        }
        result
    }

    fn take(&mut self, reader: &mut impl Read) -> Result<(Started, Option<Stood>), IncomingError> {
        let (mut reader, header) = Reader::begin(reader)?;
        self.progress.become_status(Status::Active);
        if !header.two_way {
            // It may still come through a socket, as when somebody sends a file into one.
            self.replies = None;
        } else if self.replies.is_none() {
            return Err(IncomingError::NoWayBack);
        } else if header.purpose == stream::Purpose::Snapshot {
            return Err(IncomingError::Snapshot);
        }
        load::check_identity(self.vm, &header)?;
        clear(self.vm)?;
        let (vm, progress) = (self.vm, self.progress);
        let replies = &mut self.replies;
        let complete = load::read(vm, &mut reader, Purpose::Load, progress, |ping| {
            let received = message::stamp(vm.host_clock());
            let Some(replies) = replies else {
                return Ok(());
            };
            let pong = Pong {
                number: ping.number,
                received,
                sent: message::stamp(vm.host_clock()),
            };
            Ok(message::send(replies, message::PONG, &pong)?)
        })?;
        let loaded = complete.load(vm)?;
        if self.replies.is_none() {
            self.fate = self.fate.after(DestinationEvent::CompleteOneWay);
            return Ok(self.start(&loaded, None));
        }
        self.fate = self.fate.after(DestinationEvent::Complete);
        self.reply(message::LOADED, &())
            .and_then(|()| self.wait_for_the_word(&mut reader))
            .map_err(|error| IncomingError::NotHandedOver(Box::new(error)))?;
        self.fate = self.fate.after(DestinationEvent::Go);
        let received = message::stamp(vm.host_clock());
        Ok(self.start(&loaded, received))
    }

    fn reply<T: serde::Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), IncomingError> {
        if let Some(replies) = &mut self.replies {
            message::send(replies, name, value)?;
        }
        Ok(())
    }

    fn wait_for_the_word(&self, reader: &mut Reader<impl Read>) -> Result<(), IncomingError> {
        match reader.next(message::limit_from_source)? {
            Item::Section(section) if section.name == message::GO => Ok(message::parse(&section)?),
            Item::Section(section) if section.name == message::FAILED => {
                let failed: Failed = message::parse(&section)?;
                Err(IncomingError::GivenUp(failed.text()))
            }
            Item::Section(section) => {
                Err(MessageError::out_of_place(&section, "the word to go should come").into())
            }
            Item::End => Err(MessageError::OutOfPlace {
                name: stream::END.to_owned(),
                offset: reader.offset(),
                why: "the stream has ended before",
            }
            .into()),
        }
    }

    /// From here on nothing fails: the guest is this side's.
    fn start(
        &mut self,
        loaded: &Loaded,
        received: Option<exchange::Stamp>,
    ) -> (Started, Option<Stood>) {
        debug_assert!(self.fate.has_started(), "only a guest that was handed over");
        let started = self.vm.start(loaded.state);
        let guest = match started {
            Started::Running { since } => Guest::Running(since),
            Started::Standing => Guest::Standing,
        };
        let told = message::Started {
            received,
            sent: message::stamp(self.vm.host_clock()),
            guest,
        };
        if let Err(error) = self.reply(message::STARTED, &told) {
            log::warn!("the source could not be told that its guest is here: {error}");
        }
        let downtime = match (loaded.stopped, started) {
            (Some(stopped), Started::Running { since: Some(since) }) => {
                exchange::downtime(stopped, since)
            }
            _ => None,
        };
        (started, downtime.map(Stood::Measured))
    }

    /// Tells the source why, and waits until it has heard.
    fn say_farewell(&mut self, why: &str, reader: &mut impl Read, closer: &Closer) {
        if self.replies.is_none() || self.reply(message::FAILED, &Failed::new(why)).is_err() {
            return;
        }
        let (done, is_done) = bounded::<()>(0);
        std::thread::scope(|scope| {
            let spawned = std::thread::Builder::new().spawn_scoped(scope, move || {
                if is_done.recv_timeout(FAREWELL) == Err(RecvTimeoutError::Timeout) {
                    closer.close();
                }
            });
            if spawned.is_ok() {
                // Any error is the end that was waited for.
                let _ = io::copy(reader, &mut io::sink());
            }
            drop(done);
        });
    }
}

/// Makes RAM all zero, as the source takes it to be.
fn clear(vm: &dyn DestinationVm) -> Result<(), IncomingError> {
    let ram = vm.ram();
    if !ram.is_fresh() {
        ram.zero(0, ram.size())?;
    }
    Ok(())
}

/// Takes a stream over that nobody waits for an answer to, without starting anything.
pub(crate) fn load_snapshot(
    vm: &dyn DestinationVm,
    reader: impl Read,
) -> Result<RunState, IncomingError> {
    // Nobody looks at it.
    let progress = Progress::default();
    let (mut reader, header) = Reader::begin(reader)?;
    load::check_identity(vm, &header)?;
    clear(vm)?;
    let complete = load::read(vm, &mut reader, Purpose::Load, &progress, |_| Ok(()))?;
    Ok(complete.load(vm)?.state)
}

/// Looks a stream through.
pub(crate) fn verify_snapshot(
    vm: &dyn DestinationVm,
    reader: impl Read,
) -> Result<(), IncomingError> {
    let (mut reader, header) = Reader::begin(reader)?;
    load::check_identity(vm, &header)?;
    let progress = Progress::default();
    load::read(vm, &mut reader, Purpose::Verify, &progress, |_| Ok(()))?;
    Ok(reader.expect_nothing()?)
}
