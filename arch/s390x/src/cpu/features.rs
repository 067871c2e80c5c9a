//! The table of features: QEMU's names for facilities, and which of them are here.
//!
//! Names and numbers are facts of QEMU 7.2 (target/s390x/cpu_features_def.h.inc), so that `-cpu`
//! lines written for it mean the same here. **Whoever implements a facility changes its row, and
//! nothing else announces it**: STFLE, SCLP, the decoder and everything that behaves differently
//! ask [`Facilities::has`]. Not here: models' names and the parsing of `-cpu` ([`super::model`]).

use super::facility::{
    ESOP, EXTENSIONS_3, Facilities, NO_NUMBER, ONLY_ZARCH, PLO, PTFF, TOPOLOGY, VECTOR,
    VECTOR_ENHANCEMENTS_1, VECTOR_ENHANCEMENTS_2, ZARCH_ACTIVE,
};
use super::model::Model;

/// Which models of this machine have a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// None: it is not implemented.
    Absent,
    /// All, for the zEC12 has it.
    Old,
    /// All but `zEC12`, which is older.
    New,
    /// `max`, and any that asks for it by its name.
    OnRequest,
}

/// A feature by the name that `-cpu` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// QEMU's name.
    pub name: &'static str,
    /// The facility.
    pub number: u16,
    /// Who has it.
    pub availability: Availability,
}

const fn absent(name: &'static str, number: u16) -> Feature {
    Feature {
        name,
        number,
        availability: Availability::Absent,
    }
}

const fn old(name: &'static str, number: u16) -> Feature {
    Feature {
        name,
        number,
        availability: Availability::Old,
    }
}

const fn on_request(name: &'static str, number: u16) -> Feature {
    Feature {
        name,
        number,
        availability: Availability::OnRequest,
    }
}

const fn new(name: &'static str, number: u16) -> Feature {
    Feature {
        name,
        number,
        availability: Availability::New,
    }
}

/// All features.
pub static FEATURES: &[Feature] = &[
    old("esan3", 0),
    old("zarch", 1),
    old("dateh", 3),
    old("idtes", 4),
    absent("idter", 5),
    absent("asnlxr", 6),
    old("stfle", 7),
    old("edat", 8),
    old("srs", 9),
    old("csske", 10),
    on_request("ctop", TOPOLOGY),
    absent("apqci", 12),
    absent("ipter", 13),
    old("nonqks", 14),
    absent("apft", 15),
    old("etf2", 16),
    absent("msa-base", 17),
    old("ldisp", 18),
    old("ldisphp", 19),
    absent("hfpm", 20),
    old("eimm", 21),
    old("etf3", 22),
    absent("hfpue", 23),
    old("etf2eh", 24),
    old("stckf", 25),
    old("parseh", 26),
    old("mvcos", 27),
    old("tods-base", 28),
    old("etf3eh", 30),
    old("ectg", 31),
    old("csst", 32),
    old("csst2", 33),
    old("ginste", 34),
    old("exrl", 35),
    absent("emon", 36),
    absent("fpe", 37),
    absent("opc", 38),
    old("sprogp", 40),
    old("fpseh", 41),
    absent("dfp", 42),
    absent("dfphp", 43),
    absent("pfpo", 44),
    old("stfle45", 45),
    absent("cmpsceh", 47),
    absent("dfpzc", 48),
    old("stfle49", 49),
    absent("cte", 50),
    old("ltlbc", 51),
    old("iacc2", 52),
    new("stfle53", 53),
    absent("eec", 54),
    absent("msa5-base", 57),
    new("minste2", 58),
    absent("sema", 59),
    absent("tsi", 60),
    new("minste3", EXTENSIONS_3),
    absent("ri", 64),
    absent("apqi", 65),
    absent("zpci", 69),
    absent("aen", 71),
    absent("ais", 72),
    absent("te", 73),
    absent("sthyi", 74),
    old("aefsi", 75),
    absent("msa3-base", 76),
    absent("msa4-base", 77),
    old("edat2", 78),
    absent("dfppc", 80),
    absent("ppa15", 81),
    absent("bpb", 82),
    new("vx", VECTOR),
    new("iep", 130),
    old("sea_esop2", 131),
    absent("gs", 133),
    absent("vxpd", 134),
    new("vxeh", VECTOR_ENHANCEMENTS_1),
    new("mepoch", 139),
    absent("els", 140),
    absent("tpei", 144),
    absent("irbm", 145),
    absent("msa8-base", 146),
    absent("cmmnt", 147),
    new("vxeh2", VECTOR_ENHANCEMENTS_2),
    absent("esort-base", 150),
    absent("deflate-base", 151),
    absent("vxpdeh", 152),
    absent("msa9-base", 155),
    absent("etoken", 156),
    absent("unpack", 161),
    absent("nnpa", 165),
    absent("vxpdeh2", 192),
    absent("beareh", 193),
    absent("rdp", 194),
    absent("pai", 196),
    absent("paie", 197),
    absent("gsls", NO_NUMBER),
    old("esop", ESOP),
    absent("hpma2", NO_NUMBER),
    absent("kss", NO_NUMBER),
    absent("64bscao", NO_NUMBER),
    absent("cmma", NO_NUMBER),
    absent("pfmfi", NO_NUMBER),
    absent("ibs", NO_NUMBER),
    absent("diag318", NO_NUMBER),
    absent("sief2", NO_NUMBER),
    absent("skey", NO_NUMBER),
    absent("gpereh", NO_NUMBER),
    absent("siif", NO_NUMBER),
    absent("sigpif", NO_NUMBER),
    absent("ib", NO_NUMBER),
    absent("cei", NO_NUMBER),
    absent("dateh2", NO_NUMBER),
    absent("cmm", NO_NUMBER),
    absent("ap", NO_NUMBER),
    old("plo-cl", PLO),
    old("plo-clg", PLO + 1),
    old("plo-clgr", PLO + 2),
    old("plo-clx", PLO + 3),
    old("plo-cs", PLO + 4),
    old("plo-csg", PLO + 5),
    old("plo-csgr", PLO + 6),
    old("plo-csx", PLO + 7),
    old("plo-dcs", PLO + 8),
    old("plo-dcsg", PLO + 9),
    old("plo-dcsgr", PLO + 10),
    old("plo-dcsx", PLO + 11),
    old("plo-csst", PLO + 12),
    old("plo-csstg", PLO + 13),
    old("plo-csstgr", PLO + 14),
    old("plo-csstx", PLO + 15),
    old("plo-csdst", PLO + 16),
    old("plo-csdstg", PLO + 17),
    old("plo-csdstgr", PLO + 18),
    old("plo-csdstx", PLO + 19),
    old("plo-cstst", PLO + 20),
    old("plo-cststg", PLO + 21),
    old("plo-cststgr", PLO + 22),
    old("plo-cststx", PLO + 23),
    old("ptff-qto", PTFF + 1),
    old("ptff-qsi", PTFF + 2),
    old("ptff-qpc", PTFF + 3),
    new("ptff-qui", PTFF + 4),
    absent("ptff-qtou", PTFF + 5),
    absent("ptff-qsie", PTFF + 10),
    absent("ptff-qtoue", PTFF + 13),
    absent("ptff-sto", PTFF + 65),
    absent("ptff-stou", PTFF + 69),
    absent("ptff-stoe", PTFF + 73),
    absent("ptff-stoue", PTFF + 77),
];

/// A name for several features at once.
pub struct Group {
    /// QEMU's name.
    pub name: &'static str,
    /// What its features' names are or begin with.
    members: &'static [&'static str],
}

/// The groups (QEMU's `cpu_features.c` and `gen-features.c`) of which something is here.
pub static GROUPS: &[Group] = &[
    Group {
        name: "plo",
        members: &["plo-"],
    },
    Group {
        name: "tods",
        members: &["tods-base", "ptff-qto", "ptff-qsi", "ptff-qpc", "ptff-sto"],
    },
    Group {
        name: "gen13ptff",
        members: &["ptff-qui", "ptff-qtou", "ptff-stou"],
    },
    Group {
        name: "mepochptff",
        members: &["ptff-qsie", "ptff-qtoue", "ptff-stoe", "ptff-stoue"],
    },
];

/// What the names of features and groups begin with that no CPU here has: functions of
/// cryptography, sorting and compression.
const OTHERS: &[&str] = &[
    "kmac-", "kmc-", "km-", "kimd-", "klmd-", "pckmo-", "kmctr-", "kmf-", "kmo-", "pcc-", "ppno-",
    "prno-", "kma-", "kdsa-", "sortl-", "dfltcc-", "msa", "esort", "deflate",
];

impl Group {
    /// Its features.
    pub fn features(&self) -> impl Iterator<Item = &'static Feature> {
        FEATURES.iter().filter(|feature| {
            self.members.iter().any(|member| {
                feature.name == *member || member.ends_with('-') && feature.name.starts_with(member)
            })
        })
    }
}

/// What a feature may need of others: without the second, the first makes no sense (QEMU's
/// `check_consistency`, and kvm-unit-tests' cpumodel).
const NEEDS: &[(&str, &str)] = &[
    ("ipter", "dateh"),
    ("idtes", "dateh"),
    ("idter", "idtes"),
    ("ltlbc", "dateh"),
    ("ldisphp", "ldisp"),
    ("etf2eh", "etf2"),
    ("etf3eh", "etf3"),
    ("edat2", "edat"),
    ("mepoch", "tods-base"),
    ("mepoch", "stckf"),
    ("iep", "sea_esop2"),
    ("sea_esop2", "esop"),
    ("rdp", "ltlbc"),
    ("vxeh", "vx"),
    ("vxeh2", "vx"),
    ("ptff-qsie", "mepoch"),
    ("ptff-qtoue", "mepoch"),
    ("ptff-stoe", "mepoch"),
    ("ptff-stoue", "mepoch"),
];

/// The feature of that name.
pub fn find(name: &str) -> Option<&'static Feature> {
    FEATURES.iter().find(|feature| feature.name == name)
}

/// The features that can be had.
pub fn here() -> impl Iterator<Item = &'static Feature> {
    FEATURES
        .iter()
        .filter(|feature| feature.availability != Availability::Absent)
}

/// The group of that name.
pub fn find_group(name: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.name == name)
}

/// Whether QEMU knows a feature or group of that name of which nothing is here and nothing is in
/// the table.
pub fn is_elsewhere(name: &str) -> bool {
    OTHERS.iter().any(|prefix| name.starts_with(prefix))
}

/// The name of a facility, or its number.
pub fn name(number: u16) -> String {
    if number == ONLY_ZARCH {
        return "czam (138)".into();
    }
    let found = FEATURES.iter().find(|feature| feature.number == number);
    found.map_or_else(|| number.to_string(), |feature| feature.name.to_owned())
}

/// What a model has. Two facilities have no names: they come with `zarch`.
pub fn of(model: Model) -> Facilities {
    let mut facilities = Facilities::new(&[ZARCH_ACTIVE, ONLY_ZARCH]);
    for feature in FEATURES {
        let installed = match feature.availability {
            Availability::Absent => false,
            Availability::Old => true,
            Availability::New => model != Model::Ec12,
            Availability::OnRequest => model == Model::Max,
        };
        facilities.set(feature.number, installed);
    }
    facilities
}

/// Pairs of features of which the first is installed though the second, which it needs, is not.
pub fn inconsistencies(
    facilities: &Facilities,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let has = |name| find(name).is_some_and(|feature| facilities.has(feature.number));
    NEEDS
        .iter()
        .filter(move |(one, other)| has(one) && !has(other))
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_unique_and_groups_and_needs_exist() {
        for (index, feature) in FEATURES.iter().enumerate() {
            for other in &FEATURES[index + 1..] {
                assert_ne!(feature.name, other.name);
                assert!(
                    feature.number != other.number || feature.number == NO_NUMBER,
                    "{} and {}",
                    feature.name,
                    other.name
                );
            }
            assert!(find_group(feature.name).is_none());
        }
        for group in GROUPS {
            assert!(group.features().count() >= group.members.len());
        }
        for (one, other) in NEEDS {
            assert!(find(one).is_some() && find(other).is_some());
        }
    }

    #[test]
    fn every_model_is_consistent() {
        for model in Model::ALL {
            assert_eq!(inconsistencies(&of(*model)).collect::<Vec<_>>(), []);
        }
        let mut facilities = of(Model::Max);
        facilities.set(ESOP, false);
        assert!(inconsistencies(&facilities).any(|pair| pair == ("sea_esop2", "esop")));
    }

    #[test]
    fn what_has_no_number_is_absent() {
        for feature in FEATURES {
            if feature.number == NO_NUMBER {
                assert_eq!(feature.availability, Availability::Absent);
            }
        }
    }
}
