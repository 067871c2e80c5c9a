//! All options together: what one says about another, and the typed result.

use std::fmt;
use std::path::PathBuf;

use machine::{
    Accel, BootSource, BootWhen, Device, DriftFix, Identity, LostTicks, MachineConfig, MachineType,
    RtcOptions, Smp,
};
use migration::params::{Capabilities, Parameters};
use migration::transport::Uri;

use super::chardevs::{ChardevKind, ChardevSpec};
use super::options::{Given, Options};
use super::{
    CliError, Invocation, KeyVals, accel::Accels, clock, devices, help, kinds, machine as shape,
    objects,
};
use crate::migrate::TlsCredsX509;

/// Everything that the program needs to know to run.
pub struct Settings {
    /// The kind of machine.
    pub kind: &'static dyn MachineType,
    /// What it is built from.
    pub config: MachineConfig,
    /// Character devices, in the order in which they are to be opened.
    pub chardevs: Vec<ChardevSpec>,
    /// Monitors.
    pub monitors: Vec<MonitorSpec>,
    /// Id of the chardev that the operator console is on.
    pub console: Option<String>,
    /// `-qtest`.
    pub qtest: Option<QtestSettings>,
    /// `-S`.
    pub start_stopped: bool,
    /// Where the guest comes from.
    pub guest: GuestSource,
    /// Where snapshots are.
    pub snapshot_dir: PathBuf,
    /// `-object`.
    pub objects: Vec<TlsCredsX509>,
    /// `-global migration.NAME=VALUE`.
    pub migration: (Parameters, Capabilities),
    /// What is done about shutdown, reset, panic and watchdog.
    pub actions: Actions,
    /// Logging.
    pub log: LogSettings,
    /// `-pidfile`.
    pub pidfile: Option<PathBuf>,
    /// `-daemonize`.
    pub daemonize: bool,
    /// `-run-with exit-with-parent=`.
    pub exit_with_parent: bool,
    /// `-name process=`: what the process is called.
    pub process_name: Option<String>,
    /// `-hostclock`.
    pub host_clock: HostClockChoice,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("config", &self.config)
            .field("chardevs", &self.chardevs)
            .field("monitors", &self.monitors)
            .field("console", &self.console)
            .finish_non_exhaustive()
    }
}

/// A test that drives the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QtestSettings {
    /// Id of the chardev that it is at.
    pub chardev: String,
    /// `-qtest-log`.
    pub log: Option<PathBuf>,
}

/// A monitor as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorSpec {
    /// Id of its chardev.
    pub chardev: String,
    /// For programs (QMP) or for people (HMP).
    pub face: MonitorFace,
    /// The option that asked for it, for messages.
    pub argument: String,
}

/// The two faces of a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonitorFace {
    /// `mode=readline`.
    Human,
    /// `mode=control`.
    Control {
        /// Indented output.
        pretty: bool,
    },
}

/// `-action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions {
    /// When the guest asks for a reset.
    pub reboot: RebootAction,
    /// When the guest shuts down.
    pub shutdown: ShutdownAction,
    /// When the guest crashes.
    pub panic: PanicAction,
    /// When the guest's watchdog runs out.
    pub watchdog: WatchdogAction,
}

/// `-action reboot=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RebootAction {
    /// Reset the machine.
    #[default]
    Reset,
    /// Shut down instead (`-no-reboot`).
    Shutdown,
}

/// `-action shutdown=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShutdownAction {
    /// End the program.
    #[default]
    Poweroff,
    /// Stop the VM and stay (`-no-shutdown`).
    Pause,
}

/// `-action panic=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PanicAction {
    /// Shut down.
    #[default]
    Shutdown,
    /// Shut down, with exit status 1.
    ExitFailure,
    /// Stop the VM.
    Pause,
    /// Only tell.
    None,
}

/// `-action watchdog=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WatchdogAction {
    /// Reset the machine.
    #[default]
    Reset,
    /// Ask the guest to power down.
    Shutdown,
    /// End the program.
    Poweroff,
    /// Stop the VM.
    Pause,
    /// Only tell.
    Debug,
    /// Nothing.
    None,
    /// A restart interruption.
    InjectNmi,
}

/// `-d`, `-D`, `-msg`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// What to log.
    pub items: Vec<&'static str>,
    /// Where to, instead of standard error.
    pub file: Option<PathBuf>,
    /// A time before each message.
    pub timestamp: bool,
    /// The guest's name before each message.
    pub guest_name: bool,
}

/// Where the guest comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GuestSource {
    /// It boots.
    #[default]
    Boot,
    /// Another program brings it (`-incoming URI`).
    Incoming(Uri),
    /// Another program brings it; a monitor says where (`-incoming defer`).
    Deferred,
    /// A snapshot (`-loadvm`).
    Snapshot(String),
}

/// `-hostclock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HostClockChoice {
    /// The host's clocks.
    #[default]
    Linux,
    /// The host's clocks, which a test may push forward and make fail.
    Test,
}

/// What the options have said so far.
#[derive(Default)]
struct Draft {
    machine: Option<(String, String)>,
    devices: Vec<(Device, String)>,
    lost_ticks: LostTicks,
    accels: Accels,
    cpu: Option<(String, String)>,
    smp: Option<Smp>,
    ram_bytes: Option<u64>,
    boot: BootSource,
    append: Option<(String, String)>,
    identity: Identity,
    rtc: Option<(String, RtcOptions)>,
    chardevs: Vec<ChardevSpec>,
    monitors: Vec<MonitorSpec>,
    console: Option<(String, String)>,
    qtest: Option<(String, String)>,
    qtest_log: Option<PathBuf>,
    explicit_serial: bool,
    serials: usize,
    anonymous_monitors: usize,
    explicit_monitor: bool,
    nographic: bool,
    no_display: bool,
    nodefaults: bool,
    start_stopped: bool,
    guest: GuestSource,
    snapshot_dir: Option<PathBuf>,
    objects: Vec<TlsCredsX509>,
    migration: (Parameters, Capabilities),
    actions: Actions,
    log: LogSettings,
    pidfile: Option<PathBuf>,
    daemonize: bool,
    exit_with_parent: bool,
    process_name: Option<String>,
    host_clock: HostClockChoice,
}

/// Reads the command line: `words[0]` is the program's own name.
///
/// # Errors
/// The first mistake in it.
pub fn parse(words: &[String], types: &[&'static dyn MachineType]) -> Result<Invocation, CliError> {
    let program = words.first().map_or("emu", String::as_str);
    let options = Options::parse(words)?;
    if options.flag("help") {
        return Ok(Invocation::Print(help::usage()));
    }
    if options.flag("version") {
        return Ok(Invocation::Print(help::version()));
    }
    let mut draft = Draft::default();
    for option in &options.in_order() {
        if matches!(option.value, "help" | "?")
            && let Some(text) = draft.list(option.name, program, types)?
        {
            return Ok(Invocation::Print(text));
        }
        draft.take(option)?;
    }
    draft
        .settle(program, types)
        .map(|settings| Invocation::Run(Box::new(settings)))
}

impl Draft {
    /// The list that a value of `help` asks for.
    fn list(
        &self,
        option: &str,
        program: &str,
        types: &[&'static dyn MachineType],
    ) -> Result<Option<String>, CliError> {
        Ok(match option {
            "machine" => Some(help::machines(&kinds::of_program(program, types)?)),
            "cpu" => Some(help::cpu_models(self.kind(program, types)?)),
            "accel" => Some(help::accelerators(self.kind(program, types)?.arch())),
            "device" => Some(devices::help()),
            "chardev" => Some(help::chardevs()),
            "d" => Some(help::log_items()),
            _ => None,
        })
    }

    fn kind(
        &self,
        program: &str,
        types: &[&'static dyn MachineType],
    ) -> Result<&'static dyn MachineType, CliError> {
        let machine = self.machine.as_ref();
        let given = machine.map(|(name, text)| (name.as_str(), text.as_str()));
        kinds::pick(given, program, types)
    }

    fn take(&mut self, option: &Given<'_>) -> Result<(), CliError> {
        let Given { name, typed, value } = *option;
        let argument = || format!("{typed} {value}");
        match name {
            "machine" => self.take_machine(typed, value)?,
            "accel" => self.accels.take_option(typed, value)?,
            "enable-kvm" => self.accels.take_option(typed, "kvm")?,
            "cpu" => self.cpu = Some((value.to_owned(), argument())),
            "smp" => self.smp = Some(shape::parse_smp(typed, value)?),
            "m" => self.ram_bytes = Some(shape::parse_memory(typed, value)?),
            "kernel" => self.boot.kernel = Some(non_empty(typed, value, "a file name")?.into()),
            "initrd" => self.boot.initrd = Some(non_empty(typed, value, "a file name")?.into()),
            "append" => self.append = Some((value.to_owned(), typed.to_owned())),
            "nographic" => self.nographic = true,
            "nodefaults" => self.nodefaults = true,
            "display" => {
                only(typed, value, &["none"], "this version has no display")?;
                self.no_display = true;
            }
            "audio" => only(typed, value, &["none"], "this version has no sound")?,
            "vga" => only(
                typed,
                value,
                &["none"],
                "this version has no graphics adapter",
            )?,
            "parallel" => only(typed, value, &["none", "null"], "there is no parallel port")?,
            "sandbox" => only(
                typed,
                value,
                &["off"],
                "this version has no system call filter",
            )?,
            "net" | "nic" => only(typed, value, &["none"], "this version has no network")?,
            "overcommit" => {
                let mut kv = KeyVals::parse(typed, value, None)?;
                kv.accept(&[("mem-lock", &["off"]), ("cpu-pm", &["off"])])?;
                kv.finish()?;
            }
            // What they switch off or choose is not there.
            "no-user-config" | "no-acpi" | "no-hpet" | "no-fd-bootchk" | "boot" | "k" => {}
            "serial" => self.take_serial(typed, value)?,
            "chardev" => {
                let spec = ChardevSpec::parse(typed, value)?;
                self.add_chardev(spec)?;
            }
            "device" => self.take_device(typed, value)?,
            "mon" => self.take_mon(typed, value)?,
            "monitor" => self.take_monitor(typed, value, MonitorFace::Human)?,
            "qmp" => self.take_monitor(typed, value, MonitorFace::Control { pretty: false })?,
            "qmp-pretty" => {
                self.take_monitor(typed, value, MonitorFace::Control { pretty: true })?;
            }
            "qtest" => self.take_qtest(typed, value)?,
            "qtest-log" => {
                let file = non_empty(typed, value, "a file name or none")?;
                self.qtest_log = (file != "none").then(|| file.into());
            }
            "S" => self.start_stopped = true,
            "rtc" => self.rtc = Some((argument(), clock::parse_rtc(typed, value)?)),
            "name" => {
                let mut kv = KeyVals::parse(typed, value, Some("guest"))?;
                if let Some(name) = kv.take("guest")? {
                    self.identity.name = name;
                }
                if let Some(process) = kv.take("process")? {
                    self.process_name = Some(process);
                }
                // Threads are always named.
                kv.switch("debug-threads")?;
                kv.finish()?;
            }
            "uuid" => {
                let uuid = uuid::Uuid::try_parse(value).map_err(|_| {
                    CliError::new(
                        argument(),
                        "not a UUID, expected 32 hexadecimal digits as \
                         550e8400-e29b-41d4-a716-446655440000",
                    )
                })?;
                self.identity.uuid = Some(*uuid.as_bytes());
            }
            "pidfile" => self.pidfile = Some(non_empty(typed, value, "a file name")?.into()),
            "daemonize" => self.daemonize = true,
            "run-with" => {
                let mut kv = KeyVals::parse(typed, value, None)?;
                let parent = kv.switch("exit-with-parent")?;
                self.exit_with_parent = parent.unwrap_or(self.exit_with_parent);
                kv.finish()?;
            }
            "no-reboot" => self.actions.reboot = RebootAction::Shutdown,
            "no-shutdown" => self.actions.shutdown = ShutdownAction::Pause,
            "action" => self.take_action(KeyVals::parse(typed, value, None)?)?,
            "watchdog-action" => {
                self.take_action(KeyVals::parse(typed, value, Some("watchdog"))?)?;
            }
            "d" => self.take_log_items(typed, value)?,
            "D" => self.log.file = Some(non_empty(typed, value, "a file name")?.into()),
            "msg" => {
                let mut kv = KeyVals::parse(typed, value, Some("timestamp"))?;
                self.log.timestamp = kv.switch("timestamp")?.unwrap_or(self.log.timestamp);
                self.log.guest_name = kv.switch("guest-name")?.unwrap_or(self.log.guest_name);
                kv.finish()?;
            }
            "hostclock" => {
                self.host_clock = match value {
                    "linux" => HostClockChoice::Linux,
                    "test" => HostClockChoice::Test,
                    _ => return Err(CliError::new(argument(), "expected linux or test")),
                };
            }
            "incoming" => {
                self.guest = match value {
                    "defer" => GuestSource::Deferred,
                    uri => GuestSource::Incoming(
                        uri.parse()
                            .map_err(|e| CliError::new(argument(), format!("{e}; or 'defer'")))?,
                    ),
                };
            }
            "loadvm" => {
                self.guest = GuestSource::Snapshot(non_empty(typed, value, "a tag")?.to_owned());
            }
            "snapshot-dir" => {
                self.snapshot_dir = Some(non_empty(typed, value, "a folder")?.into());
            }
            "object" => self.objects.push(objects::parse(typed, value)?),
            "global" => {
                let (parameters, capabilities) = &mut self.migration;
                match objects::take_lost_tick_policy(typed, value)? {
                    Some(policy) => self.lost_ticks = policy,
                    None => objects::set_global(typed, value, parameters, capabilities)?,
                }
            }
            other => {
                return Err(CliError::new(
                    other,
                    "this option has no meaning in this version",
                ));
            }
        }
        Ok(())
    }

    fn take_machine(&mut self, typed: &str, value: &str) -> Result<(), CliError> {
        let mut kv = KeyVals::parse(typed, value, Some("type"))?;
        let argument = kv.argument().to_owned();
        if let Some(name) = kv.take("type")? {
            self.machine = Some((name, argument));
        }
        if let Some(accel) = kv.take("accel")? {
            self.accels.take_property(typed, &accel)?;
        }
        kv.accept(kinds::ACCEPTED_PROPERTIES)?;
        kv.finish()
    }

    fn add_chardev(&mut self, spec: ChardevSpec) -> Result<(), CliError> {
        if self.chardevs.iter().any(|other| other.id == spec.id) {
            return Err(CliError::new(
                &spec.argument,
                format!(
                    "there is a chardev '{}' already, expected another id",
                    spec.id
                ),
            ));
        }
        if matches!(spec.kind, ChardevKind::Stdio { .. }) && self.stdio_is_taken() {
            return Err(CliError::new(
                &spec.argument,
                "standard input and output are taken by another chardev already",
            ));
        }
        self.chardevs.push(spec);
        Ok(())
    }

    fn stdio_is_taken(&self) -> bool {
        self.chardevs
            .iter()
            .any(|spec| matches!(spec.kind, ChardevKind::Stdio { .. }))
    }

    fn set_console(&mut self, chardev: String, argument: String) -> Result<(), CliError> {
        if let Some((_, first)) = &self.console {
            return Err(CliError::new(
                argument,
                format!("the machine has one operator console, and '{first}' has it"),
            ));
        }
        self.console = Some((chardev, argument));
        Ok(())
    }

    fn take_serial(&mut self, typed: &str, value: &str) -> Result<(), CliError> {
        self.explicit_serial = true;
        let argument = format!("{typed} {value}");
        let index = self.serials;
        self.serials += 1;
        // There is one port; another is there if nobody would look at it.
        if value == "none" || (index > 0 && value == "null") {
            return Ok(());
        }
        if index > 0 {
            return Err(CliError::new(
                argument,
                "this version's machines have one serial port or console, and the first -serial \
                 is its; expected null or none",
            ));
        }
        if let Some(id) = value.strip_prefix("chardev:") {
            return self.set_console(id.to_owned(), argument);
        }
        let spec = ChardevSpec::parse_short(typed, value, format!("serial{index}"))?;
        let id = spec.id.clone();
        if spec.mux {
            self.explicit_monitor = true;
            self.monitors.push(MonitorSpec {
                chardev: id.clone(),
                face: MonitorFace::Human,
                argument: argument.clone(),
            });
        }
        self.add_chardev(spec)?;
        self.set_console(id, argument)
    }

    fn take_device(&mut self, typed: &str, value: &str) -> Result<(), CliError> {
        let asked = devices::parse_device(typed, value)?;
        match asked.wanted {
            devices::Wanted::Console { chardev } => {
                self.explicit_serial = true;
                if let Some(chardev) = chardev {
                    self.set_console(chardev, asked.argument)?;
                }
            }
            devices::Wanted::Device(device) => self.devices.push((device, asked.argument)),
        }
        Ok(())
    }

    fn take_mon(&mut self, typed: &str, value: &str) -> Result<(), CliError> {
        let mut kv = KeyVals::parse(typed, value, Some("chardev"))?;
        let argument = kv.argument().to_owned();
        let chardev = kv.require("chardev", "the id of a chardev")?;
        let control = kv.choice("mode", &[("readline", false), ("control", true)])?;
        let pretty = kv.switch("pretty")?;
        let face = match (control.unwrap_or(false), pretty) {
            (true, pretty) => MonitorFace::Control {
                pretty: pretty.unwrap_or(false),
            },
            (false, None) => MonitorFace::Human,
            (false, Some(_)) => {
                return Err(kv.error("parameter 'pretty' is for mode=control only"));
            }
        };
        kv.take("id")?;
        kv.finish()?;
        self.explicit_monitor = true;
        self.monitors.push(MonitorSpec {
            chardev,
            face,
            argument,
        });
        Ok(())
    }

    fn take_monitor(
        &mut self,
        typed: &str,
        value: &str,
        face: MonitorFace,
    ) -> Result<(), CliError> {
        self.explicit_monitor = true;
        let argument = format!("{typed} {value}");
        if value == "none" {
            return Ok(());
        }
        let chardev = if let Some(id) = value.strip_prefix("chardev:") {
            id.to_owned()
        } else {
            let id = format!("compat_monitor{}", self.anonymous_monitors);
            self.anonymous_monitors += 1;
            let spec = ChardevSpec::parse_short(typed, value, id.clone())?;
            self.add_chardev(spec)?;
            id
        };
        self.monitors.push(MonitorSpec {
            chardev,
            face,
            argument,
        });
        Ok(())
    }

    fn take_qtest(&mut self, typed: &str, value: &str) -> Result<(), CliError> {
        let argument = format!("{typed} {value}");
        if let Some((_, first)) = &self.qtest {
            return Err(CliError::new(
                argument,
                format!("one test drives a machine, and '{first}' does"),
            ));
        }
        let chardev = if let Some(id) = value.strip_prefix("chardev:") {
            id.to_owned()
        } else {
            let spec = ChardevSpec::parse_short(typed, value, "qtest".into())?;
            let id = spec.id.clone();
            self.add_chardev(spec)?;
            id
        };
        self.qtest = Some((chardev, argument));
        Ok(())
    }

    fn take_action(&mut self, mut kv: KeyVals) -> Result<(), CliError> {
        let reboot = kv.choice(
            "reboot",
            &[
                ("reset", RebootAction::Reset),
                ("shutdown", RebootAction::Shutdown),
            ],
        )?;
        let shutdown = kv.choice(
            "shutdown",
            &[
                ("poweroff", ShutdownAction::Poweroff),
                ("pause", ShutdownAction::Pause),
            ],
        )?;
        let panic = kv.choice(
            "panic",
            &[
                ("pause", PanicAction::Pause),
                ("shutdown", PanicAction::Shutdown),
                ("exit-failure", PanicAction::ExitFailure),
                ("none", PanicAction::None),
            ],
        )?;
        let watchdog = kv.choice("watchdog", &WatchdogAction::NAMES)?;
        kv.finish()?;
        let actions = &mut self.actions;
        actions.reboot = reboot.unwrap_or(actions.reboot);
        actions.shutdown = shutdown.unwrap_or(actions.shutdown);
        actions.panic = panic.unwrap_or(actions.panic);
        actions.watchdog = watchdog.unwrap_or(actions.watchdog);
        Ok(())
    }

    fn take_log_items(&mut self, typed: &str, value: &str) -> Result<(), CliError> {
        self.log.items.clear();
        for item in value.split(',') {
            match help::LOG_ITEMS.iter().find(|(name, _)| *name == item) {
                Some((name, _)) => self.log.items.push(name),
                None => {
                    let names: Vec<_> = help::LOG_ITEMS.iter().map(|(name, _)| *name).collect();
                    return Err(CliError::new(
                        format!("{typed} {value}"),
                        format!(
                            "no log item '{item}', expected some of: {}",
                            names.join(", ")
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Default console and monitor, where none was asked for.
    fn add_defaults(&mut self) -> Result<(), CliError> {
        if self.daemonize && self.exit_with_parent {
            return Err(CliError::new(
                "-daemonize",
                "leaves the parent, cannot be used with -run-with exit-with-parent=on",
            ));
        }
        if self.daemonize && self.nographic {
            return Err(CliError::new(
                "-daemonize",
                "cannot be used with -nographic",
            ));
        }
        // There is no window to show a console in, so the terminal it is, unless unwanted.
        let implicit = !self.nographic && !self.no_display && !self.daemonize;
        if self.nodefaults || !(self.nographic || implicit && !self.stdio_is_taken()) {
            return Ok(());
        }
        let option = if self.nographic {
            "-nographic"
        } else {
            "default"
        };
        match (!self.explicit_serial, !self.explicit_monitor) {
            (true, true) => self.take_serial(option, "mon:stdio"),
            (true, false) => self.take_serial(option, "stdio"),
            (false, true) => self.take_monitor(option, "stdio", MonitorFace::Human),
            (false, false) => Ok(()),
        }
    }

    /// What must hold between chardevs and their users.
    fn check_chardevs(&self) -> Result<(), CliError> {
        let users = self
            .monitors
            .iter()
            .map(|monitor| (&monitor.chardev, &monitor.argument))
            .chain(
                self.console
                    .iter()
                    .map(|(chardev, argument)| (chardev, argument)),
            )
            .chain(
                self.qtest
                    .iter()
                    .map(|(chardev, argument)| (chardev, argument)),
            );
        let mut seen: Vec<(&String, &String)> = Vec::new();
        for (id, argument) in users {
            let Some(spec) = self.chardevs.iter().find(|spec| spec.id == *id) else {
                return Err(CliError::new(
                    argument,
                    format!("no chardev '{id}', expected the id of a -chardev"),
                ));
            };
            if let Some((_, first)) = seen.iter().find(|(other, _)| *other == id)
                && !spec.mux
            {
                return Err(CliError::new(
                    argument,
                    format!("'{first}' has chardev '{id}' already, expected mux=on to share it"),
                ));
            }
            seen.push((id, argument));
        }
        if self.daemonize
            && let Some(spec) = self
                .chardevs
                .iter()
                .find(|spec| matches!(spec.kind, ChardevKind::Stdio { .. }))
        {
            return Err(CliError::new(
                &spec.argument,
                "cannot be used with -daemonize",
            ));
        }
        Ok(())
    }

    fn settle(
        mut self,
        program: &str,
        types: &[&'static dyn MachineType],
    ) -> Result<Settings, CliError> {
        let kind = self.kind(program, types)?;
        if let Some((model, argument)) = &self.cpu {
            let base = model.split(',').next().unwrap_or_default();
            if !kind.cpu_models().contains(&base) {
                return Err(CliError::new(
                    argument,
                    format!(
                        "no CPU model '{base}', expected one of: {}",
                        kind.cpu_models().join(", ")
                    ),
                ));
            }
        }
        if let Some((cmdline, typed)) = &self.append {
            if self.boot.kernel.is_none() {
                return Err(CliError::new(typed, "only allowed with -kernel"));
            }
            self.boot.cmdline.clone_from(cmdline);
        }
        if self.boot.initrd.is_some() && self.boot.kernel.is_none() {
            return Err(CliError::new("-initrd", "only allowed with -kernel"));
        }
        if let Some((argument, rtc)) = &self.rtc
            && rtc.drift_fix == DriftFix::Slew
            && kind.arch() != "x86_64"
        {
            return Err(CliError::new(
                argument,
                "machines of this architecture have no clock that loses ticks, expected \
                 driftfix=none",
            ));
        }
        for (device, argument) in &self.devices {
            devices::check(kind.arch(), *device, argument)?;
        }
        if self.guest != GuestSource::Boot {
            self.boot.when = BootWhen::Reset;
        }
        let accel = self.accels.choose(kind)?;
        if let Some((_, argument)) = &self.qtest
            && accel != Accel::Qtest
        {
            return Err(CliError::new(
                argument,
                "a test cannot move the time of a guest that runs, expected -accel qtest with it",
            ));
        }
        self.add_defaults()?;
        self.check_chardevs()?;
        Ok(Settings {
            kind,
            config: MachineConfig {
                machine: self
                    .machine
                    .map_or_else(|| kind.names()[0].to_owned(), |(name, _)| name),
                cpu: self.cpu.map(|(model, _)| model),
                smp: self.smp.unwrap_or_default(),
                ram_bytes: self.ram_bytes.unwrap_or_else(|| kind.default_ram_bytes()),
                accel,
                boot: self.boot,
                identity: self.identity,
                lost_ticks: self.lost_ticks,
                devices: self.devices.into_iter().map(|(device, _)| device).collect(),
                rtc: self.rtc.map(|(_, rtc)| rtc).unwrap_or_default(),
                trace: self
                    .log
                    .items
                    .iter()
                    .map(|item| (*item).to_owned())
                    .collect(),
            },
            chardevs: self.chardevs,
            monitors: self.monitors,
            console: self.console.map(|(chardev, _)| chardev),
            qtest: self.qtest.map(|(chardev, _)| QtestSettings {
                chardev,
                log: self.qtest_log,
            }),
            start_stopped: self.start_stopped,
            guest: self.guest,
            snapshot_dir: self.snapshot_dir.unwrap_or_else(|| ".".into()),
            objects: self.objects,
            migration: self.migration,
            actions: self.actions,
            log: self.log,
            pidfile: self.pidfile,
            daemonize: self.daemonize,
            exit_with_parent: self.exit_with_parent,
            process_name: self.process_name,
            host_clock: self.host_clock,
        })
    }
}

fn non_empty<'a>(typed: &str, value: &'a str, what: &str) -> Result<&'a str, CliError> {
    if value.is_empty() {
        Err(CliError::new(
            typed,
            format!("an empty value, expected {what}"),
        ))
    } else {
        Ok(value)
    }
}

fn only(typed: &str, value: &str, allowed: &[&str], why: &str) -> Result<(), CliError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(CliError::new(
        format!("{typed} {value}"),
        format!("{why}, expected '{}'", allowed.join("' or '")),
    ))
}
