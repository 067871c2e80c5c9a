//! The monitor for people: command lines on a terminal, with editing, history and completion.

mod editor;
mod progress;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use migration::progress::{Status, Watch};

use serde_json::{Map, Value};

use super::table::{self, COMMANDS, HmpRun};
use super::{Context, query};
use crate::chardev::mux::MuxUser;
use crate::chardev::{Frontend, Port};
use crate::terminal;
use editor::{Editor, Step};

/// QEMU's prompt, which tools wait for.
const PROMPT: &str = "(qemu) ";

/// Columns of a terminal whose size is not known.
const COLUMNS: usize = 80;

/// Lines that the history keeps.
const HISTORY: usize = 200;

/// How often a progress bar is drawn.
const REDRAW: Duration = Duration::from_millis(100);

/// Ctrl-C.
const INTERRUPT: u8 = 0x03;

/// What a command leaves to be waited for before the next one.
#[derive(Debug)]
pub(crate) enum Wait {
    /// The end of a migration, which the monitor tells.
    Migration(Watch),
}

/// What a monitor remembers between commands.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The CPU that commands are about.
    pub(crate) cpu: usize,
    /// Command lines, oldest first.
    pub(crate) history: Vec<String>,
    /// Whether commands may leave something to be waited for.
    pub(crate) can_wait: bool,
    /// What the last one has left.
    pub(crate) wait: Option<Wait>,
}

/// A monitor for people on a character device.
pub struct Hmp {
    this: Weak<Self>,
    context: Arc<Context>,
    port: Arc<Port>,
    /// Shares its device: the banner and the prompt wait for the focus.
    shared: bool,
    /// Whether the other end is an interactive terminal that wants an echo.
    echo: bool,
    /// Whether its user looks at it, and not at another that shares the device.
    in_view: AtomicBool,
    inner: Mutex<Inner>,
}

struct Inner {
    session: Session,
    editor: Editor,
    greeted: bool,
    /// While something is waited for: what was typed meanwhile.
    held: Option<Vec<u8>>,
}

impl Hmp {
    /// A monitor on `port`. `shared`: behind a mux. `echo`: typed text is shown and can be
    /// edited; else lines are taken as they come.
    pub fn new(context: Arc<Context>, port: Arc<Port>, shared: bool, echo: bool) -> Arc<Self> {
        let inner = Inner {
            session: Session {
                can_wait: true,
                ..Session::default()
            },
            editor: Editor::new(PROMPT),
            greeted: false,
            held: None,
        };
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            context,
            port,
            shared,
            echo,
            in_view: AtomicBool::new(!shared),
            inner: Mutex::new(inner),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no command is being executed now.
    pub fn is_idle(&self) -> bool {
        self.inner.try_lock().is_ok()
    }

    fn print(&self, text: &str) {
        self.port.write(text.replace('\n', "\r\n").as_bytes());
    }

    fn greet(&self, inner: &mut Inner) {
        if !inner.greeted {
            inner.greeted = true;
            self.print(&format!(
                "emu {} monitor - type 'help' for more information\n",
                env!("CARGO_PKG_VERSION")
            ));
        }
        // While something is waited for, there is nothing to prompt for.
        if inner.held.is_none() {
            inner.editor.set_columns(terminal::columns());
            self.port.write(inner.editor.show().as_bytes());
        }
    }
}

impl Hmp {
    /// Takes what was typed.
    fn take(&self, inner: &mut Inner, bytes: &[u8]) {
        let mut shown = String::new();
        for byte in bytes {
            if let Some(held) = &mut inner.held {
                if *byte == INTERRUPT {
                    self.context.migrations.cancel();
                } else {
                    held.push(*byte);
                }
                continue;
            }
            match inner.editor.key(*byte, &inner.session.history, &mut shown) {
                Step::Nothing => {}
                Step::Complete => {
                    let found = complete(&inner.editor.before_cursor());
                    inner.editor.complete(&found, &mut shown);
                }
                Step::Line(line) => {
                    if self.echo {
                        self.port.write(shown.as_bytes());
                    }
                    shown.clear();
                    self.line(inner, &line);
                }
            }
        }
        if self.echo {
            self.port.write(shown.as_bytes());
        }
    }

    fn line(&self, inner: &mut Inner, line: &str) {
        let session = &mut inner.session;
        if !line.trim().is_empty() && session.history.last().map(String::as_str) != Some(line) {
            session.history.push(line.to_owned());
            let excess = session.history.len().saturating_sub(HISTORY);
            session.history.drain(..excess);
        }
        let text = execute(&self.context, session, line);
        self.print(&text);
        match session.wait.take().map(|wait| self.wait_for(wait)) {
            Some(Ok(())) => inner.held = Some(Vec::new()),
            Some(Err(e)) => {
                self.print(&format!(
                    "cannot wait for it: the host refuses a thread: {e}\n"
                ));
                self.prompt(inner);
            }
            None => self.prompt(inner),
        }
    }

    fn prompt(&self, inner: &mut Inner) {
        inner.editor.set_columns(terminal::columns());
        self.port.write(PROMPT.as_bytes());
    }

    /// Waits on a thread of its own, so that this one goes on serving the device.
    fn wait_for(&self, wait: Wait) -> std::io::Result<()> {
        let Some(this) = self.this.upgrade() else {
            return Ok(());
        };
        thread::Builder::new()
            .name("hmp-wait".into())
            .spawn(move || {
                match wait {
                    Wait::Migration(watch) => {
                        this.watch_migration();
                        drop(watch);
                    }
                }
                let mut inner = this.inner();
                let held = inner.held.take().unwrap_or_default();
                this.prompt(&mut inner);
                this.take(&mut inner, &held);
                drop(inner);
                // It reads again.
                this.port.wake();
            })
            .map(drop)
    }

    /// Returns when the migration is over, having said how.
    fn watch_migration(&self) {
        let progress = self.context.migrations.progress();
        let mut drawn = false;
        while !progress.wait(REDRAW) {
            let seen = self.echo && self.in_view.load(Ordering::Relaxed);
            if let Some(report) = progress.report().filter(|_| seen) {
                let columns = terminal::columns().unwrap_or(COLUMNS);
                let line = progress::line(&report, columns);
                self.port.write(format!("\r{line}\x1b[K").as_bytes());
                drawn = true;
            }
        }
        if drawn {
            self.port.write(b"\r\x1b[K");
        }
        let Some(report) = progress.report() else {
            return;
        };
        match report.status {
            Status::Completed if self.echo => {
                self.print(&format!("{}\n", progress::end(&report)));
            }
            Status::Completed => {}
            Status::Failed => {
                let why = report.error_desc.unwrap_or_default();
                self.print(&format!("Error: {why}\n"));
            }
            status => self.print(&format!("migration {status}\n")),
        }
    }
}

impl Frontend for Hmp {
    fn receive(&self, bytes: &[u8]) {
        self.take(&mut self.inner(), bytes);
    }

    fn backlog(&self) -> usize {
        self.inner().held.as_ref().map_or(0, Vec::len)
    }

    fn opened(&self) {
        let mut inner = self.inner();
        inner.greeted = false;
        inner.editor.clear();
        if !self.shared {
            self.greet(&mut inner);
        }
    }
}

impl MuxUser for Hmp {
    fn focused(&self) {
        self.in_view.store(true, Ordering::Relaxed);
        let mut inner = self.inner();
        self.port.write(b"\r\n");
        self.greet(&mut inner);
    }

    fn unfocused(&self) {
        self.in_view.store(false, Ordering::Relaxed);
    }
}

/// Executes one command line; what it says, its lines ended by `\n`.
pub(crate) fn execute(context: &Context, session: &mut Session, line: &str) -> String {
    let line = line.trim();
    if line.is_empty() {
        return String::new();
    }
    let (name, rest) = split_name(line);
    let (name, rest) = if name == "info" {
        let (topic, rest) = split_name(rest.trim_start());
        if topic.is_empty() {
            return query::list(|names| names.starts_with("info "));
        }
        (format!("info {topic}"), rest)
    } else {
        (name.to_owned(), rest)
    };
    let Some(command) = table::find_hmp(&name) else {
        return format!("unknown command: '{name}'\n");
    };
    let result = match (&command.hmp, &command.qmp) {
        (Some(hmp), Some(qmp)) => match hmp.run {
            HmpRun::Show(show) => query::nothing_more(rest).and_then(|()| {
                (qmp.run)(context, &Map::new())
                    .map(|value: Value| show(context, session, &value))
                    .map_err(|e| format!("Error: {e}"))
            }),
            HmpRun::Text(run) => run(context, session, rest),
        },
        (Some(hmp), None) => match hmp.run {
            HmpRun::Text(run) => run(context, session, rest),
            HmpRun::Show(show) => Ok(show(context, session, &Value::Null)),
        },
        (None, _) => Err(format!("unknown command: '{name}'")),
    };
    match result {
        Ok(text) => text,
        Err(text) => format!("{text}\n"),
    }
}

/// A command's name ends at a space, or at the slash of its format.
fn split_name(line: &str) -> (&str, &str) {
    let end = line
        .char_indices()
        .find(|(index, c)| c.is_whitespace() || (*c == '/' && *index > 0))
        .map_or(line.len(), |(index, _)| index);
    line.split_at(end)
}

/// All names that the word before the cursor may become.
fn complete(before: &str) -> Vec<String> {
    let before = before.trim_start();
    let names = COMMANDS
        .iter()
        .filter_map(|c| c.hmp.as_ref())
        .flat_map(|h| h.names.split('|'));
    let mut found: Vec<String> = match before.rsplit_once(' ') {
        None => names
            .filter(|name| !name.contains(' '))
            .chain(["info"])
            .filter(|name| name.starts_with(before))
            .map(str::to_owned)
            .collect(),
        Some((first, word)) => match first.trim() {
            "info" => names
                .filter_map(|name| name.strip_prefix("info "))
                .filter(|topic| topic.starts_with(word))
                .map(str::to_owned)
                .collect(),
            "help" | "?" => names
                .filter(|name| !name.contains(' ') && name.starts_with(word))
                .map(str::to_owned)
                .collect(),
            _ => Vec::new(),
        },
    };
    found.sort_unstable();
    found.dedup();
    found
}
