//! The source's end of the stream: everything that is written to it, and the time stamps that are
//! exchanged on the way.
//!
//! Order: header, pings, passes over RAM; then, with the guest stopped, the last RAM, its state,
//! every part, the clocks, the end. Not here: when the guest is stopped, and who has it afterwards.

use std::io::Write;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, never, select};

use super::error::OutgoingError;
use super::pace::Pace;
use super::replies::Reply;
use crate::exchange::{Exchange, Offsets, Stamp};
use crate::message::{self, Clocks, MessageError, Pass, Ping, State};
use crate::params::Settings;
use crate::progress::Progress;
use crate::ram::{self, Encoder, PAGE_BYTES, PageSet};
use crate::stream::{Header, Purpose, Writer};
use crate::vm::{SourceVm, Stopped};

/// Which bytes count as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The guest is not stopped for the migration: the bandwidth limit holds.
    Precopy,
    /// It is: as fast as the channel goes.
    Stopped,
}

/// What RAM cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sent {
    pub(super) pages: u64,
    pub(super) bytes: u64,
    /// Time that the bandwidth limit took.
    pub(super) held_back: Duration,
}

/// The destination's voice.
pub(super) struct Replies {
    pub(super) receiver: Receiver<Reply>,
    /// How often the destination must hear something while nothing else is sent.
    pub(super) keepalive: Duration,
}

/// The end of the stream.
pub(super) struct Session<'a, W> {
    vm: &'a dyn SourceVm,
    settings: &'a Settings,
    progress: &'a Progress,
    writer: Writer<W>,
    encoder: Encoder,
    replies: Option<Replies>,
    offsets: Offsets,
    pings: u64,
    pace: Pace,
    /// When the destination last heard something.
    said: Instant,
}

impl<'a, W: Write> Session<'a, W> {
    /// Writes the header.
    pub(super) fn begin(
        vm: &'a dyn SourceVm,
        settings: &'a Settings,
        progress: &'a Progress,
        purpose: Purpose,
        writer: W,
        replies: Option<Replies>,
    ) -> Result<Self, OutgoingError> {
        let identity = vm.identity();
        let header = Header {
            architecture: identity.architecture,
            machine: identity.machine,
            ram_bytes: identity.ram_bytes,
            two_way: replies.is_some(),
            purpose,
            program: identity.program,
        };
        let compression = settings.parameters().compression();
        let total = vm.ram().size();
        progress.ram(|ram| ram.total = total);
        let mut session = Self {
            vm,
            settings,
            progress,
            encoder: Encoder::new(compression).map_err(OutgoingError::Compress)?,
            writer: Writer::begin(writer, &header)?,
            replies,
            offsets: Offsets::default(),
            pings: 0,
            pace: Pace::new(Instant::now()),
            said: Instant::now(),
        };
        session.writer.flush()?;
        Ok(session)
    }

    /// What has been found out about the two hosts' clocks.
    pub(super) fn offsets(&self) -> &Offsets {
        &self.offsets
    }

    pub(super) fn into_writer(self) -> Writer<W> {
        self.writer
    }

    /// Whether the destination can answer.
    pub(super) fn two_way(&self) -> bool {
        self.replies.is_some()
    }

    /// Exchanges time stamps, and returns when the destination has taken everything before: how
    /// long that took. Nothing happens if it cannot answer.
    pub(super) fn ping(&mut self) -> Result<Duration, OutgoingError> {
        if self.replies.is_none() {
            return Ok(Duration::ZERO);
        }
        let begun = Instant::now();
        let number = self.pings;
        self.pings += 1;
        let sent = message::stamp(self.vm.host_clock());
        message::send(&mut self.writer, message::PING, &Ping { number })?;
        match self.reply()? {
            Reply::Pong(pong, came) if pong.number == number => {
                self.exchanged(sent, pong.received, pong.sent, came);
            }
            other => return Err(other.unexpected("in answer to a ping")),
        }
        self.said = begun;
        Ok(begun.elapsed())
    }

    /// Takes four time stamps into account, if they could all be read.
    pub(super) fn exchanged(
        &mut self,
        t1: Option<Stamp>,
        t2: Option<Stamp>,
        t3: Option<Stamp>,
        t4: Option<Stamp>,
    ) {
        if let (Some(t1), Some(t2), Some(t3), Some(t4)) = (t1, t2, t3, t4)
            && let Err(error) = self.offsets.add(&Exchange { t1, t2, t3, t4 })
        {
            log::warn!("{error}");
        }
    }

    /// The next reply. The channel's own time-out ends the wait.
    pub(super) fn reply(&mut self) -> Result<Reply, OutgoingError> {
        let replies = self.replies.as_ref().ok_or(OutgoingError::NotWritable)?;
        match replies.receiver.recv() {
            Ok(Reply::Failed(why)) => Err(OutgoingError::Refused(why)),
            Ok(Reply::Lost(error)) => Err(OutgoingError::Reply(error)),
            Ok(reply) => Ok(reply),
            Err(_) => Err(OutgoingError::Refused("it has hung up".to_owned())),
        }
    }

    /// Does nothing for a while, but listens, and says something now and then so that the
    /// destination does not take the channel for stalled. Ends early when `wake` has something,
    /// which is returned.
    pub(super) fn idle<T>(
        &mut self,
        time: Duration,
        wake: &Receiver<T>,
    ) -> Result<Option<T>, OutgoingError> {
        let end = Instant::now().checked_add(time);
        loop {
            let now = Instant::now();
            let left = end.map_or(Duration::MAX, |end| end.saturating_duration_since(now));
            let silence = now.saturating_duration_since(self.said);
            let (said, may_be_silent) = match &self.replies {
                Some(replies) => (&replies.receiver, replies.keepalive),
                None => (&never(), Duration::MAX),
            };
            let slice = left.min(may_be_silent.saturating_sub(silence));
            select! {
                recv(said) -> reply => {
                    let lost = || Reply::Failed("it has hung up".to_owned());
                    return Err(reply.unwrap_or_else(|_| lost()).unexpected("unasked"));
                }
                recv(wake) -> what => return Ok(what.ok()),
                default(slice) => {}
            }
            if slice == left {
                return Ok(None);
            }
            self.ping()?;
        }
    }

    /// Announces a pass.
    pub(super) fn announce(&mut self, number: u64, pages: u64) -> Result<(), OutgoingError> {
        self.progress.pass(number);
        let payload = Pass { number, pages };
        message::send(&mut self.writer, message::PASS, &payload)?;
        Ok(())
    }

    /// Sends pages of RAM as they are now.
    pub(super) fn pages<T>(
        &mut self,
        pages: &PageSet,
        phase: Phase,
        wake: &Receiver<T>,
    ) -> Result<Sent, OutgoingError> {
        let ram = self.vm.ram();
        let mut sent = Sent::default();
        let mut next = Some(0);
        while let Some(from) = next {
            let begun = Instant::now();
            let before = self.writer.written();
            let mut out_of_ram = None;
            let (rest, counts) = self
                .encoder
                .fill(pages, from, |address, page| {
                    if let Err(error) = ram.read(address, page) {
                        page.fill(0);
                        out_of_ram.get_or_insert(error);
                    }
                })
                .map_err(OutgoingError::Compress)?;
            if let Some(error) = out_of_ram {
                return Err(error.into());
            }
            next = rest;
            if counts.total() > 0 {
                self.writer
                    .section(ram::SECTION, 0, ram::VERSION, self.encoder.payload())?;
            }
            self.said = begun;
            let bytes = self.writer.written() - before;
            sent.bytes += bytes;
            sent.pages += counts.total();
            let left = (pages.len() - sent.pages) * PAGE_BYTES as u64;
            let written = self.writer.written();
            self.progress.ram(|ram| {
                ram.transferred = written;
                ram.remaining = left;
                ram.duplicate += counts.zero;
                ram.normal += counts.raw + counts.compressed;
                ram.normal_bytes = ram.normal * PAGE_BYTES as u64;
                match phase {
                    Phase::Precopy => ram.precopy_bytes += bytes,
                    Phase::Stopped => ram.downtime_bytes += bytes,
                }
            });
            if phase == Phase::Precopy {
                self.pace.sent(begun, bytes);
                sent.held_back += self.hold_back(wake)?;
            }
        }
        self.writer.flush()?;
        Ok(sent)
    }

    /// Waits as long as the bandwidth limit asks for; listens in any case. How long that took.
    fn hold_back<T>(&mut self, wake: &Receiver<T>) -> Result<Duration, OutgoingError> {
        /// So soon a changed limit shows.
        const SLICE: Duration = Duration::from_millis(100);
        let begun = Instant::now();
        loop {
            let limit = self.settings.max_bandwidth();
            let left = self.pace.left(Instant::now(), limit);
            if self.idle(left.min(SLICE), wake)?.is_some() {
                return Err(OutgoingError::Cancelled);
            }
            if left <= SLICE {
                self.pace.waited(limit);
                return Ok(begun.elapsed());
            }
        }
    }

    /// Sends all that is not RAM, clocks last.
    pub(super) fn state(&mut self, stopped: &Stopped) -> Result<(), OutgoingError> {
        let before = self.writer.written();
        let run_state = stopped.state.name().to_owned();
        message::send(&mut self.writer, message::STATE, &State { run_state })?;
        for part in self.vm.save_parts()? {
            if message::is_reserved(&part.name) {
                return Err(OutgoingError::Reserved(part.name));
            }
            self.writer
                .section(&part.name, part.instance, part.version, &part.payload)?;
        }
        let saved = self.vm.save_clocks();
        let offset = self.offsets.at(saved.saved_at.boottime_ns);
        message::send(&mut self.writer, message::CLOCKS, &Clocks { saved, offset })?;
        let bytes = self.writer.written() - before;
        self.progress.ram(|ram| {
            ram.transferred += bytes;
            ram.downtime_bytes += bytes;
        });
        Ok(())
    }

    /// Ends the stream.
    pub(super) fn end(&mut self) -> Result<(), OutgoingError> {
        Ok(self.writer.end()?)
    }

    /// Tells the destination to go.
    pub(super) fn go(&mut self) -> Result<Option<Stamp>, MessageError> {
        let sent = message::stamp(self.vm.host_clock());
        message::send(&mut self.writer, message::GO, &())?;
        Ok(sent)
    }

    /// Tells whoever reads the stream why it ends, if that can still be told; makes of an error
    /// of the channel what the destination has said before it closed it.
    pub(super) fn explain(&mut self, error: OutgoingError) -> OutgoingError {
        match error {
            OutgoingError::Message(MessageError::Stream(_)) => self.last_words(error),
            OutgoingError::Vm(_)
            | OutgoingError::Part(_)
            | OutgoingError::Reserved(_)
            | OutgoingError::Ram(_)
            | OutgoingError::Compress(_) => {
                let failed = message::Failed::new(&error.to_string());
                // If it cannot be told, the closed channel tells as much.
                let _ = message::send(&mut self.writer, message::FAILED, &failed);
                error
            }
            other => other,
        }
    }

    fn last_words(&mut self, error: OutgoingError) -> OutgoingError {
        const PATIENCE: Duration = Duration::from_secs(1);
        let end = Instant::now() + PATIENCE;
        while let Some(replies) = &self.replies {
            let left = end.saturating_duration_since(Instant::now());
            match replies.receiver.recv_timeout(left) {
                Ok(Reply::Failed(why)) => return OutgoingError::Refused(why),
                Ok(Reply::Lost(_)) | Err(RecvTimeoutError::Timeout) => break,
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        error
    }
}
