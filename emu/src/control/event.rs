//! What monitors are told unasked.

use std::sync::{Mutex, PoisonError, Weak};
use std::time::SystemTime;

use machine::PanicInfo;
use migration::progress::MigrationEvent;
use serde_json::{Value, json};
use tod::ClockEvent;

/// Something that happened, in QAPI's words.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub name: &'static str,
    /// Its data, if it has any.
    pub data: Option<Value>,
    /// When, on the host's clock.
    pub when: SystemTime,
}

/// Who is told of events. Must not wait: run control does the telling.
pub trait EventSink: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// The names of all events, for `query-events`.
pub const NAMES: &[&str] = &[
    "CLOCK_FALLBACK",
    "CLOCK_STARTED",
    "CLOCK_STOPPED",
    "GUEST_PANICKED",
    "JOB_STATUS_CHANGE",
    "MIGRATION",
    "MIGRATION_PASS",
    "POWERDOWN",
    "RESET",
    "RESUME",
    "RTC_CHANGE",
    "SHUTDOWN",
    "STOP",
    "WATCHDOG",
];

impl Event {
    /// An event without data, now.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            data: None,
            when: SystemTime::now(),
        }
    }

    /// An event with data, now.
    pub fn with(name: &'static str, data: Value) -> Self {
        Self {
            data: Some(data),
            ..Self::new(name)
        }
    }

    /// `RTC_CHANGE`.
    pub(super) fn rtc_change(offset_s: i64) -> Self {
        Self::with(
            "RTC_CHANGE",
            json!({ "offset": offset_s, "qom-path": crate::monitor::RTC_PATH }),
        )
    }

    /// `SHUTDOWN`.
    pub(super) fn shutdown(guest: bool, reason: &str) -> Self {
        Self::with("SHUTDOWN", json!({ "guest": guest, "reason": reason }))
    }

    /// `MIGRATION`, `MIGRATION_PASS`.
    pub(super) fn migration(event: MigrationEvent) -> Self {
        match event {
            MigrationEvent::Status(status) => {
                Self::with("MIGRATION", json!({ "status": status.name() }))
            }
            MigrationEvent::Pass(number) => Self::with("MIGRATION_PASS", json!({ "pass": number })),
        }
    }

    /// `GUEST_PANICKED`.
    pub(super) fn panicked(action: &str, info: &PanicInfo) -> Self {
        let PanicInfo::S390 {
            core,
            psw_mask,
            psw_addr,
            reason,
        } = info;
        Self::with(
            "GUEST_PANICKED",
            json!({
                "action": action,
                "info": {
                    "type": "s390",
                    "core": core,
                    "psw-mask": psw_mask,
                    "psw-addr": psw_addr,
                    "reason": reason,
                },
            }),
        )
    }

    /// `CLOCK_STOPPED`, `CLOCK_STARTED`, `CLOCK_FALLBACK`.
    pub(super) fn clock(event: &ClockEvent) -> Self {
        match event {
            ClockEvent::Stopped { clock, value } => Self::with(
                "CLOCK_STOPPED",
                json!({ "clock": clock, "value": crate::monitor::shown_value(*value) }),
            ),
            ClockEvent::Started {
                clock,
                value,
                granted_ns,
            } => Self::with(
                "CLOCK_STARTED",
                json!({
                    "clock": clock,
                    "value": crate::monitor::shown_value(*value),
                    "granted-ns": granted_ns,
                }),
            ),
            ClockEvent::Fallback {
                clock,
                phase,
                error,
            } => Self::with(
                "CLOCK_FALLBACK",
                json!({ "clock": clock, "phase": phase.to_string(), "error": error }),
            ),
        }
    }
}

/// Everybody who is to be told.
#[derive(Default)]
pub struct Events {
    sinks: Mutex<Vec<Weak<dyn EventSink>>>,
}

impl Events {
    /// Adds somebody, for as long as they live.
    pub fn subscribe(&self, sink: Weak<dyn EventSink>) {
        self.sinks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(sink);
    }

    /// Tells everybody.
    pub fn emit(&self, event: &Event) {
        let data = event
            .data
            .as_ref()
            .map(Value::to_string)
            .unwrap_or_default();
        log::debug!(target: "clock", "event {} {data}", event.name);
        let sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        for sink in sinks.iter().filter_map(Weak::upgrade) {
            sink.event(event);
        }
    }
}
