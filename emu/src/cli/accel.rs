//! `-accel` and `-machine ...,accel=`: how guest code is executed.
//!
//! Several are a list of choices, as in QEMU: the first that is there for the machine counts.
//! One alone is taken as it is, so that the machine can say why it cannot be had.

use machine::{Accel, Engine, MachineType, Tcg};

use super::{CliError, KeyVals};

/// The most that `tb-size` takes.
const CACHE_MIB_MAX: u32 = 1024;

/// What was asked for, in order.
#[derive(Default)]
pub(super) struct Accels {
    /// By `-accel`.
    options: Vec<Accel>,
    /// By the last `-machine ...,accel=`, with its argument.
    property: Option<(Vec<Accel>, String)>,
}

impl Accels {
    /// `-accel VALUE`.
    pub(super) fn take_option(&mut self, typed: &str, value: &str) -> Result<(), CliError> {
        self.options.extend(parse(typed, value)?);
        Ok(())
    }

    /// `-machine ...,accel=VALUE`.
    pub(super) fn take_property(&mut self, typed: &str, value: &str) -> Result<(), CliError> {
        let argument = format!("accel={value}");
        let accels = parse(typed, &argument)?;
        self.property = Some((accels, format!("{typed} {argument}")));
        Ok(())
    }

    /// The one for a machine.
    ///
    /// # Errors
    /// Both options were used.
    pub(super) fn choose(&self, kind: &dyn MachineType) -> Result<Accel, CliError> {
        let choices = match (&self.options, &self.property) {
            (options, None) => options,
            (options, Some((property, _))) if options.is_empty() => property,
            (_, Some((_, argument))) => {
                return Err(CliError::new(
                    argument,
                    "there is an -accel too, expected one of both",
                ));
            }
        };
        Ok(match choices.as_slice() {
            [] => kind.default_accel(),
            [one] => *one,
            [first, ..] => {
                let mut offered = choices.iter().filter(|accel| kind.offers(**accel));
                *offered.next().unwrap_or(first)
            }
        })
    }
}

/// One option's value: names with colons between, those that nobody knows left out.
fn parse(option: &str, value: &str) -> Result<Vec<Accel>, CliError> {
    let mut kv = KeyVals::parse(option, value, Some("accel"))?;
    let names = kv.require("accel", "an accelerator")?;
    let engine = kv.choice(
        "engine",
        &[
            ("default", Engine::Default),
            ("interp", Engine::Interp),
            ("native", Engine::Native),
            ("reference", Engine::Reference),
        ],
    )?;
    let cache_mib = match kv.take("tb-size")? {
        None => None,
        Some(text) => match text.parse::<u32>() {
            Ok(mib @ 1..=CACHE_MIB_MAX) => Some(mib),
            _ => {
                return Err(kv.error(format!(
                    "parameter 'tb-size' does not accept value '{text}', expected 1 to \
                     {CACHE_MIB_MAX} (MiB of translated code)"
                )));
            }
        },
    };
    let known = names.split(':').filter_map(|name| match name {
        "tcg" => Some(Accel::Tcg(Tcg {
            engine: engine.unwrap_or_default(),
            cache_mib,
        })),
        "kvm" => Some(Accel::Kvm),
        "qtest" => Some(Accel::Qtest),
        _ => None,
    });
    let known: Vec<Accel> = known.collect();
    if known.is_empty() {
        return Err(kv.error(format!(
            "no accelerator '{names}', expected tcg, kvm or qtest"
        )));
    }
    let translates = known.iter().any(|accel| matches!(accel, Accel::Tcg(_)));
    if cache_mib.is_some() && !translates {
        return Err(kv.error("parameter 'tb-size' is for tcg only"));
    }
    if engine.is_some() && !translates {
        return Err(kv.error("parameter 'engine' is for tcg only"));
    }
    kv.finish()?;
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accelerators() {
        let accel = |text: &str| {
            parse("-accel", text)
                .map_err(|e| e.to_string())
                .map(|list| {
                    assert_eq!(list.len(), 1);
                    list[0]
                })
        };
        assert_eq!(accel("tcg"), Ok(Accel::Tcg(Tcg::default())));
        assert_eq!(
            accel("tcg,engine=interp"),
            Ok(Accel::Tcg(Engine::Interp.into()))
        );
        assert_eq!(
            accel("tcg,tb-size=16"),
            Ok(Accel::Tcg(Tcg {
                engine: Engine::Default,
                cache_mib: Some(16)
            }))
        );
        assert_eq!(
            accel("tcg,tb-size=0"),
            Err(
                "-accel tcg,tb-size=0: parameter 'tb-size' does not accept value '0', expected 1 \
                 to 1024 (MiB of translated code)"
                    .into()
            )
        );
        assert_eq!(accel("hvf:tcg"), Ok(Accel::Tcg(Tcg::default())));
        assert_eq!(accel("kvm"), Ok(Accel::Kvm));
        assert_eq!(accel("qtest"), Ok(Accel::Qtest));
        assert_eq!(
            accel("hvf"),
            Err("-accel hvf: no accelerator 'hvf', expected tcg, kvm or qtest".into())
        );
        assert_eq!(
            accel("tcg,engine=warp"),
            Err(
                "-accel tcg,engine=warp: parameter 'engine' does not accept value 'warp', \
                 expected one of: default, interp, native, reference"
                    .into()
            )
        );
        assert_eq!(
            accel("kvm,engine=native"),
            Err("-accel kvm,engine=native: parameter 'engine' is for tcg only".into())
        );
    }
}
