//! Products without carries: of polynomials over the field of two elements, a bit a coefficient.
//!
//! Where the host has an instruction for it, that is taken: checksums of whole files are made of
//! these. Not here: how instructions sum them up ([`super::multiply`]).
#![allow(
    unsafe_code,
    reason = "a function for a feature of the host is called where that has been seen"
)]

/// The product of two polynomials.
pub(super) fn product(a: u64, b: u64) -> u128 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("pclmulqdq") {
        // SAFETY: the host has the feature that the function is compiled for.
        return unsafe { by_host(a, b) };
    }
    portable(a, b)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "pclmulqdq")]
fn by_host(a: u64, b: u64) -> u128 {
    use std::arch::x86_64::{
        _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_unpackhi_epi64,
    };
    let (a, b) = (_mm_cvtsi64_si128(a as i64), _mm_cvtsi64_si128(b as i64));
    let product = _mm_clmulepi64_si128::<0>(a, b);
    let low = _mm_cvtsi128_si64(product) as u64;
    let high = _mm_cvtsi128_si64(_mm_unpackhi_epi64(product, product)) as u64;
    u128::from(high) << 64 | u128::from(low)
}

/// Four bits at a time: the multiples of `a` by all polynomials of degree three.
fn portable(a: u64, b: u64) -> u128 {
    let a = u128::from(a);
    let mut multiples = [0; 16];
    for n in 1..16 {
        multiples[n] = multiples[n / 2] << 1 ^ if n % 2 == 1 { a } else { 0 };
    }
    let digits = (0..16).rev().map(|n| (b >> (4 * n) & 15) as usize);
    digits.fold(0, |product, digit| product << 4 ^ multiples[digit])
}

#[cfg(test)]
mod tests {
    use super::super::lane::testing::vectors;
    use super::*;

    #[test]
    fn both_ways_are_sums_of_shifted_polynomials() {
        for [v] in vectors() {
            let (a, b) = (v.left, v.right);
            let terms = (0..64).filter(|bit| b >> bit & 1 == 1);
            let expected = terms.fold(0, |sum, bit| sum ^ u128::from(a) << bit);
            assert_eq!(product(a, b), expected, "{a:x} {b:x}");
            assert_eq!(portable(a, b), expected, "{a:x} {b:x}");
        }
    }
}
