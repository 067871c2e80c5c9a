//! `-cpu MODEL[,FEATURE=on|off...]`: the models of this machine, and what is asked of them.
//!
//! Not here: the features themselves ([`super::features`]).

use super::facility::Facilities;
use super::features::{self, Availability, Feature};

/// A model of CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Everything that is implemented, without what is for those who ask for it.
    Qemu,
    /// Everything that is implemented.
    Max,
    /// What of that IBM's zEnterprise EC12 has.
    Ec12,
}

/// What is wrong with a `-cpu`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// There is no such model.
    #[error("there is no CPU model '{0}', expected one of {names}", names = Model::names().join(", "))]
    Model(String),
    /// A feature is given neither on nor off.
    #[error("'{0}' is neither FEATURE=on nor FEATURE=off")]
    Syntax(String),
    /// Nobody knows the feature.
    #[error("there is no CPU feature '{0}' (-cpu help lists them)")]
    Unknown(String),
    /// The feature cannot be turned on.
    #[error("the CPU feature '{0}' is not implemented")]
    Absent(String),
    /// The feature cannot be turned off.
    #[error("the CPU feature '{0}' cannot be turned off: these CPUs know no other architecture")]
    Needed(String),
}

impl Model {
    /// All of them, the default one first.
    pub const ALL: &'static [Self] = &[Self::Qemu, Self::Max, Self::Ec12];
    /// Without `-cpu`.
    pub const DEFAULT: Self = Self::Qemu;

    /// The name that `-cpu` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::Max => "max",
            Self::Ec12 => "zEC12",
        }
    }

    /// One line on what it has.
    pub fn description(self) -> &'static str {
        match self {
            Self::Qemu => "the features marked below",
            Self::Max => "all features below",
            Self::Ec12 => "those of an IBM zEnterprise EC12",
        }
    }

    /// The names of all, the default one first.
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|model| model.name()).collect()
    }

    /// The model of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|model| model.name() == name)
    }
}

/// What a CPU of a given `-cpu` has, and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The model.
    pub model: Model,
    /// Its facilities.
    pub facilities: Facilities,
    /// Sentences on features whose prerequisites are off.
    pub warnings: Vec<String>,
}

/// Features without which there would be no CPU.
const NEEDED: &[&str] = &["zarch", "esan3"];

/// The CPU that `-cpu` asks for; without one, the default model. Features are `NAME=on|off` (also
/// `yes`, `no`, `true`, `false`), `+NAME` or `-NAME`, and are taken in order.
///
/// # Errors
/// Any [`ModelError`].
pub fn choose(cpu: Option<&str>) -> Result<Chosen, ModelError> {
    let mut words = cpu.unwrap_or(Model::DEFAULT.name()).split(',');
    let name = words.next().unwrap_or_default();
    let model = Model::find(name).ok_or_else(|| ModelError::Model(name.into()))?;
    let mut facilities = features::of(model);
    for word in words {
        let (name, on) = switch(word).ok_or_else(|| ModelError::Syntax(word.into()))?;
        apply(&mut facilities, name, on)?;
    }
    let warnings = features::inconsistencies(&facilities)
        .map(|(one, other)| format!("the CPU feature '{one}' requires '{other}', which is off"))
        .collect();
    Ok(Chosen {
        model,
        facilities,
        warnings,
    })
}

/// A feature's name and whether it is to be on.
fn switch(word: &str) -> Option<(&str, bool)> {
    if let Some(name) = word.strip_prefix('+') {
        return Some((name, true));
    }
    if let Some(name) = word.strip_prefix('-') {
        return Some((name, false));
    }
    match word.split_once('=')? {
        (name, "on" | "yes" | "true" | "y") => Some((name, true)),
        (name, "off" | "no" | "false" | "n") => Some((name, false)),
        _ => None,
    }
}

fn apply(facilities: &mut Facilities, name: &str, on: bool) -> Result<(), ModelError> {
    let members: Vec<&Feature> = match (features::find(name), features::find_group(name)) {
        (Some(feature), _) => vec![feature],
        (None, Some(group)) => group.features().collect(),
        (None, None) if !features::is_elsewhere(name) => {
            return Err(ModelError::Unknown(name.into()));
        }
        (None, None) if on => return Err(ModelError::Absent(name.into())),
        (None, None) => return Ok(()),
    };
    for feature in members {
        if on && feature.availability == Availability::Absent {
            return Err(ModelError::Absent(feature.name.into()));
        }
        if !on && NEEDED.contains(&feature.name) {
            return Err(ModelError::Needed(name.into()));
        }
        facilities.set(feature.number, on);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::facility::{ESOP, PLO};

    fn chosen(cpu: &str) -> Facilities {
        choose(Some(cpu)).unwrap().facilities
    }

    #[test]
    fn what_is_turned_off_is_gone() {
        assert!(chosen("qemu").has(7) && !chosen("qemu,stfle=off").has(7));
        assert!(!chosen("qemu,-mvcos").has(27));
        assert!(chosen("qemu,mvcos=off,+mvcos").has(27));
        assert!(chosen("zEC12").has(ESOP) && !chosen("zEC12,sea_esop2=off,esop=no").has(ESOP));
        let without = chosen("max,plo=off");
        assert!((0..24).all(|code| !without.has(PLO + code)));
        assert_eq!(choose(None), choose(Some("qemu")));
    }

    #[test]
    fn what_is_not_there_may_be_turned_off_in_silence() {
        let all = choose(Some(
            "qemu,te=off,gs=off,msa5=off,kimd-sha-512=off,zpci=off",
        ))
        .unwrap();
        assert_eq!((all.facilities, all.warnings), (chosen("qemu"), vec![]));
    }

    #[test]
    fn what_cannot_be_is_said_in_a_sentence() {
        let refused = |cpu| choose(Some(cpu)).unwrap_err().to_string();
        assert_eq!(
            refused("z17"),
            "there is no CPU model 'z17', expected one of qemu, max, zEC12"
        );
        assert_eq!(
            refused("qemu,te=on"),
            "the CPU feature 'te' is not implemented"
        );
        assert_eq!(
            refused("qemu,te"),
            "'te' is neither FEATURE=on nor FEATURE=off"
        );
        assert!(refused("qemu,zarch=off").ends_with("know no other architecture"));
        assert!(refused("qemu,nonsense=off").starts_with("there is no CPU feature 'nonsense'"));
        assert!(refused("qemu,msa5=on").ends_with("not implemented"));
    }

    #[test]
    fn a_missing_prerequisite_is_a_warning() {
        assert_eq!(
            choose(Some("qemu,ldisp=off")).unwrap().warnings,
            ["the CPU feature 'ldisphp' requires 'ldisp', which is off"]
        );
    }
}
