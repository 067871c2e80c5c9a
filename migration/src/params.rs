//! What a user may set about migrations: parameters and capabilities, by QEMU's names.
//!
//! One table each says name, unit, default and range; the monitors' commands read and set by name
//! and have no list of their own. Names, units and ranges are those of QAPI
//! (`MigrationParameters`, `MigrationCapability`) where QEMU has the thing; what begins with `x-`
//! is ours. Of QEMU's parameters only those are here that have an effect.
//!
//! Defaults that differ from QEMU's: `max-bandwidth` is 0, no limit (QEMU: 128 MiB/s), and
//! `auto-converge` is on (QEMU: off): without it a guest that writes faster than the channel
//! carries never gets away, and with it such a guest writes more slowly for some passes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ram::Compression;

/// A parameter's value as monitors pass it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number in the parameter's unit.
    Number(u64),
    /// A text or one of several words.
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.pad(text),
        }
    }
}

/// A name or a value that cannot be. Reads as QEMU says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// There is no parameter of this name.
    #[error("Parameter '{name}' is unexpected")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The value is of another kind or out of range.
    #[error("Parameter '{name}' expects {expects}")]
    Invalid {
        /// The name.
        name: &'static str,
        /// What it should be.
        expects: String,
    },
    /// There is no capability of this name.
    #[error("Parameter 'capability' does not accept value '{name}'")]
    UnknownCapability {
        /// The name.
        name: String,
    },
    /// The capability cannot be switched this way.
    #[error("capability '{name}' cannot be switched {}: {why}", if *.on { "on" } else { "off" })]
    Fixed {
        /// The name.
        name: &'static str,
        /// What was asked for.
        on: bool,
        /// The reason.
        why: &'static str,
    },
}

/// The words of `x-compression`, the default first, and whether each compresses.
const COMPRESSIONS: [(&str, bool); 2] = [("none", false), ("zstd", true)];

/// The parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Bytes a second while the guest runs; 0 for no limit.
    pub max_bandwidth: u64,
    /// Bytes a second to reckon with once the guest is stopped; 0 to measure.
    pub avail_switchover_bandwidth: u64,
    /// How long the guest may stand, in milliseconds.
    pub downtime_limit_ms: u64,
    /// Id of a `tls-creds-x509` object; empty for none.
    pub tls_creds: String,
    /// The name that the peer's certificate must have; empty for the one of the address.
    pub tls_hostname: String,
    /// A channel that moves no byte for this long, in milliseconds, has failed.
    pub stall_timeout_ms: u64,
    /// Whether RAM is compressed, by Zstandard.
    pub compress: bool,
    /// How hard, by Zstandard's levels.
    pub compression_level: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            max_bandwidth: 0,
            avail_switchover_bandwidth: 0,
            downtime_limit_ms: 300,
            tls_creds: String::new(),
            tls_hostname: String::new(),
            stall_timeout_ms: 30_000,
            compress: false,
            compression_level: 1,
        }
    }
}

/// What values a parameter takes.
enum Kind {
    /// A number of this unit, from and to, both inclusive.
    Number {
        unit: &'static str,
        range: (u64, u64),
        field: fn(&mut Parameters) -> &mut u64,
    },
    Text(fn(&mut Parameters) -> &mut String),
    Compression(fn(&mut Parameters) -> &mut bool),
}

struct Definition {
    name: &'static str,
    kind: Kind,
}

const BYTES_PER_SECOND: &str = "bytes/second";
const MS: &str = "ms";

const DEFINITIONS: [Definition; 8] = [
    Definition {
        name: "max-bandwidth",
        kind: Kind::Number {
            unit: BYTES_PER_SECOND,
            range: (0, u64::MAX),
            field: |p| &mut p.max_bandwidth,
        },
    },
    Definition {
        name: "avail-switchover-bandwidth",
        kind: Kind::Number {
            unit: BYTES_PER_SECOND,
            range: (0, u64::MAX),
            field: |p| &mut p.avail_switchover_bandwidth,
        },
    },
    Definition {
        name: "downtime-limit",
        kind: Kind::Number {
            unit: MS,
            range: (0, 2_000_000),
            field: |p| &mut p.downtime_limit_ms,
        },
    },
    Definition {
        name: "tls-creds",
        kind: Kind::Text(|p| &mut p.tls_creds),
    },
    Definition {
        name: "tls-hostname",
        kind: Kind::Text(|p| &mut p.tls_hostname),
    },
    Definition {
        name: "x-stall-timeout",
        kind: Kind::Number {
            unit: MS,
            range: (10, 86_400_000),
            field: |p| &mut p.stall_timeout_ms,
        },
    },
    Definition {
        name: "x-compression",
        kind: Kind::Compression(|p| &mut p.compress),
    },
    Definition {
        name: "x-compression-level",
        kind: Kind::Number {
            unit: "",
            range: (1, 19),
            field: |p| &mut p.compression_level,
        },
    },
];

impl Definition {
    fn find(name: &str) -> Result<&'static Self, ParameterError> {
        DEFINITIONS
            .iter()
            .find(|definition| definition.name == name)
            .ok_or_else(|| ParameterError::Unknown { name: name.into() })
    }

    fn expects(&self) -> String {
        match &self.kind {
            Kind::Number { unit, range, .. } => {
                let (low, high) = range;
                format!("an integer in the range of {low} to {high} {unit}")
                    .trim_end()
                    .to_owned()
            }
            Kind::Text(_) => "a string".to_owned(),
            Kind::Compression(_) => {
                format!("one of {}", COMPRESSIONS.map(|(word, _)| word).join(", "))
            }
        }
    }

    fn invalid(&self) -> ParameterError {
        ParameterError::Invalid {
            name: self.name,
            expects: self.expects(),
        }
    }

    fn set(&self, parameters: &mut Parameters, value: Value) -> Result<(), ParameterError> {
        match (&self.kind, value) {
            (Kind::Number { range, field, .. }, Value::Number(number))
                if (range.0..=range.1).contains(&number) =>
            {
                *field(parameters) = number;
            }
            (Kind::Text(field), Value::Text(text)) => *field(parameters) = text,
            (Kind::Compression(field), Value::Text(text)) => {
                let known = COMPRESSIONS.iter().find(|(word, _)| *word == text);
                *field(parameters) = known.ok_or_else(|| self.invalid())?.1;
            }
            _ => return Err(self.invalid()),
        }
        Ok(())
    }

    fn get(&self, parameters: &Parameters) -> Value {
        let mut copy = parameters.clone();
        match &self.kind {
            Kind::Number { field, .. } => Value::Number(*field(&mut copy)),
            Kind::Text(field) => Value::Text(field(&mut copy).clone()),
            Kind::Compression(field) => {
                let value = *field(&mut copy);
                let known = COMPRESSIONS
                    .iter()
                    .find(|(_, compresses)| *compresses == value);
                Value::Text(known.map_or("", |(word, _)| word).to_owned())
            }
        }
    }
}

impl Parameters {
    /// Name, value and unit (empty without one) of every parameter, in a fixed order.
    pub fn list(&self) -> impl Iterator<Item = (&'static str, Value, &'static str)> + '_ {
        DEFINITIONS.iter().map(|definition| {
            let unit = match &definition.kind {
                Kind::Number { unit, .. } => unit,
                Kind::Text(_) | Kind::Compression(_) => "",
            };
            (definition.name, definition.get(self), unit)
        })
    }

    /// Sets a parameter by name, as QMP does.
    ///
    /// # Errors
    /// [`ParameterError::Unknown`], [`ParameterError::Invalid`]; nothing has changed then.
    pub fn set(&mut self, name: &str, value: Value) -> Result<(), ParameterError> {
        Definition::find(name)?.set(self, value)
    }

    /// Sets a parameter by name from a text, as HMP does: bandwidths are in MiB/s unless they
    /// end in B, K, M, G or T.
    ///
    /// # Errors
    /// As [`Parameters::set`].
    pub fn set_text(&mut self, name: &str, text: &str) -> Result<(), ParameterError> {
        let definition = Definition::find(name)?;
        let value = match &definition.kind {
            Kind::Number { unit, .. } => {
                let number = if *unit == BYTES_PER_SECOND {
                    size(text)
                } else {
                    text.parse().ok()
                };
                Value::Number(number.ok_or_else(|| definition.invalid())?)
            }
            Kind::Text(_) | Kind::Compression(_) => Value::Text(text.to_owned()),
        };
        definition.set(self, value)
    }

    /// How RAM is compressed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        if self.compress {
            // The range of the parameter is that of an i32.
            let level = i32::try_from(self.compression_level).unwrap_or(1);
            Compression::Zstd { level }
        } else {
            Compression::None
        }
    }

    /// The longest that a channel may stand still.
    #[must_use]
    pub fn stall_timeout(&self) -> Duration {
        Duration::from_millis(self.stall_timeout_ms)
    }

    /// The longest that the guest is to stand.
    #[must_use]
    pub fn downtime_limit(&self) -> Duration {
        Duration::from_millis(self.downtime_limit_ms)
    }
}

/// A size as HMP takes it: MiB without a suffix.
fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()?.to_ascii_uppercase() {
        b'B' => (&text[..text.len() - 1], 0),
        b'K' => (&text[..text.len() - 1], 10),
        b'M' => (&text[..text.len() - 1], 20),
        b'G' => (&text[..text.len() - 1], 30),
        b'T' => (&text[..text.len() - 1], 40),
        _ => (text, 20),
    };
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(1 << shift)
}

/// What a capability can be.
#[derive(Clone, Copy)]
enum Switch {
    /// The user decides.
    Settable(fn(&mut Capabilities) -> &mut bool),
    /// Always on, and why.
    On(&'static str),
    /// Known to QEMU's users, never on here: not listed, and why.
    Off,
}

/// The capabilities that a user may switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// A guest that writes too fast for the channel is slowed down where it writes.
    pub auto_converge: bool,
    /// Monitors tell every change of status and every pass by an event.
    pub events: bool,
    /// The source waits for `migrate-continue` between stopping the guest and moving it.
    pub pause_before_switchover: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            auto_converge: true,
            events: false,
            pause_before_switchover: false,
        }
    }
}

const NOT_HERE: &str = "this program does not have it";

const CAPABILITIES: &[(&str, Switch)] = &[
    ("auto-converge", Switch::Settable(|c| &mut c.auto_converge)),
    ("events", Switch::Settable(|c| &mut c.events)),
    (
        "pause-before-switchover",
        Switch::Settable(|c| &mut c.pause_before_switchover),
    ),
    (
        "return-path",
        Switch::On("the destination's word is always waited for where the channel has a way back"),
    ),
    ("background-snapshot", Switch::Off),
    ("colo", Switch::Off),
    ("dirty-bitmaps", Switch::Off),
    ("dirty-limit", Switch::Off),
    ("late-block-activate", Switch::Off),
    ("mapped-ram", Switch::Off),
    ("multifd", Switch::Off),
    ("postcopy-blocktime", Switch::Off),
    ("postcopy-preempt", Switch::Off),
    ("postcopy-ram", Switch::Off),
    ("rdma-pin-all", Switch::Off),
    ("release-ram", Switch::Off),
    ("switchover-ack", Switch::Off),
    ("validate-uuid", Switch::Off),
    ("x-colo", Switch::Off),
    ("x-ignore-shared", Switch::Off),
    ("xbzrle", Switch::Off),
    ("zero-blocks", Switch::Off),
    ("zero-copy-send", Switch::Off),
];

impl Capabilities {
    /// Name and state of every capability that this program has, in a fixed order.
    pub fn list(&self) -> impl Iterator<Item = (&'static str, bool)> + '_ {
        CAPABILITIES
            .iter()
            .filter_map(|(name, switch)| match switch {
                Switch::Settable(field) => Some((*name, *field(&mut self.clone()))),
                Switch::On(_) => Some((*name, true)),
                Switch::Off => None,
            })
    }

    /// Switches a capability by name. Switching off what QEMU has and this program has not
    /// changes nothing.
    ///
    /// # Errors
    /// [`ParameterError::UnknownCapability`], [`ParameterError::Fixed`].
    pub fn set(&mut self, name: &str, on: bool) -> Result<(), ParameterError> {
        let known = CAPABILITIES.iter().find(|(known, _)| *known == name);
        match known {
            Some((_, Switch::Settable(field))) => *field(self) = on,
            Some((_, Switch::On(_))) if on => {}
            Some((_, Switch::Off)) if !on => {}
            Some((name, Switch::On(why))) => return Err(ParameterError::Fixed { name, on, why }),
            Some((name, Switch::Off)) => {
                let why = NOT_HERE;
                return Err(ParameterError::Fixed { name, on, why });
            }
            None => return Err(ParameterError::UnknownCapability { name: name.into() }),
        }
        Ok(())
    }
}

/// Parameters and capabilities, shared by monitors and a migration that is under way.
///
/// Bandwidth, downtime limit and stall time-out may change while a migration is active; the rest
/// counts as it was when the migration began.
#[derive(Debug, Default)]
pub struct Settings {
    inner: Mutex<(Parameters, Capabilities)>,
}

impl Settings {
    fn lock(&self) -> MutexGuard<'_, (Parameters, Capabilities)> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The parameters as they are now.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.lock().0.clone()
    }

    /// The parameter `max-bandwidth`.
    pub(crate) fn max_bandwidth(&self) -> u64 {
        self.lock().0.max_bandwidth
    }

    /// The capabilities as they are now.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.lock().1
    }

    /// Changes parameters, all or none.
    ///
    /// # Errors
    /// What `change` returns; nothing has changed then.
    pub fn change_parameters<E>(
        &self,
        change: impl FnOnce(&mut Parameters) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut inner = self.lock();
        let mut copy = inner.0.clone();
        change(&mut copy)?;
        inner.0 = copy;
        Ok(())
    }

    /// Switches capabilities, all or none.
    ///
    /// # Errors
    /// What `change` returns; nothing has changed then.
    pub fn change_capabilities<E>(
        &self,
        change: impl FnOnce(&mut Capabilities) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut inner = self.lock();
        let mut copy = inner.1;
        change(&mut copy)?;
        inner.1 = copy;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_takes_back_what_it_lists_and_nothing_of_another_kind() {
        let mut parameters = Parameters::default();
        let listed: Vec<_> = parameters.list().collect();
        for (name, value, _) in listed {
            parameters.set(name, value.clone()).unwrap();
            let other = match value {
                Value::Number(_) => Value::Text("x".into()),
                Value::Text(_) => Value::Number(1),
            };
            assert!(matches!(
                parameters.set(name, other),
                Err(ParameterError::Invalid { .. })
            ));
        }
        assert_eq!(parameters, Parameters::default());
    }

    #[test]
    fn a_range_is_kept_and_named() {
        let mut parameters = Parameters::default();
        let error = parameters
            .set("downtime-limit", Value::Number(2_000_001))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "Parameter 'downtime-limit' expects an integer in the range of 0 to 2000000 ms"
        );
        assert_eq!(
            parameters
                .set_text("x-compression", "gzip")
                .unwrap_err()
                .to_string(),
            "Parameter 'x-compression' expects one of none, zstd"
        );
        assert_eq!(
            parameters
                .set("speed", Value::Number(1))
                .unwrap_err()
                .to_string(),
            "Parameter 'speed' is unexpected"
        );
    }

    #[test]
    fn hmp_takes_bandwidth_in_mebibytes() {
        let mut parameters = Parameters::default();
        for (text, bytes) in [
            ("32", 32 << 20),
            ("5B", 5),
            ("3k", 3 << 10),
            ("2G", 2 << 30),
        ] {
            parameters.set_text("max-bandwidth", text).unwrap();
            assert_eq!(parameters.max_bandwidth, bytes);
        }
        for text in ["", "G", "-1", "99999999999999T", "ü"] {
            assert!(parameters.set_text("max-bandwidth", text).is_err());
        }
        parameters.set_text("downtime-limit", "7").unwrap();
        assert_eq!(parameters.downtime_limit(), Duration::from_millis(7));
    }

    #[test]
    fn capabilities_that_are_not_here_can_only_be_off() {
        let mut capabilities = Capabilities::default();
        capabilities.set("postcopy-ram", false).unwrap();
        assert!(capabilities.set("postcopy-ram", true).is_err());
        assert!(capabilities.set("return-path", false).is_err());
        capabilities.set("return-path", true).unwrap();
        assert!(capabilities.set("nonsense", false).is_err());
        capabilities.set("auto-converge", false).unwrap();
        assert!(
            capabilities
                .list()
                .any(|one| one == ("auto-converge", false))
        );
    }

    #[test]
    fn a_failed_change_changes_nothing() {
        let settings = Settings::default();
        let result = settings.change_parameters(|parameters| {
            parameters.set("max-bandwidth", Value::Number(7))?;
            parameters.set("downtime-limit", Value::Number(u64::MAX))
        });
        assert!(result.is_err());
        assert_eq!(settings.parameters(), Parameters::default());
    }
}
