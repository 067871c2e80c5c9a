//! From settings to a running machine, and to its end.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::unbounded;
use machine::{Accel, ConsoleOutput, Machine, MachineParts, MachineType, ShutdownCause};
use migration::progress::Progress;
use rustix::stdio::stdin;
use rustix::termios::isatty;
use tod::{ClockManager, HostClock, HostPusher, LinuxHost, PushableHost, Timebase, Timeline};

use crate::chardev::mux::{Mux, MuxHost, MuxUser};
use crate::chardev::{Chardev, Frontend, Port};
use crate::cli::{ChardevKind, CliError, GuestSource, HostClockChoice, MonitorFace, Settings};
use crate::console::Console;
use crate::control::{Control, Ending, EventSink, Events, Launch, Owner, OwnerParts};
use crate::migrate::{self, Incoming, Migrations, Snapshots};
use crate::monitor::Context;
use crate::monitor::hmp::Hmp;
use crate::monitor::qmp::Qmp;
use crate::process::{self, Daemon, PidFile, SignalTarget};
use crate::qtest::link::log_to;
use crate::qtest::{Link, MachineBench, Server, VirtualTime};
use crate::{cleanup, logging};

/// How long the end waits for peers that do not read, when somebody asked for the end.
const HURRIED: Duration = Duration::from_millis(500);

/// How long it waits for the console's reader after the guest's own end: nothing of its
/// output is to be lost. A signal cuts it short.
const PATIENT: Duration = Duration::from_secs(24 * 3600);

/// Runs what `settings` describe on this thread; returns the exit status. The process's own
/// affairs, as signals, are left to the caller.
///
/// # Errors
/// Anything that keeps it from starting, as one line.
pub fn run_inside(settings: Settings, types: &[&'static dyn MachineType]) -> Result<u8, CliError> {
    run(settings, types, None)
}

fn run(
    mut settings: Settings,
    types: &[&'static dyn MachineType],
    signals: Option<SignalTarget>,
) -> Result<u8, CliError> {
    logging::start(&settings.log, &settings.config.identity.name)?;
    let daemon = if settings.daemonize {
        Some(daemonize(&mut settings)?)
    } else {
        None
    };
    if settings.exit_with_parent {
        process::exit_with_parent()
            .map_err(|e| CliError::new("-run-with exit-with-parent=on", e.to_string()))?;
    }
    if let Some(name) = &settings.process_name {
        process::set_name(name);
    }
    let _pidfile = settings
        .pidfile
        .as_deref()
        .map(PidFile::create)
        .transpose()?;
    if let Some(target) = &signals {
        process::handle_signals(Arc::clone(target))
            .map_err(|e| CliError::new("signals", e.to_string()))?;
    }
    let vm = Vm::build(&settings, types)?;
    vm.start()?;
    if let Some(target) = signals {
        // Nobody else sets it.
        let _ = target.set(vm.control.clone());
    }
    if let Some(daemon) = daemon {
        daemon
            .ready()
            .map_err(|e| CliError::new("-daemonize", e.to_string()))?;
    }
    Ok(vm.run())
}

fn daemonize(settings: &mut Settings) -> Result<Daemon, CliError> {
    // Files that a reset reads again must be found from another folder.
    for path in [
        &mut settings.config.boot.kernel,
        &mut settings.config.boot.initrd,
    ] {
        if let Some(absolute) = path
            .as_deref()
            .and_then(|path| std::path::absolute(path).ok())
        {
            *path = Some::<PathBuf>(absolute);
        }
    }
    process::daemonize().map_err(|e| CliError::new("-daemonize", e.to_string()))
}

/// Who uses a character device.
struct Line {
    chardev: Arc<Chardev>,
    user: Option<Arc<dyn Frontend>>,
}

/// Everything that runs.
struct Vm {
    control: Control,
    owner: Owner,
    machine: Arc<dyn Machine>,
    migrations: Arc<Migrations>,
    guest: GuestSource,
    lines: Vec<Line>,
    console: Option<Arc<Port>>,
    humans: Vec<Arc<Hmp>>,
    programs: Vec<Arc<Qmp>>,
}

impl Vm {
    fn build(settings: &Settings, types: &[&'static dyn MachineType]) -> Result<Self, CliError> {
        let HostClocks {
            host,
            pusher,
            virtual_time,
        } = host_clock(settings);
        let timebase = Timebase::new(Arc::clone(&host))
            .map_err(|e| CliError::new("host clock", e.to_string()))?;
        let timeline = Timeline::new(&timebase);
        if virtual_time.is_none() {
            timeline.start_thread().map_err(|e| {
                CliError::new("timeline", format!("the host refuses a thread: {e}"))
            })?;
        }
        let clocks = ClockManager::new(timeline);

        let chardevs = settings
            .chardevs
            .iter()
            .map(Chardev::open)
            .collect::<Result<Vec<_>, _>>()?;
        let find = |id: &str| chardevs.iter().find(|chardev| chardev.label() == id);

        let (events_in, guest) = unbounded();
        let console = settings.console.as_deref().and_then(find);
        let parts = MachineParts {
            host: Arc::clone(&host),
            clocks: &clocks,
            events: events_in,
            console: console.map(|chardev| Arc::clone(chardev.port()) as Arc<dyn ConsoleOutput>),
        };
        let machine: Arc<dyn Machine> = settings
            .kind
            .create(&settings.config, parts)
            .map_err(machine_error)?
            .into();

        let mut qtest = qtest_server(settings, &machine, virtual_time, clocks.timeline())?;

        let launch = match (&settings.guest, settings.start_stopped) {
            (GuestSource::Boot, false) => Launch::Start,
            (GuestSource::Boot, true) => Launch::Stopped,
            (_, stopped) => Launch::Incoming {
                autostart: !stopped,
            },
        };
        let expects_guest = matches!(launch, Launch::Incoming { .. });
        let (control, control_end) = Control::new(launch);
        let events = Arc::new(Events::default());
        let keyboard = Console::new(
            machine.console_input(),
            console.map(|chardev| Arc::clone(chardev.port())),
            expects_guest,
        );
        let progress = Arc::new(Progress::default());
        let migration = progress.subscribe();
        let migration_settings = Arc::new(migration_settings(settings)?);
        let migrations = Migrations::new(
            migrate::Vm {
                control: control.clone(),
                machine: Arc::clone(&machine),
                clocks: Arc::clone(&clocks),
                host: Arc::clone(&host),
                console: Arc::clone(&keyboard),
                port: console.map(|chardev| Arc::clone(chardev.port())),
                architecture: settings.kind.arch(),
                name: settings.kind.names()[0],
            },
            migrate::Shared {
                settings: Arc::clone(&migration_settings),
                progress,
                events: Arc::clone(&events),
                snapshots: Snapshots::new(&settings.snapshot_dir),
                expects_guest,
            },
        );
        for object in &settings.objects {
            migrations
                .objects()
                .add(object)
                .map_err(|e| CliError::new(format!("-object id={}", object.id), e.to_string()))?;
        }
        let context = Arc::new(Context {
            control: control.clone(),
            machine: Arc::clone(&machine),
            clocks: Arc::clone(&clocks),
            kind: settings.kind,
            types: types.to_vec(),
            identity: settings.config.identity.clone(),
            accel: settings.config.accel,
            console: console.map(|chardev| Arc::clone(chardev.port())),
            ports: chardevs
                .iter()
                .map(|chardev| Arc::clone(chardev.port()))
                .collect(),
            added_cpus: Mutex::default(),
            migrations: Arc::clone(&migrations),
            pusher,
        });

        let mut vm_humans = Vec::new();
        let mut vm_programs = Vec::new();
        let mut lines = Vec::new();
        for (chardev, spec) in chardevs.iter().zip(&settings.chardevs) {
            let port = chardev.port();
            let mut users: Vec<Arc<dyn MuxUser>> = Vec::new();
            if console.is_some_and(|console| Arc::ptr_eq(console, chardev))
                && machine.console_input().is_some()
            {
                users.push(Arc::clone(&keyboard) as Arc<dyn MuxUser>);
            }
            if settings
                .qtest
                .as_ref()
                .is_some_and(|qtest| qtest.chardev == spec.id)
                && let Some(server) = qtest.take()
            {
                let link = Link::new(Arc::clone(port), control.clone(), server);
                users.push(Arc::new(link) as Arc<dyn MuxUser>);
            }
            for monitor in settings.monitors.iter().filter(|m| m.chardev == spec.id) {
                let (context, port) = (Arc::clone(&context), Arc::clone(port));
                match monitor.face {
                    MonitorFace::Human => {
                        let echo = match spec.kind {
                            ChardevKind::Stdio { .. } => isatty(stdin()),
                            ChardevKind::Socket(_) => true,
                            _ => false,
                        };
                        let human = Hmp::new(context, port, spec.mux, echo);
                        users.push(Arc::clone(&human) as _);
                        vm_humans.push(human);
                    }
                    MonitorFace::Control { pretty } => {
                        let program = Arc::new(Qmp::new(context, port, pretty));
                        let sink: Arc<dyn EventSink> = Arc::clone(&program) as _;
                        events.subscribe(Arc::downgrade(&sink));
                        users.push(Arc::clone(&program) as _);
                        vm_programs.push(program);
                    }
                }
            }
            let user: Option<Arc<dyn Frontend>> = if spec.mux {
                let exit = Arc::new(ExitKey(control.clone()));
                Some(Arc::new(Mux::new(Arc::clone(port), users, exit)))
            } else {
                users.pop().map(|user| user as Arc<dyn Frontend>)
            };
            lines.push(Line {
                chardev: Arc::clone(chardev),
                user,
            });
        }

        let owner = Owner::new(OwnerParts {
            machine: Arc::clone(&machine),
            clocks,
            guest,
            control: control_end,
            events,
            actions: settings.actions,
            migration,
            settings: migration_settings,
            console: console.map(|chardev| Arc::clone(chardev.port())),
        });
        Ok(Self {
            control,
            owner,
            machine,
            migrations,
            guest: settings.guest.clone(),
            console: console.map(|chardev| Arc::clone(chardev.port())),
            lines,
            humans: vm_humans,
            programs: vm_programs,
        })
    }

    /// Lets the character devices' input in, and a guest if one is to come.
    fn start(&self) -> Result<(), CliError> {
        for line in &self.lines {
            line.chardev.start(line.user.clone()).map_err(|e| {
                CliError::new(
                    format!("chardev {}", line.chardev.label()),
                    format!("the host refuses a thread: {e}"),
                )
            })?;
        }
        let (option, from) = match &self.guest {
            GuestSource::Boot | GuestSource::Deferred => return Ok(()),
            GuestSource::Incoming(uri) => (format!("-incoming {uri}"), Incoming::From(uri.clone())),
            GuestSource::Snapshot(tag) => {
                (format!("-loadvm {tag}"), Incoming::Snapshot(tag.clone()))
            }
        };
        self.migrations
            .start_incoming(from, true)
            .map_err(|e| CliError::new(option, e.to_string()))
    }

    /// Runs the VM to its end on this thread; returns the exit status.
    fn run(self) -> u8 {
        let ending = self.owner.run();
        // vCPUs that wait for a slow reader must come out to end.
        let _relief = self.console.as_ref().map(Port::relieve);
        self.migrations.shut_down(HURRIED);
        self.machine.shut_down();
        wait_until(HURRIED, || {
            self.humans.iter().all(|human| human.is_idle())
                && self.programs.iter().all(|program| program.is_idle())
        });
        if let Some(console) = &self.console {
            console.drain(console_patience(ending));
        }
        for line in &self.lines {
            line.chardev.port().drain(HURRIED);
            line.chardev.port().close();
        }
        ending.status
    }
}

/// What migration starts with, as the command line says.
fn migration_settings(settings: &Settings) -> Result<migration::params::Settings, CliError> {
    let (parameters, capabilities) = &settings.migration;
    let initial = migration::params::Settings::default();
    let fail = |e: migration::params::ParameterError| CliError::new("-global", e.to_string());
    initial
        .change_parameters(|current| {
            current.clone_from(parameters);
            Ok(())
        })
        .map_err(fail)?;
    initial
        .change_capabilities(|current| {
            *current = *capabilities;
            Ok(())
        })
        .map_err(fail)?;
    Ok(initial)
}

fn console_patience(ending: Ending) -> Duration {
    match ending.cause {
        ShutdownCause::Guest | ShutdownCause::GuestReset | ShutdownCause::GuestPanic => PATIENT,
        _ => HURRIED,
    }
}

fn wait_until(limit: Duration, done: impl Fn() -> bool) {
    let end = Instant::now() + limit;
    while !done() && Instant::now() < end {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The host's clocks under the guest's, and what moves them beside the host.
struct HostClocks {
    host: Arc<dyn HostClock>,
    pusher: Option<HostPusher>,
    /// There instead of the host's own clocks if nothing executes the guest.
    virtual_time: Option<VirtualTime>,
}

fn host_clock(settings: &Settings) -> HostClocks {
    if settings.config.accel == Accel::Qtest {
        let time = VirtualTime::starting_now();
        return HostClocks {
            host: time.host(),
            pusher: None,
            virtual_time: Some(time),
        };
    }
    let (host, pusher): (Arc<dyn HostClock>, _) = match settings.host_clock {
        HostClockChoice::Linux => (Arc::new(LinuxHost::new()), None),
        HostClockChoice::Test => {
            let host = PushableHost::new(LinuxHost::new());
            let pusher = host.pusher();
            (Arc::new(host), Some(pusher))
        }
    };
    HostClocks {
        host,
        pusher,
        virtual_time: None,
    }
}

/// The test that drives the machine, if one is to.
fn qtest_server(
    settings: &Settings,
    machine: &Arc<dyn Machine>,
    time: Option<VirtualTime>,
    timeline: &Arc<Timeline>,
) -> Result<Option<Server<MachineBench>>, CliError> {
    let (Some(qtest), Some(time)) = (&settings.qtest, time) else {
        return Ok(None);
    };
    let log = qtest
        .log
        .as_deref()
        .map(|path| {
            log_to(path).map_err(|e| {
                CliError::new(
                    "-qtest-log",
                    format!("could not open '{}': {e}", path.display()),
                )
            })
        })
        .transpose()?;
    let bench = MachineBench::new(Arc::clone(machine), time, Arc::clone(timeline))
        .map_err(|e| CliError::new("-qtest", e.to_string()))?;
    Ok(Some(Server::new(bench, log)))
}

/// Names the option that a machine's error is about.
fn machine_error(error: machine::MachineError) -> CliError {
    use machine::MachineError;
    match error {
        MachineError::Kernel { .. } => CliError::new("-kernel", error.to_string()),
        MachineError::Initrd { .. } => CliError::new("-initrd", error.to_string()),
        MachineError::Option {
            option,
            value,
            expected,
        } => CliError::new(format!("{option} {value}"), expected),
        other => CliError::new("machine", other.to_string()),
    }
}

/// Ctrl-A x.
struct ExitKey(Control);

impl MuxHost for ExitKey {
    fn exit(&self) {
        self.0.request_quit(ShutdownCause::HostUi);
    }
}

/// Runs the program with these words and machines; returns the exit status. Whatever happens,
/// the terminal is as before and nothing of ours is left behind.
pub fn main_with(words: &[String], types: &[&'static dyn MachineType]) -> u8 {
    process::end_on_panic();
    let outcome = match crate::cli::parse(words, types) {
        Ok(crate::cli::Invocation::Print(text)) => {
            use std::io::Write as _;
            // A reader that has seen enough, as `head`, is no error.
            let _ = std::io::stdout().write_all(text.as_bytes());
            Ok(0)
        }
        Ok(crate::cli::Invocation::Run(settings)) => {
            run(*settings, types, Some(SignalTarget::default()))
        }
        Err(error) => Err(error),
    };
    cleanup::run();
    match outcome {
        Ok(status) => status,
        Err(error) => {
            eprintln!("emu: {error}");
            1
        }
    }
}
