//! The monitor for people: command lines on a terminal, with editing, history and completion.

mod editor;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use super::table::{self, COMMANDS, HmpRun};
use super::{Context, query};
use crate::chardev::mux::MuxUser;
use crate::chardev::{Frontend, Port};
use crate::terminal;
use editor::{Editor, Step};

/// QEMU's prompt, which tools wait for.
const PROMPT: &str = "(qemu) ";

/// Lines that the history keeps.
const HISTORY: usize = 200;

/// What a monitor remembers between commands.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// The CPU that commands are about.
    pub(crate) cpu: usize,
    /// Command lines, oldest first.
    pub(crate) history: Vec<String>,
}

/// A monitor for people on a character device.
pub struct Hmp {
    context: Arc<Context>,
    port: Arc<Port>,
    /// Shares its device: the banner and the prompt wait for the focus.
    shared: bool,
    /// Whether the other end is an interactive terminal that wants an echo.
    echo: bool,
    inner: Mutex<Inner>,
}

struct Inner {
    session: Session,
    editor: Editor,
    greeted: bool,
}

impl Hmp {
    /// A monitor on `port`. `shared`: behind a mux. `echo`: typed text is shown and can be
    /// edited; else lines are taken as they come.
    pub fn new(context: Arc<Context>, port: Arc<Port>, shared: bool, echo: bool) -> Self {
        let inner = Inner {
            session: Session::default(),
            editor: Editor::new(PROMPT),
            greeted: false,
        };
        Self {
            context,
            port,
            shared,
            echo,
            inner: Mutex::new(inner),
        }
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
        inner.editor.set_columns(terminal::columns());
        self.port.write(inner.editor.show().as_bytes());
    }
}

impl Frontend for Hmp {
    fn receive(&self, bytes: &[u8]) -> usize {
        let mut inner = self.inner();
        let mut shown = String::new();
        for byte in bytes {
            let inner = &mut *inner;
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
                    if !line.trim().is_empty() && inner.session.history.last() != Some(&line) {
                        inner.session.history.push(line.clone());
                        let excess = inner.session.history.len().saturating_sub(HISTORY);
                        inner.session.history.drain(..excess);
                    }
                    let text = execute(&self.context, &mut inner.session, &line);
                    self.print(&text);
                    inner.editor.set_columns(terminal::columns());
                    self.port.write(PROMPT.as_bytes());
                }
            }
        }
        if self.echo {
            self.port.write(shown.as_bytes());
        }
        bytes.len()
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
        let mut inner = self.inner();
        self.port.write(b"\r\n");
        self.greet(&mut inner);
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
