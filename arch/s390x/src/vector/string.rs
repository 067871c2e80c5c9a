//! Vector string instructions: searches for elements, ranges of elements, strings and their ends
//! (Principles of Operation, chapter 23).
//!
//! A search gives the index of the first byte of what it has found, or 16, in the left half of a
//! vector whose right half is zero. Elements are unsigned bytes, halfwords or words. Not here:
//! whether an instruction sets the condition code.

use super::Vector;
use super::lane::Lane;

/// A result and the condition code that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The first operand.
    pub result: Vector,
    /// The condition code, 0 to 3.
    pub cc: u8,
}

/// What the last mask of a search asks for (M5; M6 of VSTRC and VSTRS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search(pub u8);

impl Search {
    /// IN: elements that do not match are searched for.
    pub fn inverted(self) -> bool {
        self.0 & 8 != 0
    }

    /// RT: the result has ones in each matching element, not an index.
    pub fn as_mask(self) -> bool {
        self.0 & 4 != 0
    }

    /// ZS: an element that is zero ends the string.
    pub fn for_zero(self) -> bool {
        self.0 & 2 != 0
    }
}

/// Index of a byte, 16 if there is none.
type Index = u32;

/// VFAE: the first element of `a` that is equal to any of `b`.
pub fn find_any_equal<T: Lane>(a: Vector, b: Vector, search: Search) -> Found {
    let equal = b.lanes().fold(0, |found, y: T| {
        found | zeros::<T>(a.map(|x: T| difference(x, y)).bits())
    });
    matched::<T>(a, equal, search)
}

/// VSTRC: the first element of `a` that is in a range. Each pair of `b`'s elements, compared as
/// the same elements of `controls` say with their leftmost three bits (equal, low, high), is one;
/// both comparisons must hold.
pub fn find_in_ranges<T: Lane>(a: Vector, b: Vector, controls: Vector, search: Search) -> Found {
    let holds = |x: T, n| {
        let (limit, control) = (b.lane::<T>(n), controls.lane::<T>(n).bits());
        let bit = match x.cmp(&limit) {
            std::cmp::Ordering::Equal => 1,
            std::cmp::Ordering::Less => 2,
            std::cmp::Ordering::Greater => 3,
        };
        control >> (T::BITS - bit) & 1 == 1
    };
    let in_range = |x| {
        (0..T::COUNT)
            .step_by(2)
            .any(|n| holds(x, n) && holds(x, n + 1))
    };
    let in_range = a.map(|x: T| if in_range(x) { T::ONES } else { T::ZERO });
    matched::<T>(a, in_range.bits() & signs::<T>(), search)
}

/// The end of a search whose matches are marked by elements' leftmost bits.
fn matched<T: Lane>(a: Vector, matches: u128, search: Search) -> Found {
    let matches = if search.inverted() {
        !matches & signs::<T>()
    } else {
        matches
    };
    let (first, zero) = (index(matches), first_zero::<T>(a, search));
    Found {
        result: if search.as_mask() {
            spread::<T>(matches).into()
        } else {
            at(first.min(zero))
        },
        cc: code(first, zero),
    }
}

/// VFEE: the first element of `a` that is equal to that of `b` in the same place.
pub fn find_equal<T: Lane>(a: Vector, b: Vector, search: Search) -> Found {
    let first = index(zeros::<T>(a.bits() ^ b.bits()));
    let zero = first_zero::<T>(a, search);
    Found {
        result: at(first.min(zero)),
        cc: code(first, zero),
    }
}

/// VFENE: the first element of `a` that is not equal to that of `b` in the same place. Condition
/// code 1 says that it is low, 2 that it is high, 0 that the string ended before, 3 neither.
pub fn find_not_equal<T: Lane>(a: Vector, b: Vector, search: Search) -> Found {
    let equal = zeros::<T>(a.bits() ^ b.bits());
    let first = index(!equal & signs::<T>());
    let zero = first_zero::<T>(a, search);
    let cc = if zero < first {
        0
    } else if first == 16 {
        3
    } else if a.bits() < b.bits() {
        // The first elements that differ decide between the whole ones, too.
        1
    } else {
        2
    };
    Found {
        result: at(first.min(zero)),
        cc,
    }
}

/// VISTR: `a` with zeros from its first element that is zero on. Condition code 0 says that there
/// is one, 3 that there is none.
pub fn isolate<T: Lane>(a: Vector) -> Found {
    match index(zeros::<T>(a.bits())) {
        16 => Found { result: a, cc: 3 },
        zero => Found {
            result: (a.bits() & !(u128::MAX >> (8 * zero))).into(),
            cc: 0,
        },
    }
}

/// VSTRS: where `a` has the string of so many bytes as byte 7 of `length` says with which `b`
/// begins. Condition code 2 says that it is all there, 3 that `a` ends with the beginning of it, 1
/// that it is not in `a`, whose end as a string was found, 0 that it is not in `a`.
///
/// Lengths above 16 and such as are no multiple of the elements' give unpredictable results: here
/// they are 16 (as a z15 has been seen to take them), and rounded down.
pub fn find_string<T: Lane>(a: Vector, b: Vector, length: Vector, search: Search) -> Found {
    let bytes_per = T::BITS / 8;
    let length = (length.left as u32 & 0xff).min(16) / bytes_per * bytes_per;
    let length = length.min(first_zero::<T>(b, search));
    if length == 0 {
        return Found {
            result: at(0),
            cc: 2,
        };
    }
    let end = first_zero::<T>(a, search);
    let ended = search.for_zero() && end < 16;
    for index in (0..end).step_by(bytes_per as usize) {
        let compared = length.min(end - index);
        let partial = compared < length;
        if partial && ended {
            break;
        }
        let shifted = a.bits() << (8 * index) ^ b.bits();
        if shifted >> (128 - 8 * compared) == 0 {
            return Found {
                result: at(index),
                cc: if partial { 3 } else { 2 },
            };
        }
    }
    Found {
        result: at(16),
        cc: ended.into(),
    }
}

/// The condition code of a search for matches.
fn code(first: Index, zero: Index) -> u8 {
    match (first, zero) {
        (16, 16) => 3,
        (_, 16) => 1,
        _ if first < zero => 2,
        _ => 0,
    }
}

/// The first element that is zero, where it is searched for.
fn first_zero<T: Lane>(a: Vector, search: Search) -> Index {
    if search.for_zero() {
        index(zeros::<T>(a.bits()))
    } else {
        16
    }
}

/// The byte of the leftmost one.
fn index(marks: u128) -> Index {
    marks.leading_zeros() / 8
}

fn at(index: Index) -> Vector {
    Vector {
        left: index.into(),
        right: 0,
    }
}

/// The leftmost bit of each element.
const fn signs<T: Lane>() -> u128 {
    (u128::MAX / (u128::MAX >> (128 - T::BITS))) << (T::BITS - 1)
}

/// The leftmost bit of each element that is zero.
fn zeros<T: Lane>(elements: u128) -> u128 {
    let rest = !signs::<T>();
    !(((elements & rest) + rest) | elements | rest)
}

/// Ones in all of each element whose leftmost bit is one of these.
fn spread<T: Lane>(marks: u128) -> u128 {
    marks | (marks - (marks >> (T::BITS - 1)))
}

/// Zero if two elements are equal.
fn difference<T: Lane>(x: T, y: T) -> T {
    T::from_bits(x.bits() ^ y.bits())
}

#[cfg(test)]
mod tests {
    use super::super::ElementSize::{self, *};
    use super::super::lane::testing::vectors;
    use super::*;

    const SIZES: [ElementSize; 3] = [Byte, Halfword, Word];

    /// What the search for matches gives, said with lists.
    fn model(a: Vector, size: ElementSize, search: u8, matches: &dyn Fn(u128) -> bool) -> Found {
        let matches: Vec<bool> = a
            .elements(size)
            .map(|x| matches(x) != (search & 8 != 0))
            .collect();
        let zero = a.elements(size).position(|x| search & 2 != 0 && x == 0);
        of_positions(size, &matches, zero, search)
    }

    fn of_positions(size: ElementSize, matches: &[bool], zero: Option<usize>, search: u8) -> Found {
        let first = matches.iter().position(|&is| is);
        let cc = match (first, zero) {
            (None, None) => 3,
            (Some(_), None) => 1,
            (Some(first), Some(zero)) if first < zero => 2,
            _ => 0,
        };
        let result = if search & 4 != 0 {
            Vector::from_elements(size, |n| if matches[n] { u128::MAX } else { 0 })
        } else {
            let byte = first.into_iter().chain(zero).min();
            let byte = byte.map_or(16, |element| element * size.bytes());
            Vector {
                left: byte as u64,
                right: 0,
            }
        };
        Found { result, cc }
    }

    macro_rules! by_size {
        ($size:expr, $f:ident($($arg:expr),*)) => {
            match $size {
                Byte => $f::<u8>($($arg),*),
                Halfword => $f::<u16>($($arg),*),
                _ => $f::<u32>($($arg),*),
            }
        };
    }

    #[test]
    fn any_equal_element() {
        for [a, b] in vectors() {
            for (size, search) in SIZES.iter().flat_map(|&s| (0..16).map(move |m| (s, m))) {
                let expected = model(a, size, search, &|x| b.elements(size).any(|y| x == y));
                let found = by_size!(size, find_any_equal(a, b, Search(search)));
                assert_eq!(found, expected, "{size:?} {search} {a:x?} {b:x?}");
            }
        }
    }

    #[test]
    fn elements_in_ranges() {
        for [a, b, controls] in vectors() {
            for (size, search) in SIZES.iter().flat_map(|&s| (0..16).map(move |m| (s, m))) {
                let one = |x: u128, n| {
                    let (y, control) = (b.get(size, n), controls.get(size, n));
                    let [equal, low, high] =
                        [1, 2, 3].map(|k| control >> (size.bits() - k) & 1 == 1);
                    equal && x == y || low && x < y || high && x > y
                };
                let expected = model(a, size, search, &|x| {
                    (0..size.count() / 2).any(|n| one(x, 2 * n) && one(x, 2 * n + 1))
                });
                let found = by_size!(size, find_in_ranges(a, b, controls, Search(search)));
                assert_eq!(
                    found, expected,
                    "{size:?} {search} {a:x?} {b:x?} {controls:x?}"
                );
            }
        }
    }

    #[test]
    fn elements_in_the_same_place() {
        for [a, b] in vectors() {
            for (size, search) in SIZES.iter().flat_map(|&s| [0, 1, 2, 3].map(|m| (s, m))) {
                let pairs: Vec<_> = a.elements(size).zip(b.elements(size)).collect();
                let zero = pairs.iter().position(|(x, _)| search & 2 != 0 && *x == 0);
                let equal: Vec<bool> = pairs.iter().map(|(x, y)| x == y).collect();
                let expected = of_positions(size, &equal, zero, search);
                let found = by_size!(size, find_equal(a, b, Search(search)));
                assert_eq!(found, expected, "{size:?} {search} {a:x?} {b:x?}");

                let unequal: Vec<bool> = equal.iter().map(|is| !is).collect();
                let mut expected = of_positions(size, &unequal, zero, search);
                let first = unequal.iter().position(|&is| is);
                expected.cc = match (first, zero) {
                    (None, None) => 3,
                    (None, Some(_)) => 0,
                    (Some(first), Some(zero)) if zero < first => 0,
                    (Some(first), _) if pairs[first].0 < pairs[first].1 => 1,
                    _ => 2,
                };
                let found = by_size!(size, find_not_equal(a, b, Search(search)));
                assert_eq!(found, expected, "{size:?} {search} {a:x?} {b:x?}");
            }
        }
    }

    #[test]
    fn strings_end_at_zero() {
        for [a] in vectors() {
            for size in SIZES {
                let mut ended = false;
                let result = Vector::from_elements(size, |n| {
                    ended |= a.get(size, n) == 0;
                    if ended { 0 } else { a.get(size, n) }
                });
                let cc = if ended { 0 } else { 3 };
                let found = by_size!(size, isolate(a));
                assert_eq!(found, Found { result, cc }, "{size:?} {a:x?}");
            }
        }
    }

    #[test]
    fn strings_are_found() {
        for [a, b, length] in vectors() {
            // Short needles, often cut out of what is searched.
            let kind = length.right;
            let needle = match kind % 3 {
                0 => b,
                1 => (a.bits() << (8 * (kind >> 8 & 15))).into(),
                _ => (b.bits() & u128::MAX << 96).into(),
            };
            for (size, search) in SIZES.iter().flat_map(|&s| [0, 2].map(|m| (s, m))) {
                let length = (kind >> 16 & 15) as usize / size.bytes() + 1;
                let length = length.min(size.count());
                let bytes = Vector {
                    left: (length * size.bytes()) as u64 | kind << 8,
                    right: kind,
                };
                let expected = string_model(a, needle, size, length, search & 2 != 0);
                let found = by_size!(size, find_string(a, needle, bytes, Search(search)));
                assert_eq!(
                    found, expected,
                    "{size:?} {search} {a:x?} {needle:x?} {length}"
                );
            }
        }
    }

    fn string_model(a: Vector, b: Vector, size: ElementSize, length: usize, zero: bool) -> Found {
        let until_zero = |v: Vec<u128>| -> Vec<u128> {
            v.into_iter().take_while(|&x| !zero || x != 0).collect()
        };
        let string = until_zero(a.elements(size).collect());
        let needle = until_zero(b.elements(size).take(length).collect());
        let ended = string.len() < size.count();
        for start in 0..size.count() {
            let rest = &string[start.min(string.len())..];
            let cc = if rest.starts_with(&needle) {
                2
            } else if !ended && needle.starts_with(rest) {
                3
            } else {
                continue;
            };
            let left = (start * size.bytes()) as u64;
            let result = Vector { left, right: 0 };
            return Found { result, cc };
        }
        Found {
            result: Vector { left: 16, right: 0 },
            cc: u8::from(ended),
        }
    }

    /// Known answers of a z15, as published with QEMU's test of this instruction.
    #[test]
    fn strings_as_a_machine_finds_them() {
        let find = |a: [u64; 2], b: [u64; 2], length, search| {
            let [a, b] = [a, b].map(|[left, right]| Vector { left, right });
            let length = Vector {
                left: length,
                right: 0,
            };
            let found = find_string::<u8>(a, b, length, Search(search));
            (found.result.left, found.cc)
        };
        let cut = find([0x2220_0020_5e41_0000, 0], [0x205e_4100_0000_0000, 0], 3, 2);
        assert_eq!(cut, (16, 1));
        assert_eq!(find([0x5300_0000_0000_0000, 0], [0, 0], 0, 0), (0, 2));
        assert_eq!(find([0x1122_3344_5566_7700, 0], [0, 0], 16, 0), (7, 3));
        let none = find(
            [0xffff_ff00_0fff_ff00, 0x82b],
            [0xffff_fffe_ffff_ffff, 0xffff_ffff_0000_0000],
            11,
            2,
        );
        assert_eq!(none, (16, 1));
    }
}
