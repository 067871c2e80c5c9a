//! `x`, `xp` and `print`: guest memory and numbers in QEMU's formats.

use std::fmt::Write as _;

use machine::AddressSpace;

use super::Context;
use super::expression::evaluate;
use super::hmp::Session;

/// Items that one command shows at most.
const COUNT_LIMIT: u64 = 1 << 20;

/// `/fmt`: how many items, of what size, shown how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Format {
    count: u64,
    letter: u8,
    /// Bytes of an item: 1, 2, 4 or 8.
    size: usize,
}

/// Splits `/fmt` off the line.
fn parse_format(line: &str, default_size: usize) -> Result<(Format, &str), String> {
    let line = line.trim_start();
    let mut format = Format {
        count: 1,
        letter: b'x',
        size: default_size,
    };
    let Some(spec) = line.strip_prefix('/') else {
        return Ok((format, line));
    };
    let (spec, rest) = spec.split_once(' ').unwrap_or((spec, ""));
    let digits = spec.len() - spec.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 0 {
        format.count = spec[..digits]
            .parse()
            .ok()
            .filter(|count| *count <= COUNT_LIMIT)
            .ok_or_else(|| format!("count {} is more than {COUNT_LIMIT}", &spec[..digits]))?;
    }
    let mut sized = false;
    for c in spec[digits..].chars() {
        match c {
            'x' | 'd' | 'u' | 'o' | 'c' | 'i' => format.letter = c as u8,
            'b' | 'h' | 'w' | 'g' | 'l' => {
                sized = true;
                format.size = match c {
                    'b' => 1,
                    'h' => 2,
                    'w' => 4,
                    _ => 8,
                };
            }
            other => return Err(format!("invalid char in format: '{other}'")),
        }
    }
    if format.letter == b'c' && !sized {
        format.size = 1;
    }
    Ok((format, rest))
}

pub(super) fn hmp_x(
    context: &Context,
    session: &mut Session,
    rest: &str,
) -> Result<String, String> {
    dump(
        context,
        session,
        rest,
        AddressSpace::Virtual { cpu: session.cpu },
    )
}

pub(super) fn hmp_xp(
    context: &Context,
    session: &mut Session,
    rest: &str,
) -> Result<String, String> {
    dump(context, session, rest, AddressSpace::Physical)
}

pub(super) fn hmp_print(
    context: &Context,
    session: &mut Session,
    rest: &str,
) -> Result<String, String> {
    let (format, rest) = parse_format(rest, 8)?;
    let value = address(context, session, rest)?;
    Ok(match format.letter {
        b'd' => format!("{}\n", value as i64),
        b'u' => format!("{value}\n"),
        b'o' => format!("{}\n", octal(value, 0)),
        b'c' => format!("{}\n", character(value as u8)),
        _ => format!("{value:#x}\n"),
    })
}

fn address(context: &Context, session: &Session, text: &str) -> Result<u64, String> {
    evaluate(text, &|name| {
        let cpu = context
            .inspect()
            .cpus()
            .into_iter()
            .find(|cpu| cpu.index == session.cpu)?;
        (name == "pc").then_some(cpu.pc)
    })
}

fn dump(
    context: &Context,
    session: &Session,
    rest: &str,
    space: AddressSpace,
) -> Result<String, String> {
    let (format, rest) = parse_format(rest, 4)?;
    let start = address(context, session, rest)?;
    if format.letter == b'i' {
        return Ok(disassemble(context, space, start, format.count));
    }
    let per_line = if format.letter == b'c' {
        8
    } else {
        (16 / format.size) as u64
    };
    let mut text = String::new();
    let mut item = [0_u8; 8];
    for index in 0..format.count {
        let at = start.wrapping_add(index * format.size as u64);
        if index % per_line == 0 {
            let _ = write!(text, "{}{at:016x}:", if index == 0 { "" } else { "\n" });
        }
        let bytes = &mut item[..format.size];
        if context.inspect().read_memory(space, at, bytes).is_err() {
            text.push_str(" Cannot access memory\n");
            return Ok(text);
        }
        let value = number(bytes, context.inspect().big_endian());
        text.push(' ');
        text.push_str(&show(value, format));
    }
    if format.count > 0 {
        text.push('\n');
    }
    Ok(text)
}

/// The value of 1, 2, 4 or 8 bytes.
fn number(bytes: &[u8], big_endian: bool) -> u64 {
    let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    if big_endian {
        bytes.iter().fold(0, fold)
    } else {
        bytes.iter().rev().fold(0, fold)
    }
}

/// One item; numbers are as wide as the widest of their size.
fn show(value: u64, format: Format) -> String {
    let bits = format.size * 8;
    let width = (bits * 10).div_ceil(33);
    match format.letter {
        b'd' => {
            let unused = 64 - bits as u32;
            format!("{:>width$}", ((value << unused) as i64) >> unused)
        }
        b'u' => format!("{value:>width$}"),
        b'o' => octal(value, bits.div_ceil(3)),
        b'c' => character(value as u8),
        _ => format!("0x{value:0width$x}", width = format.size * 2),
    }
}

/// C's octal with its leading zero.
fn octal(value: u64, width: usize) -> String {
    let text = if value == 0 {
        "0".to_owned()
    } else {
        format!("0{value:o}")
    };
    format!("{text:>width$}")
}

/// A character in C's quotes.
fn character(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".into(),
        b'\\' => "'\\\\'".into(),
        b'\n' => "'\\n'".into(),
        b'\r' => "'\\r'".into(),
        32..=126 => format!("'{}'", char::from(byte)),
        _ => format!("'\\x{byte:02x}'"),
    }
}

fn disassemble(context: &Context, space: AddressSpace, start: u64, count: u64) -> String {
    let mut text = String::new();
    let mut at = start;
    for _ in 0..count {
        // The longest instruction of any architecture; less where memory ends.
        let mut code = [0_u8; 15];
        let readable = (1..=code.len()).rev().find(|length| {
            context
                .inspect()
                .read_memory(space, at, &mut code[..*length])
                .is_ok()
        });
        let Some(readable) = readable else {
            let _ = writeln!(text, "{at:#018x}:  Cannot access memory");
            break;
        };
        let (length, instruction) = context.inspect().disassemble(at, &code[..readable]);
        let length = length.clamp(1, readable);
        let bytes: String = code[..length]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let _ = writeln!(text, "{at:#018x}:  {bytes:<14}  {instruction}");
        at = at.wrapping_add(length as u64);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let format = |text: &str| {
            parse_format(text, 4)
                .map(|(f, rest)| (f.count, f.letter as char, f.size, rest.to_owned()))
        };
        assert_eq!(format("/4xw 0x10"), Ok((4, 'x', 4, "0x10".into())));
        assert_eq!(format("/2dg 0"), Ok((2, 'd', 8, "0".into())));
        assert_eq!(format("/c 0"), Ok((1, 'c', 1, "0".into())));
        assert_eq!(format("0"), Ok((1, 'x', 4, "0".into())));
        assert_eq!(format("/3i"), Ok((3, 'i', 4, String::new())));
        assert_eq!(format("/z 0"), Err("invalid char in format: 'z'".into()));
        assert_eq!(
            format("/99999999x 0"),
            Err("count 99999999 is more than 1048576".into())
        );
    }

    #[test]
    fn items_are_as_wide_as_the_widest_of_their_size() {
        let item = |value, letter, size| {
            show(
                value,
                Format {
                    count: 1,
                    letter,
                    size,
                },
            )
        };
        assert_eq!(item(0x1f, b'x', 1), "0x1f");
        assert_eq!(item(0x1f, b'x', 8), "0x000000000000001f");
        assert_eq!(item(0xff, b'd', 1), " -1");
        assert_eq!(item(0, b'd', 8), "                   0");
        assert_eq!(item(7, b'u', 4), "         7");
        assert_eq!(item(8, b'o', 1), "010");
        assert_eq!(item(b'\'' as u64, b'c', 1), "'\\''");
        assert_eq!(item(0, b'c', 1), "'\\x00'");
        assert_eq!(number(&[1, 2], true), 0x102);
        assert_eq!(number(&[1, 2], false), 0x201);
    }
}
