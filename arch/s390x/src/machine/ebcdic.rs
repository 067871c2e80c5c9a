//! Text to EBCDIC code page 500, for names in STSI blocks.

/// The EBCDIC code of an ASCII character; what has none becomes a blank.
fn code(c: char) -> u8 {
    match c {
        'a'..='i' => 0x81 + (c as u8 - b'a'),
        'j'..='r' => 0x91 + (c as u8 - b'j'),
        's'..='z' => 0xa2 + (c as u8 - b's'),
        'A'..='I' => 0xc1 + (c as u8 - b'A'),
        'J'..='R' => 0xd1 + (c as u8 - b'J'),
        'S'..='Z' => 0xe2 + (c as u8 - b'S'),
        '0'..='9' => 0xf0 + (c as u8 - b'0'),
        '.' => 0x4b,
        '+' => 0x4e,
        '&' => 0x50,
        '-' => 0x60,
        '/' => 0x61,
        ',' => 0x6b,
        '_' => 0x6d,
        ':' => 0x7a,
        '=' => 0x7e,
        '#' => 0x7b,
        '@' => 0x7c,
        _ => 0x40,
    }
}

/// A text in `N` bytes, cut or filled with blanks.
pub fn field<const N: usize>(text: &str) -> [u8; N] {
    let mut out = [0x40; N];
    for (place, c) in out.iter_mut().zip(text.chars()) {
        *place = code(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits_have_their_codes() {
        assert_eq!(field::<6>("QEMU"), [0xd8, 0xc5, 0xd4, 0xe4, 0x40, 0x40]);
        assert_eq!(field::<3>("az09"), [0x81, 0xa9, 0xf0]);
    }
}
