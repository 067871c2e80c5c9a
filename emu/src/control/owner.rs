//! The owner's loop and what it does for each request and event.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, never, select, tick};
use machine::{GuestEvent, Machine, PanicInfo, ResetCause, ShutdownCause};
use migration::params::Settings;
use migration::progress::MigrationEvent;
use serde_json::json;
use tod::run::{RunControl, Vcpus};
use tod::{AllParked, Cause, ClockEvent, ClockManager, RunState, StartToken};

use super::hold::Held;
use super::throttle::Throttle;
use super::{ControlEnd, Event, Events, Hold, Refusal, Release, Request};
use crate::chardev::{Port, Relief};
use crate::cli::{Actions, PanicAction, RebootAction, ShutdownAction};

/// How often the host's clocks are looked after while the VM runs.
const TICK: Duration = Duration::from_secs(1);

/// What the owner works with.
pub struct OwnerParts {
    /// The machine, all its vCPUs parked.
    pub machine: Arc<dyn Machine>,
    /// Its clocks.
    pub clocks: Arc<ClockManager>,
    /// What the guest makes happen.
    pub guest: Receiver<GuestEvent>,
    /// Requests come in here.
    pub control: ControlEnd,
    /// Who is told.
    pub events: Arc<Events>,
    /// `-action`.
    pub actions: Actions,
    /// How migrations get on.
    pub migration: Receiver<MigrationEvent>,
    /// What users have set about migrations.
    pub settings: Arc<Settings>,
    /// Where vCPUs may wait for a slow peer, against which a stop must not wait.
    pub console: Option<Arc<Port>>,
}

/// How the VM begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launch {
    /// It runs at once.
    Start,
    /// It stands until `cont` (`-S`).
    Stopped,
    /// It waits for a guest from elsewhere (`-incoming`, `-loadvm`).
    Incoming {
        /// Whether that guest is to run if it ran at its source; `stop` and `cont` change it.
        autostart: bool,
    },
}

impl Launch {
    /// The first run state.
    pub(super) fn state(self) -> RunState {
        match self {
            Self::Start | Self::Stopped => RunState::Prelaunch,
            Self::Incoming { .. } => RunState::Inmigrate,
        }
    }
}

/// How the program is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Who asked for it.
    pub cause: ShutdownCause,
    /// The exit status.
    pub status: u8,
}

/// The owner of the run state.
pub struct Owner {
    run: RunControl<MachineVcpus>,
    pub(super) machine: Arc<dyn Machine>,
    clocks: Arc<ClockManager>,
    clock_events: Receiver<ClockEvent>,
    guest: Receiver<GuestEvent>,
    control: ControlEnd,
    pub(super) events: Arc<Events>,
    pub(super) actions: Actions,
    migration: Receiver<MigrationEvent>,
    settings: Arc<Settings>,
    launch: Launch,
    held: Option<Held>,
    rtc_changes: Throttle,
    pub(super) ending: Option<Ending>,
}

/// The machine's vCPUs, whose console writers must not hold up a stop.
struct MachineVcpus {
    machine: Arc<dyn Machine>,
    console: Option<Arc<Port>>,
    /// From park to unpark.
    relief: Mutex<Option<Relief>>,
}

impl MachineVcpus {
    fn hold_relief(&self, hold: bool) {
        let relief = self.console.as_ref().filter(|_| hold).map(Port::relieve);
        *self.relief.lock().unwrap_or_else(PoisonError::into_inner) = relief;
    }
}

impl Vcpus for MachineVcpus {
    fn park(&self) -> AllParked {
        self.hold_relief(true);
        self.machine.park()
    }

    fn unpark(&self, token: StartToken) {
        self.hold_relief(false);
        self.machine.unpark(token);
    }
}

impl Owner {
    /// An owner of a VM that has not run yet.
    pub fn new(parts: OwnerParts) -> Self {
        let vcpus = MachineVcpus {
            machine: Arc::clone(&parts.machine),
            console: parts.console,
            relief: Mutex::default(),
        };
        let mut run = RunControl::new(
            parts.control.launch.state(),
            vcpus,
            Arc::clone(&parts.clocks),
        );
        for (layer, listener) in parts.machine.listeners() {
            run.add_listener(layer, listener);
        }
        Self {
            run,
            machine: parts.machine,
            clock_events: parts.clocks.subscribe(),
            clocks: parts.clocks,
            guest: parts.guest,
            launch: parts.control.launch,
            held: None,
            rtc_changes: Throttle::new(),
            control: parts.control,
            events: parts.events,
            actions: parts.actions,
            migration: parts.migration,
            settings: parts.settings,
            ending: None,
        }
    }

    /// Runs until the program is to end.
    pub fn run(mut self) -> Ending {
        if self.launch == Launch::Start
            && let Err(e) = self.cont(Cause::Launch)
        {
            log::error!("the VM cannot start: {e}");
        }
        let ticks = tick(TICK);
        let silence = never();
        loop {
            if let Some(ending) = self.ending {
                return ending;
            }
            let rtc_changes = self.rtc_changes.end();
            let ticks = if self.run.state().is_running() {
                &ticks
            } else {
                &silence
            };
            select! {
                recv(self.control.requests) -> request => match request {
                    Ok(request) => self.request(request),
                    // Nobody is left who could ask for an end.
                    Err(_) => self.end(ShutdownCause::HostError),
                },
                recv(self.guest) -> event => match event {
                    Ok(event) => self.guest_event(event),
                    Err(_) => self.guest = never(),
                },
                recv(self.clock_events) -> event => {
                    if let Ok(event) = event {
                        self.events.emit(&Event::clock(&event));
                    }
                }
                recv(self.migration) -> event => match event {
                    Ok(event) => self.tell_migration(event),
                    Err(_) => self.migration = never(),
                },
                recv(rtc_changes) -> _ => {
                    if let Some(event) = self.rtc_changes.expired() {
                        self.events.emit(&event);
                    }
                }
                recv(ticks) -> _ => self.clocks.tick(),
            }
        }
    }

    fn tell_migration(&self, event: MigrationEvent) {
        if self.settings.capabilities().events {
            self.events.emit(&Event::migration(event));
        }
    }

    fn request(&mut self, request: Request) {
        // A migration tells of what it does before it asks for what follows from that.
        while let Ok(event) = self.migration.try_recv() {
            self.tell_migration(event);
        }
        match request {
            Request::Stop(reply) => {
                match (&mut self.held, self.run.state()) {
                    (Some(held), _) => held.stop(),
                    // QEMU: the guest that is to come will stand.
                    (None, RunState::Inmigrate) => self.set_autostart(false),
                    // QEMU: only a running VM is stopped; elsewhere nothing happens.
                    (None, RunState::Running) => self.stop(RunState::Paused, Cause::Monitor, None),
                    (None, _) => {}
                }
                answer(&reply, Ok(()));
            }
            Request::Cont(reply) => answer(&reply, self.cont(Cause::Monitor)),
            Request::Reset(reply) => {
                let result = match &mut self.held {
                    // As in QEMU the request is taken at once and done when it can be.
                    Some(held) => {
                        held.reset = true;
                        Ok(())
                    }
                    None => self.reset(ResetCause::HostMonitor),
                };
                answer(&reply, result);
            }
            Request::Hold(hold, reply) => answer(&reply, self.hold(hold)),
            Request::Release(release, reply) => {
                self.release(release);
                answer(&reply, self.run.state());
            }
            Request::Arrived(state, reply) => answer(&reply, self.arrived(state)),
            Request::Lost { fatal: false } => {}
            Request::Lost { fatal: true } => {
                self.ending.get_or_insert(Ending {
                    cause: ShutdownCause::HostError,
                    status: 1,
                });
            }
            Request::State(reply) => answer(&reply, self.run.state()),
            Request::SetWatchdogAction(action, reply) => {
                self.actions.watchdog = action;
                answer(&reply, ());
            }
            Request::Powerdown(reply) => {
                self.events.emit(&Event::new("POWERDOWN"));
                answer(&reply, self.machine.powerdown());
            }
            Request::Quit(cause, reply) => {
                self.tell_last_rtc_change();
                self.events
                    .emit(&Event::shutdown(cause.by_guest(), cause.name()));
                self.end(cause);
                if let Some(reply) = reply {
                    answer(&reply, ());
                }
            }
        }
    }

    fn guest_event(&mut self, event: GuestEvent) {
        match event {
            GuestEvent::Shutdown(cause) => {
                self.shutdown(cause, Event::shutdown(cause.by_guest(), cause.name()));
            }
            GuestEvent::Reset(cause) => {
                // Its failure is told where it happens, and there is nobody to answer.
                let _ = self.reset(cause);
            }
            GuestEvent::Panicked(info) => self.panicked(&info),
            GuestEvent::RtcChange { offset_s } => {
                if let Some(event) = self.rtc_changes.offer(Event::rtc_change(offset_s)) {
                    self.events.emit(&event);
                }
            }
            GuestEvent::Watchdog => self.watchdog(),
            GuestEvent::Exit { status } => {
                let cause = ShutdownCause::Guest;
                self.events
                    .emit(&Event::shutdown(cause.by_guest(), cause.name()));
                self.ending.get_or_insert(Ending { cause, status });
            }
            GuestEvent::InternalError(what) => {
                log::error!("internal error: {what}");
                self.stop(RunState::InternalError, Cause::InternalError, None);
            }
        }
    }

    /// Goes to `state`, then tells `why`, then what the clocks did, then that the VM stopped:
    /// whoever hears of anything finds the VM as told.
    pub(super) fn stop(&mut self, state: RunState, cause: Cause, why: Option<Event>) {
        let was_running = self.run.state().is_running();
        let changed = match self.run.stop(state, cause) {
            Ok(changed) => changed,
            Err(e) => {
                log::debug!(target: "clock", "{e}");
                false
            }
        };
        self.control.publish(self.run.state());
        if let Some(why) = why {
            self.events.emit(&why);
        }
        self.tell_clocks();
        if changed && was_running {
            self.events.emit(&Event::new("STOP"));
        }
    }

    fn cont(&mut self, cause: Cause) -> Result<(), Refusal> {
        if let Some(held) = &mut self.held {
            if held.hold == Hold::FinishMigrate {
                return Err(Refusal::Migrating);
            }
            // After a snapshot.
            if !held.then.may_become(RunState::Running) && !held.then.is_running() {
                return Err(Refusal::ResetRequired);
            }
            held.then = RunState::Running;
            return Ok(());
        }
        match self.run.state() {
            // QEMU: the guest that is to come will run.
            RunState::Inmigrate => {
                self.set_autostart(true);
                return Ok(());
            }
            RunState::Running | RunState::Suspended => return Ok(()),
            RunState::InternalError | RunState::Shutdown => return Err(Refusal::ResetRequired),
            RunState::FinishMigrate => return Err(Refusal::Migrating),
            _ => {}
        }
        if let Err(e) = self.run.cont(cause) {
            log::debug!(target: "clock", "{e}");
            return Err(Refusal::ResetRequired);
        }
        self.started();
        Ok(())
    }

    /// Tells that the VM runs.
    fn started(&self) {
        self.control.publish(self.run.state());
        self.tell_clocks();
        self.events.emit(&Event::new("RESUME"));
    }

    /// Tells what the clocks have just done, before anything else is told.
    fn tell_clocks(&self) {
        for event in self.clock_events.try_iter() {
            self.events.emit(&Event::clock(&event));
        }
    }

    /// Who keeps a guest's offset for its next start looks no longer once it has shut down.
    fn tell_last_rtc_change(&mut self) {
        if let Some(event) = self.rtc_changes.flush() {
            self.events.emit(&event);
        }
    }

    /// Shuts down as `-action shutdown=` says.
    fn shutdown(&mut self, cause: ShutdownCause, event: Event) {
        self.tell_last_rtc_change();
        match self.actions.shutdown {
            ShutdownAction::Pause => {
                self.stop(RunState::Shutdown, Cause::GuestShutdown, Some(event));
            }
            ShutdownAction::Poweroff => {
                self.events.emit(&event);
                self.end(cause);
            }
        }
    }

    fn end(&mut self, cause: ShutdownCause) {
        let failure =
            cause == ShutdownCause::GuestPanic && self.actions.panic == PanicAction::ExitFailure;
        self.ending.get_or_insert(Ending {
            cause,
            status: u8::from(failure),
        });
    }

    fn panicked(&mut self, info: &PanicInfo) {
        let action = match (self.actions.panic, self.actions.shutdown) {
            (PanicAction::Pause, _) | (PanicAction::Shutdown, ShutdownAction::Pause) => "pause",
            (PanicAction::Shutdown | PanicAction::ExitFailure, _) => "poweroff",
            (PanicAction::None, _) => "run",
        };
        let PanicInfo::S390 {
            core,
            psw_mask,
            psw_addr,
            reason,
        } = info;
        log::warn!(
            "the guest has crashed: {reason} on CPU {core}, PSW {psw_mask:016x} {psw_addr:016x}"
        );
        let event = Event::panicked(action, info);
        match action {
            "pause" => self.stop(RunState::GuestPanicked, Cause::GuestPanic, Some(event)),
            "poweroff" => {
                self.events.emit(&event);
                let cause = ShutdownCause::GuestPanic;
                self.shutdown(cause, Event::shutdown(cause.by_guest(), cause.name()));
            }
            _ => self.events.emit(&event),
        }
    }

    fn set_autostart(&mut self, on: bool) {
        if let Launch::Incoming { autostart } = &mut self.launch {
            *autostart = on;
        }
    }

    /// Stops the VM, if it runs, and keeps everybody from changing that.
    fn hold(&mut self, hold: Hold) -> Result<RunState, Refusal> {
        let before = self.run.state();
        if self.held.is_some() || before == RunState::Inmigrate {
            return Err(Refusal::Held);
        }
        if before.is_running() {
            self.stop(hold.state(), hold.cause(), None);
        }
        // What the guest did before it was stopped comes first: it may have shut down, and will
        // not do so again elsewhere.
        while let Ok(event) = self.guest.try_recv() {
            self.guest_event(event);
        }
        if self.ending.is_some() {
            return Err(Refusal::Ending);
        }
        let then = match self.run.state() {
            state if state == hold.state() => before,
            // It asked for a reset, and goes on with that.
            RunState::Prelaunch if before.is_running() => before,
            other => other,
        };
        self.stop(hold.state(), hold.cause(), None);
        if self.run.state() != hold.state() {
            return Err(Refusal::ResetRequired);
        }
        self.held = Some(Held {
            hold,
            then,
            reset: false,
        });
        Ok(then)
    }

    fn release(&mut self, release: Release) {
        let Some(held) = self.held.take() else { return };
        let cause = held.hold.cause();
        let then = match release {
            Release::TakeBack => held.then,
            Release::HandOver => RunState::Postmigrate,
            Release::Restored { run: true } => RunState::Running,
            Release::Restored { run: false } => RunState::Paused,
            Release::Broken => RunState::InternalError,
        };
        if then.is_running() {
            if let Err(e) = self.run.cont(cause) {
                log::error!("the VM cannot run on: {e}");
            }
            self.started();
        } else {
            self.stop(then, cause, None);
            if self.run.state() == held.hold.state() {
                // The table of states knows no way back there.
                self.stop(RunState::Paused, cause, None);
            }
        }
        if held.reset {
            if release == Release::HandOver {
                log::warn!("the guest has moved away before it could be reset as asked");
            } else {
                // Its failure is told where it happens; the one who asked has gone on.
                let _ = self.reset(ResetCause::HostMonitor);
            }
        }
    }

    /// The guest from elsewhere is complete.
    fn arrived(&mut self, at_source: RunState) -> Result<RunState, Refusal> {
        let Launch::Incoming { autostart } = self.launch else {
            return Err(Refusal::NotIncoming);
        };
        if self.run.state() != RunState::Inmigrate {
            return Err(Refusal::NotIncoming);
        }
        if at_source.is_running() && autostart {
            if let Err(e) = self.run.cont(Cause::Migration) {
                log::error!("the VM cannot run: {e}");
            }
            self.started();
        } else {
            // What it was is what it is; a state that nothing here can be in is a pause.
            let state = if RunState::Inmigrate.may_become(at_source) && !at_source.is_running() {
                at_source
            } else {
                RunState::Paused
            };
            self.stop(state, Cause::Migration, None);
        }
        Ok(self.run.state())
    }

    pub(super) fn reset(&mut self, cause: ResetCause) -> Result<(), Refusal> {
        let (guest, reason, told) = match cause {
            ResetCause::HostMonitor => (false, "host-qmp-system-reset", true),
            ResetCause::GuestReipl => (true, "guest-reset", true),
            // QEMU: part of the guest's own doing; not told, and -no-reboot is not for it.
            ResetCause::GuestModified { .. } => (true, "subsystem-reset", false),
        };
        if told && self.actions.reboot == RebootAction::Shutdown {
            self.shutdown(ShutdownCause::GuestReset, Event::shutdown(guest, reason));
            return Ok(());
        }
        let clock_cause = if guest {
            Cause::GuestReset
        } else {
            Cause::Monitor
        };
        let runs = self.run.state().is_running();
        if self.run.state() == RunState::Inmigrate {
            // There is no guest yet, and one that is being loaded must not be touched.
            return Ok(());
        }
        if runs {
            // The vCPUs stand for a moment; the clocks do not: a reset is no gap.
            drop(self.run.vcpus().park());
        }
        let result = self.machine.reset(cause);
        self.clocks.on_reset(clock_cause);
        if runs {
            // The clocks run, so this only makes the token.
            let token = self.clocks.on_cont(clock_cause);
            if result.is_ok() {
                self.run.vcpus().unpark(token);
            }
        }
        if let Err(e) = result {
            log::error!("the machine cannot be reset: {e}");
            self.stop(RunState::InternalError, Cause::InternalError, None);
            return Err(Refusal::ResetFailed);
        }
        if told {
            self.events.emit(&Event::with(
                "RESET",
                json!({ "guest": guest, "reason": reason }),
            ));
        }
        if !runs {
            // QEMU: a VM that is reset while it does not run is as if just created.
            self.stop(RunState::Prelaunch, clock_cause, None);
        }
        Ok(())
    }
}

/// The asker may have gone; then nobody wants the answer.
fn answer<T>(reply: &Sender<T>, value: T) {
    let _ = reply.send(value);
}
