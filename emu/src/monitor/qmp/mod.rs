//! The monitor for programs: QMP, JSON objects over a stream.
//!
//! Follows QEMU's server to the letter where clients can see it: greeting, negotiation, error
//! classes and messages, the order of events and replies. Each connection starts afresh.

mod json;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};

use super::{Context, Failure, query, table};
use crate::chardev::mux::MuxUser;
use crate::chardev::{Frontend, Port};
use crate::control::{Event, EventSink};
use json::Splitter;

/// A monitor for programs on a character device.
pub struct Qmp {
    context: Arc<Context>,
    port: Arc<Port>,
    pretty: bool,
    /// Whether this connection has left negotiation; events are sent from then on.
    negotiated: AtomicBool,
    input: Mutex<Splitter>,
}

impl Qmp {
    /// A monitor on `port`.
    pub fn new(context: Arc<Context>, port: Arc<Port>, pretty: bool) -> Self {
        Self {
            context,
            port,
            pretty,
            negotiated: AtomicBool::new(false),
            input: Mutex::default(),
        }
    }

    fn input(&self) -> MutexGuard<'_, Splitter> {
        self.input.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no command is being executed now.
    pub fn is_idle(&self) -> bool {
        self.input.try_lock().is_ok()
    }

    fn send(&self, value: &Value) {
        self.port.write(&json::line(value, self.pretty));
    }

    fn answer(&self, message: Result<Value, String>) {
        let (id, result) = match message {
            Err(error) => (
                None,
                Err(Failure::generic(format!("JSON parse error, {error}"))),
            ),
            Ok(Value::Object(request)) => (request.get("id").cloned(), self.dispatch(&request)),
            Ok(_) => (
                None,
                Err(Failure::generic("QMP input must be a JSON object")),
            ),
        };
        let mut reply = match result {
            Ok(value) => json!({ "return": value }),
            Err(failure) => {
                json!({ "error": { "class": failure.class, "desc": failure.text } })
            }
        };
        if let Some(id) = id {
            reply["id"] = id;
        }
        self.send(&reply);
    }

    fn dispatch(&self, request: &Map<String, Value>) -> Result<Value, Failure> {
        let mut command = None;
        let mut args = None;
        for (key, value) in request {
            match (key.as_str(), value) {
                ("execute", Value::String(name)) => command = Some(name.as_str()),
                ("execute", _) => {
                    return Err(Failure::generic(
                        "QMP input member 'execute' must be a string",
                    ));
                }
                ("arguments", Value::Object(object)) => args = Some(object),
                ("arguments", _) => {
                    return Err(Failure::generic(
                        "QMP input member 'arguments' must be an object",
                    ));
                }
                ("id", _) => {}
                (other, _) => {
                    return Err(Failure::generic(format!(
                        "QMP input member '{other}' is unexpected"
                    )));
                }
            }
        }
        let name = command.ok_or_else(|| Failure::generic("QMP input lacks member 'execute'"))?;
        let empty = Map::new();
        let args = args.unwrap_or(&empty);
        let negotiated = self.negotiated.load(Ordering::SeqCst);
        match (name, negotiated) {
            ("qmp_capabilities", false) => self.negotiate(args),
            ("qmp_capabilities", true) => Err(Failure::not_found(
                "Capabilities negotiation is already complete, command ignored",
            )),
            (_, false) => Err(Failure::not_found(
                "Expecting capabilities negotiation with 'qmp_capabilities'",
            )),
            (_, true) => {
                let command = table::find_qmp(&self.context, name).ok_or_else(|| {
                    Failure::not_found(format!("The command {name} has not been found"))
                })?;
                table::check(args, command.args)?;
                (command.run)(&self.context, args)
            }
        }
    }

    fn negotiate(&self, args: &Map<String, Value>) -> Result<Value, Failure> {
        match args.get("enable") {
            None => {}
            Some(Value::Array(wanted)) => {
                if let Some(name) = wanted.first() {
                    let name = name
                        .as_str()
                        .map_or_else(|| name.to_string(), str::to_owned);
                    return Err(Failure::generic(format!("Capability {name} not available")));
                }
            }
            Some(_) => {
                return Err(Failure::generic(
                    "Invalid parameter type for 'enable', expected: array",
                ));
            }
        }
        if let Some(key) = args.keys().find(|key| *key != "enable") {
            return Err(Failure::generic(format!("Parameter '{key}' is unexpected")));
        }
        self.negotiated.store(true, Ordering::SeqCst);
        Ok(json!({}))
    }
}

impl Frontend for Qmp {
    fn receive(&self, bytes: &[u8]) {
        let mut input = self.input();
        for byte in bytes {
            if let Some(message) = input.push(*byte) {
                self.answer(message);
            }
        }
    }

    fn receive_descriptors(&self, descriptors: Vec<OwnedFd>) {
        self.context.migrations.fds().offer(descriptors);
    }

    fn opened(&self) {
        let mut input = self.input();
        *input = Splitter::default();
        self.negotiated.store(false, Ordering::SeqCst);
        self.send(&json!({
            "QMP": { "version": query::version_info(), "capabilities": [] }
        }));
    }

    fn closed(&self) {
        self.context.migrations.fds().forget();
        self.negotiated.store(false, Ordering::SeqCst);
    }
}

impl MuxUser for Qmp {}

impl EventSink for Qmp {
    fn event(&self, event: &Event) {
        if !self.negotiated.load(Ordering::SeqCst) {
            return;
        }
        let since = event.when.duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut message = json!({
            "timestamp": { "seconds": since.as_secs(), "microseconds": since.subsec_micros() },
            "event": event.name,
        });
        if let Some(data) = &event.data {
            message["data"] = data.clone();
        }
        self.send(&message);
    }
}
