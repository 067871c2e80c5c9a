//! The source: moves its guest to another program, on a thread of its own.
//!
//! [`Outgoing::start`] returns at once; how it goes and ends is told by [`Progress`], and the VM
//! is asked for what is needed through [`SourceVm`]. Whatever happens, exactly one side has the
//! guest (see `handover`): until the destination has said that it has everything, any failure,
//! time-out or cancel leaves it here, running if it ran; after that it is never started here but
//! by a user's explicit word. Transports are opened by the caller's closure, on this thread.

mod converge;
mod error;
mod held;
mod pace;
mod precopy;
mod replies;
mod session;

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded, never};

pub use error::OutgoingError;

use crate::exchange;
use crate::handover::{Source, SourceEvent};
use crate::message::Guest;
use crate::params::Settings;
use crate::progress::{Progress, Status, Stood};
use crate::stream::Purpose;
use crate::transport::{Channel, Closer, Halves, TransportError, WriteHalf};
use crate::vm::SourceVm;
use held::Held;
use replies::Reply;
use session::{Phase, Replies, Session};

/// The destination hears something at least this often.
const KEEPALIVE: Duration = Duration::from_secs(1);

/// What a waiting migration is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    /// The user gives up.
    Cancel,
    /// `migrate-continue`.
    GoOn,
}

struct Shared {
    fate: Mutex<Source>,
    closer: Closer,
    progress: Arc<Progress>,
    settings: Arc<Settings>,
    wake: Sender<Wake>,
}

impl Shared {
    fn fate(&self) -> MutexGuard<'_, Source> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state after an event.
    fn event(&self, event: SourceEvent) -> Source {
        let mut fate = self.fate();
        *fate = fate.after(event);
        *fate
    }
}

/// A migration to somewhere else. Dropping it leaves it alone.
pub struct Outgoing {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// There is no pause to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the migration is not in status 'pre-switchover'")]
pub struct NotPaused;

impl Outgoing {
    /// Begins to move a guest. `open` opens the channel; it may take its time, and ends when the
    /// closer is used.
    ///
    /// # Errors
    /// [`OutgoingError::Busy`], [`OutgoingError::Begin`]; nothing has happened then. All other
    /// errors are told by the progress.
    pub fn start(
        vm: Arc<dyn SourceVm>,
        progress: &Arc<Progress>,
        settings: &Arc<Settings>,
        open: impl FnOnce(&Closer) -> Result<Channel, TransportError> + Send + 'static,
    ) -> Result<Self, OutgoingError> {
        let stall = settings.parameters().stall_timeout();
        let closer = Closer::new(stall).map_err(OutgoingError::Begin)?;
        let (wake, woken) = bounded(2);
        let shared = Arc::new(Shared {
            fate: Mutex::new(Source::Holding),
            closer,
            progress: Arc::clone(progress),
            settings: Arc::clone(settings),
            wake,
        });
        progress.begin()?;
        let spawned = std::thread::Builder::new().name("migration".into()).spawn({
            let shared = Arc::clone(&shared);
            move || run(&*vm, &shared, &woken, open)
        });
        match spawned {
            Ok(thread) => Ok(Self { shared, thread }),
            Err(error) => {
                progress.fail(&error.to_string());
                Err(OutgoingError::Begin(error))
            }
        }
    }

    /// Gives it up: the guest stays here. Without effect once the destination has the guest, or
    /// may have it; whether it has an effect.
    pub fn cancel(&self) -> bool {
        let cancelled = self.shared.event(SourceEvent::Cancel) == Source::Kept { cancelled: true };
        if cancelled {
            self.shared.progress.become_status(Status::Cancelling);
            // Full is as good: it will look there.
            let _ = self.shared.wake.try_send(Wake::Cancel);
            self.shared.closer.close();
        }
        cancelled
    }

    /// Goes on from the pause before the switch-over (`migrate-continue`).
    ///
    /// # Errors
    /// [`NotPaused`].
    pub fn go_on(&self) -> Result<(), NotPaused> {
        if self.shared.progress.status() != Some(Status::PreSwitchover) {
            return Err(NotPaused);
        }
        let _ = self.shared.wake.try_send(Wake::GoOn);
        Ok(())
    }

    /// Waits until it has ended and everything of it is gone.
    pub fn join(self) {
        // A panic was caught and told by the thread itself.
        let _ = self.thread.join();
    }
}

/// A guest that has moved.
struct Moved {
    stood: Option<Stood>,
    warning: Option<String>,
}

fn run(
    vm: &dyn SourceVm,
    shared: &Shared,
    woken: &Receiver<Wake>,
    open: impl FnOnce(&Closer) -> Result<Channel, TransportError>,
) {
    // A panic ends the migration and nothing else: the hold gives the guest back on its way out.
    let caught = |writer, replies| {
        catch_unwind(AssertUnwindSafe(|| {
            move_guest(vm, shared, woken, writer, replies)
        }))
        .unwrap_or(Err(OutgoingError::Panic))
    };
    let moving = || {
        let channel = open(&shared.closer)?;
        for warning in &channel.warnings {
            log::warn!("{}: {warning}", channel.uri);
        }
        match channel.halves {
            Halves::TwoWay(reader, writer) => std::thread::scope(|scope| {
                let (sender, receiver) = bounded(replies::CAPACITY);
                std::thread::Builder::new()
                    .name("migration-replies".into())
                    .spawn_scoped(scope, move || {
                        replies::read(reader, vm.host_clock(), &sender);
                    })
                    .map_err(OutgoingError::Begin)?;
                let replies = Replies {
                    receiver,
                    keepalive: KEEPALIVE.min(shared.closer.stall() / 4),
                };
                let result = caught(writer, Some(replies));
                // The thread that reads replies ends with the channel.
                shared.closer.close();
                result
            }),
            Halves::Write(writer) => caught(writer, None),
            Halves::Read(_) => Err(OutgoingError::NotWritable),
        }
    };
    let result = moving();
    match result {
        Ok(moved) => shared.progress.complete(moved.stood, moved.warning),
        Err(error) => {
            if shared.event(SourceEvent::Lost) == (Source::Kept { cancelled: true }) {
                shared.progress.become_status(Status::Cancelled);
            } else {
                if shared.progress.is_watched() {
                    log::debug!("the migration has failed: {error}");
                } else {
                    log::error!("the migration has failed: {error}");
                }
                shared.progress.fail(&error.to_string());
            }
        }
    }
}

/// Everything from the header on. When this comes back with an error, the guest is here again.
fn move_guest(
    vm: &dyn SourceVm,
    shared: &Shared,
    woken: &Receiver<Wake>,
    writer: WriteHalf,
    replies: Option<Replies>,
) -> Result<Moved, OutgoingError> {
    let Shared {
        settings, progress, ..
    } = shared;
    let purpose = Purpose::Migration;
    let mut session = Session::begin(vm, settings, progress, purpose, writer, replies)?;
    let mut held = Held::new(vm);
    match send_all(&mut session, &mut held, shared, woken) {
        Ok(()) if session.two_way() => finish_two_way(session, &mut held, shared),
        Ok(()) => finish_one_way(session, &mut held, shared),
        Err(error) => {
            // The guest first, then the reasons.
            held.release();
            Err(session.explain(error))
        }
    }
}

/// Everything but the end of the stream.
fn send_all(
    session: &mut Session<'_, WriteHalf>,
    held: &mut Held<'_>,
    shared: &Shared,
    woken: &Receiver<Wake>,
) -> Result<(), OutgoingError> {
    let (settings, progress) = (&shared.settings, &shared.progress);
    progress.become_status(Status::Active);
    let (mut rest, pass) = precopy::run(session, held, settings, progress, woken)?;
    let stopped = held.stop()?;
    if settings.capabilities().pause_before_switchover {
        progress.become_status(Status::PreSwitchover);
        if session.idle(Duration::MAX, woken)? != Some(Wake::GoOn) {
            return Err(OutgoingError::Cancelled);
        }
    }
    progress.become_status(Status::Device);
    held.vm().ram().take_dirty(&mut rest);
    session.announce(pass + 1, rest.len())?;
    session.pages(&rest, Phase::Stopped, woken)?;
    session.state(&stopped)
}

/// The destination answers: it decides nothing, but knows whether it has everything.
fn finish_two_way(
    mut session: Session<'_, WriteHalf>,
    held: &mut Held<'_>,
    shared: &Shared,
) -> Result<Moved, OutgoingError> {
    let loaded = session.end().and_then(|()| match session.reply()? {
        Reply::Loaded => Ok(()),
        other => Err(other.unexpected("before it has loaded everything")),
    });
    if let Err(error) = loaded {
        held.release();
        return Err(session.explain(error));
    }
    if shared.event(SourceEvent::Loaded) != Source::Committed {
        return Err(OutgoingError::Cancelled);
    }
    held.commit();
    let told = session.go().map_err(OutgoingError::from);
    let stopped = held.stopped().and_then(|stopped| stopped.since);
    let stood_for = held.stopped_for();
    held.release();
    let started = told.and_then(|told| match session.reply()? {
        Reply::Started(started, came) => Ok((started, told, came)),
        other => Err(other.unexpected("when it should start the guest")),
    });
    match started {
        Ok((started, told, came)) => {
            shared.event(SourceEvent::Started);
            session.exchanged(told, started.received, started.sent, came);
            let downtime = stopped.and_then(|stopped| {
                let Guest::Running(Some(at)) = started.guest else {
                    return None;
                };
                let at_stop = u64::try_from(stopped.boottime_ns).ok()?;
                let offset = session.offsets().at(at_stop)?;
                exchange::downtime(stopped.on(&offset), at)
            });
            if let Some(downtime) = downtime {
                held.vm().downtime(downtime);
            }
            Ok(Moved {
                stood: Some(downtime.map_or(Stood::AtMost(stood_for), Stood::Measured)),
                warning: None,
            })
        }
        Err(error) => {
            shared.event(SourceEvent::Lost);
            let warning = format!(
                "the destination has the whole guest but did not confirm that it runs ({error}); \
                 if it does not, 'cont' starts the guest here"
            );
            log::warn!("{warning}");
            Ok(Moved {
                stood: Some(Stood::AtMost(stood_for)),
                warning: Some(warning),
            })
        }
    }
}

/// Nobody answers: what the channel has taken to its place has moved.
fn finish_one_way(
    mut session: Session<'_, WriteHalf>,
    held: &mut Held<'_>,
    shared: &Shared,
) -> Result<Moved, OutgoingError> {
    if shared.event(SourceEvent::Finish) != Source::Finishing {
        return Err(OutgoingError::Cancelled);
    }
    session.end()?;
    let writer = session.into_writer().into_inner();
    writer.finish().map_err(OutgoingError::Finish)?;
    shared.event(SourceEvent::Finished);
    held.commit();
    let stood_for = held.stopped_for();
    held.release();
    Ok(Moved {
        stood: Some(Stood::AtMost(stood_for)),
        warning: None,
    })
}

/// Writes a guest that stands meanwhile and stays here. Bytes written.
pub(crate) fn save(
    vm: &dyn SourceVm,
    settings: &Settings,
    writer: impl Write,
) -> Result<u64, OutgoingError> {
    // Nobody looks at it.
    let progress = Progress::default();
    let mut session = Session::begin(vm, settings, &progress, Purpose::Snapshot, writer, None)?;
    let mut held = Held::new(vm);
    let stopped = held.stop()?;
    let pages = vm.ram().touched();
    session.announce(1, pages.len())?;
    session.pages(&pages, Phase::Stopped, &never::<Wake>())?;
    session.state(&stopped)?;
    session.end()?;
    Ok(session.into_writer().written())
}
