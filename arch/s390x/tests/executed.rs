//! Every instruction that real guests execute decodes under its name, or is one that this machine
//! does not have and then raises an operation exception.

use s390x::cpu::facility::Facilities;
use s390x::insn::{BASE, decode};

const EXECUTED: &str = include_str!("data/executed.csv");

/// Facilities whose instructions this machine does not have: cryptography, AP, CLP and its like,
/// adapter interruptions.
const ABSENT: [u16; 7] = [12, 17, 57, 69, 72, 76, 77];
/// Facilities that are not announced, because they imply others, though their instructions work:
/// the floating-point extension implies decimal floating point.
const SILENT: u16 = 37;

fn image(digits: &str) -> u64 {
    let bits = u64::from_str_radix(digits, 16).expect("hexadecimal digits");
    bits << (48 - 4 * digits.len())
}

#[test]
fn what_guests_execute_is_known() {
    let installed = Facilities::default();
    let mut wrong = Vec::new();
    let lines = EXECUTED
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1);
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let &[mnemonic, facility, digits] = fields.as_slice() else {
            panic!("three fields in {line}");
        };
        let row = decode(image(digits)).map(|insn| insn.row);
        let works = row
            .filter(|row| installed.has(row.facility))
            .map(|row| row.name);
        let expected = match facility {
            "base" => Some(mnemonic),
            "none" => None,
            number => {
                let number = number.parse().expect("a facility number");
                let here = installed.has(number) || number == SILENT;
                assert!(here || ABSENT.contains(&number), "{line}");
                here.then_some(mnemonic)
            }
        };
        if works != expected {
            wrong.push(format!("{line}: {works:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn not_optional_is_always_installed() {
    assert!(Facilities::new(&[]).has(BASE));
    assert!(!Facilities::new(&[]).has(0));
    assert!(Facilities::new(&[0, 131]).has(131));
    assert_eq!(
        Facilities::new(&[0, 1, 64]).doublewords()[..2],
        [3 << 62, 1 << 63]
    );
}
