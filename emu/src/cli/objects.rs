//! `-object` and `-global`: TLS credentials, and what migration starts with.

use machine::LostTicks;
use migration::params::{Capabilities, ParameterError, Parameters};
use migration::transport::tls::Endpoint;

use super::{CliError, KeyVals};
use crate::migrate::TlsCredsX509;

/// `-object VALUE`.
///
/// # Errors
/// Any mistake in it.
pub(super) fn parse(option: &str, value: &str) -> Result<TlsCredsX509, CliError> {
    let mut kv = KeyVals::parse(option, value, Some("qom-type"))?;
    let kind = kv.require("qom-type", "a kind of object")?;
    if kind != "tls-creds-x509" {
        return Err(kv.error(format!(
            "'{kind}' is not a kind of object here, expected tls-creds-x509"
        )));
    }
    let spec = TlsCredsX509 {
        id: kv.require("id", "the object's id")?,
        dir: kv.require("dir", "a folder")?.into(),
        endpoint: kv
            .choice(
                "endpoint",
                &[("client", Endpoint::Client), ("server", Endpoint::Server)],
            )?
            .unwrap_or(Endpoint::Client),
        verify_peer: kv.switch("verify-peer")?.unwrap_or(true),
    };
    // Ciphers are TLS 1.3's own, whatever a priority string for another library says.
    kv.take("priority")?;
    kv.finish()?;
    Ok(spec)
}

/// `-global kvm-pit.lost_tick_policy=VALUE`; none for anything else.
///
/// # Errors
/// Another value.
pub(super) fn take_lost_tick_policy(
    option: &str,
    value: &str,
) -> Result<Option<LostTicks>, CliError> {
    match value.strip_prefix("kvm-pit.lost_tick_policy=") {
        None => Ok(None),
        Some("delay") => Ok(Some(LostTicks::Delay)),
        Some("discard") => Ok(Some(LostTicks::Discard)),
        Some(_) => Err(CliError::new(
            format!("{option} {value}"),
            "expected delay or discard",
        )),
    }
}

/// `-global VALUE`: `migration.NAME=VALUE`, for capabilities also with QEMU's `x-` before the
/// name.
///
/// # Errors
/// Any mistake in it.
pub(super) fn set_global(
    option: &str,
    value: &str,
    parameters: &mut Parameters,
    capabilities: &mut Capabilities,
) -> Result<(), CliError> {
    let fail = |problem: &str| CliError::new(format!("{option} {value}"), problem);
    let (name, setting) = value
        .strip_prefix("migration.")
        .and_then(|rest| rest.split_once('='))
        .ok_or_else(|| fail("expected migration.NAME=VALUE: nothing else has properties here"))?;
    match parameters.set_text(name, setting) {
        Ok(()) => return Ok(()),
        Err(ParameterError::Unknown { .. }) => {}
        Err(e) => return Err(fail(&e.to_string())),
    }
    let on = match setting {
        "on" | "yes" | "true" => true,
        "off" | "no" | "false" => false,
        _ => return Err(fail("expected on or off for a capability")),
    };
    let set = |name: &str, capabilities: &mut Capabilities| capabilities.set(name, on);
    match (set(name, capabilities), name.strip_prefix("x-")) {
        (Err(ParameterError::UnknownCapability { .. }), Some(plain)) => set(plain, capabilities),
        (result, _) => result,
    }
    .map_err(|e| match e {
        ParameterError::UnknownCapability { name } => fail(&format!(
            "there is no migration parameter or capability '{name}'"
        )),
        other => fail(&other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn global(value: &str) -> Result<(Parameters, Capabilities), String> {
        let (mut parameters, mut capabilities) = Default::default();
        set_global("-global", value, &mut parameters, &mut capabilities)
            .map(|()| (parameters, capabilities))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn globals_are_parameters_and_capabilities() {
        assert_eq!(
            global("migration.downtime-limit=7")
                .unwrap()
                .0
                .downtime_limit_ms,
            7
        );
        assert!(global("migration.events=on").unwrap().1.events);
        assert!(global("migration.x-events=on").unwrap().1.events);
        assert!(
            !global("migration.auto-converge=off")
                .unwrap()
                .1
                .auto_converge
        );
        for (value, problem) in [
            (
                "virtio-net.x=1",
                "expected migration.NAME=VALUE: nothing else has properties here",
            ),
            (
                "migration.nonsense=on",
                "there is no migration parameter or capability 'nonsense'",
            ),
            ("migration.events=7", "expected on or off for a capability"),
        ] {
            assert_eq!(global(value), Err(format!("-global {value}: {problem}")));
        }
    }

    #[test]
    fn the_interval_timers_ticks_are_given_back_or_lost() {
        let policy =
            |value| take_lost_tick_policy("-global", value).map_err(|error| error.to_string());
        assert_eq!(policy("migration.events=on"), Ok(None));
        assert_eq!(
            policy("kvm-pit.lost_tick_policy=discard"),
            Ok(Some(LostTicks::Discard))
        );
        assert_eq!(
            policy("kvm-pit.lost_tick_policy=slew"),
            Err("-global kvm-pit.lost_tick_policy=slew: expected delay or discard".into())
        );
    }

    #[test]
    fn credentials_name_their_folder() {
        let spec = parse(
            "-object",
            "tls-creds-x509,id=t,dir=/d,,e,endpoint=server,verify-peer=off,priority=NORMAL",
        )
        .unwrap();
        assert_eq!(spec.dir.to_str(), Some("/d,e"));
        assert_eq!((spec.endpoint, spec.verify_peer), (Endpoint::Server, false));
        assert!(parse("-object", "secret,id=s").is_err());
        assert!(parse("-object", "tls-creds-x509,id=t").is_err());
    }
}
