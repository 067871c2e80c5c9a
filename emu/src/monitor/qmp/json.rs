//! QMP's JSON: messages out of a stream, and lines into it, as QEMU reads and writes them.
//!
//! Messages follow each other with nothing between them; strings may stand in single quotes.
//! The parsing itself is `serde_json`'s; its complaints are put into QEMU's words.

use std::{fmt, io};

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};
use serde_json::{Map, Value};

/// Bytes of one message at most; QEMU's limit on tokens.
const MESSAGE_LIMIT: usize = 64 << 20;

/// Open brackets and braces of one message at most, as in QEMU.
const DEPTH_LIMIT: usize = 1024;

/// Cuts a stream into messages.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    /// The message so far, its quotes made double.
    text: Vec<u8>,
    depth: usize,
    /// The quote that the string we are in began with.
    quote: Option<u8>,
    /// Where in the text the latest string begins.
    string_at: usize,
    escaped: bool,
    /// The message is too long: it is skipped to its end.
    overflow: bool,
    /// A byte came that JSON does not have. As in QEMU what follows is no message up to a
    /// bracket or the like, or the line's end.
    skips: bool,
}

impl Splitter {
    /// Takes one byte; a message or a complaint when one is complete.
    pub(super) fn push(&mut self, byte: u8) -> Option<Result<Value, String>> {
        if self.skips {
            self.skips = !matches!(
                byte,
                b'{' | b'}' | b'[' | b']' | b':' | b',' | 0..=0x08 | 0x0a..=0x1f | 0xfe..=0xff
            );
            if self.skips {
                return None;
            }
        }
        if let Some(quote) = self.quote {
            // As in QEMU, a line's end ends a string that its sender forgot to close: what
            // follows is heard again.
            if matches!(byte, 0..=0x1f | 0xfe..=0xff) {
                let from = self.string_at.min(self.text.len());
                let mut token = self.text.split_off(from);
                token.push(byte);
                return Some(self.fail_and_skip(stray(&token)));
            }
            self.in_string(byte, quote);
            return if self.quote.is_none() && self.depth == 0 {
                Some(self.finish())
            } else {
                None
            };
        }
        match byte {
            b'"' | b'\'' => {
                // A word that a string follows is a message of its own, and a wrong one.
                let word = if self.depth == 0 {
                    self.finish_word()
                } else {
                    None
                };
                self.quote = Some(byte);
                self.string_at = self.text.len();
                self.put(b'"');
                word
            }
            b'{' | b'[' => {
                let word = if self.depth == 0 {
                    self.finish_word()
                } else {
                    None
                };
                self.depth += 1;
                if self.depth > DEPTH_LIMIT {
                    return Some(self.fail(TOO_DEEP.into()));
                }
                self.put(byte);
                word
            }
            b'}' | b']' => {
                self.put(byte);
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    Some(self.finish())
                } else {
                    None
                }
            }
            b' ' | b'\t' | b'\r' | b'\n' => {
                if self.depth == 0 {
                    self.finish_word()
                } else {
                    self.put(byte);
                    None
                }
            }
            // No JSON holds these outside of strings.
            0..=0x1f | 0x7f..=0xff => Some(self.fail_and_skip(stray(&[byte]))),
            _ => {
                self.put(byte);
                // QEMU: a byte that can begin nothing is a message of its own.
                let stray = self.depth == 0
                    && self.text.len() == 1
                    && !byte.is_ascii_alphanumeric()
                    && byte != b'-';
                if !stray {
                    return None;
                }
                let complaint = self.finish();
                self.skips = !matches!(byte, b':' | b',');
                Some(complaint)
            }
        }
    }

    fn in_string(&mut self, byte: u8, quote: u8) {
        if self.escaped {
            self.escaped = false;
            // JSON knows no escape for the single quote.
            if byte == b'\'' {
                self.text.pop();
            }
            self.put(byte);
        } else if byte == quote {
            self.quote = None;
            self.put(b'"');
        } else if byte == b'"' {
            self.put(b'\\');
            self.put(b'"');
        } else {
            self.escaped = byte == b'\\';
            self.put(byte);
        }
    }

    fn put(&mut self, byte: u8) {
        if self.text.len() < MESSAGE_LIMIT {
            self.text.push(byte);
        } else {
            self.overflow = true;
        }
    }

    fn finish_word(&mut self) -> Option<Result<Value, String>> {
        if self.text.is_empty() {
            None
        } else {
            Some(self.finish())
        }
    }

    fn finish(&mut self) -> Result<Value, String> {
        let text = std::mem::take(&mut self.text);
        let overflow = self.overflow;
        *self = Self::default();
        if overflow {
            return Err("JSON token size limit exceeded".into());
        }
        serde_json::from_slice(&text)
            .map(|Strict(value)| value)
            .map_err(|e| complaint(&text, &e.to_string()))
    }

    /// Gives the message up, and what stands beside it.
    fn fail_and_skip(&mut self, complaint: String) -> Result<Value, String> {
        let failure = self.fail(complaint);
        self.skips = true;
        failure
    }

    /// Gives the message up: the next byte begins a new one.
    fn fail(&mut self, complaint: String) -> Result<Value, String> {
        *self = Self::default();
        Err(complaint)
    }
}

const TOO_DEEP: &str = "nesting depth limit exceeded";

/// QEMU's words for a token that JSON does not have.
fn stray(token: &[u8]) -> String {
    format!("stray '{}'", String::from_utf8_lossy(token))
}

/// A value none of whose objects names a member twice; `Value` itself would keep the last.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = from.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((key, Strict(value))) = from.next_entry()? {
            if members.insert(key, value).is_some() {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(Value::Object(members))
    }
}

/// QEMU's words for what is wrong with `text`.
fn complaint(text: &[u8], error: &str) -> String {
    let text = String::from_utf8_lossy(text);
    let text = text.trim();
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return format!("invalid keyword '{text}'");
    }
    if text.len() == 1 && !matches!(text, "}" | "]" | "," | ":") {
        return format!("stray '{text}'");
    }
    let error = error.split(" at line ").next().unwrap_or(error);
    match error {
        "expected value" | "trailing comma" | "EOF while parsing a value" => {
            "expecting value".into()
        }
        "expected `:`" => "missing : in object pair".into(),
        "key must be a string" => "key is not a string in object".into(),
        "expected `,` or `}`" => "expected separator in dict".into(),
        "expected `,` or `]`" => "expected separator in list".into(),
        "invalid escape" => "invalid escape sequence in string".into(),
        "expected ident" => "invalid keyword".into(),
        "recursion limit exceeded" => TOO_DEEP.into(),
        other => other.to_owned(),
    }
}

/// One message as QEMU writes it: on one line, or indented; ASCII only; ended by CR LF.
pub(super) fn line(value: &Value, pretty: bool) -> Vec<u8> {
    let mut text = Vec::new();
    let written = if pretty {
        value.serialize(&mut Serializer::with_formatter(
            &mut text,
            Ascii(PrettyFormatter::with_indent(b"    ")),
        ))
    } else {
        value.serialize(&mut Serializer::with_formatter(
            &mut text,
            Ascii(Spaced(CompactFormatter)),
        ))
    };
    // Writing a value into memory cannot fail; an empty line would be seen in tests.
    debug_assert!(written.is_ok());
    text.extend_from_slice(b"\r\n");
    text
}

/// `", "` and `": "` between things.
struct Spaced(CompactFormatter);

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first {
            Ok(())
        } else {
            writer.write_all(b", ")
        }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// Characters beyond ASCII as escapes; all else as `F` has it.
struct Ascii<F>(F);

impl<F: Formatter> Formatter for Ascii<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut units = [0_u16; 2];
        for c in fragment.chars() {
            if c.is_ascii() {
                writer.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04X}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn messages(text: &str) -> Vec<Result<Value, String>> {
        let mut splitter = Splitter::default();
        text.bytes()
            .filter_map(|byte| splitter.push(byte))
            .collect()
    }

    #[test]
    fn messages_follow_each_other_without_a_separator() {
        assert_eq!(
            messages(r#"{ "a": "}{" }{"b":[1,{"c":"\"]"}]} 5 "x" [1]"#),
            [
                Ok(json!({"a": "}{"})),
                Ok(json!({"b": [1, {"c": "\"]"}]})),
                Ok(json!(5)),
                Ok(json!("x")),
                Ok(json!([1])),
            ]
        );
    }

    #[test]
    fn single_quotes_are_quotes() {
        assert_eq!(
            messages(r#"{'a':'it\'s "so"',"b":"it's"}"#),
            [Ok(json!({"a": "it's \"so\"", "b": "it's"}))]
        );
    }

    #[test]
    fn complaints_are_in_qemus_words_and_the_stream_goes_on() {
        for (text, words) in [
            (r#"{"a"}"#, "missing : in object pair"),
            (r#"{"a":1,}"#, "expecting value"),
            (r#"{"a":}"#, "expecting value"),
            (r#"{"a":"\x"}"#, "invalid escape sequence in string"),
            ("{1:2}", "key is not a string in object"),
            ("[1 2]", "expected separator in list"),
            (r#"{"a":1 "b"}"#, "expected separator in dict"),
            ("tru ", "invalid keyword 'tru'"),
            ("}", "expecting value"),
            ("@", "stray '@'"),
            (r#"{"a":1,"b":{"c":2,"c":3}}"#, "duplicate key"),
            ("\0", "stray '\0'"),
            ("[1,\u{1}", "stray '\u{1}'"),
            (&"[".repeat(DEPTH_LIMIT + 1), "nesting depth limit exceeded"),
        ] {
            assert_eq!(
                messages(&format!("{text}{{}}")),
                [Err(words.to_owned()), Ok(json!({}))],
                "{text}"
            );
        }
    }

    #[test]
    fn what_stands_beside_a_byte_that_json_has_not_is_skipped() {
        assert_eq!(
            messages("%p and so on{\"a\": 1}@x\n2 "),
            [
                Err("stray '%'".to_owned()),
                Ok(json!({"a": 1})),
                Err("stray '@'".to_owned()),
                Ok(json!(2)),
            ]
        );
    }

    #[test]
    fn a_string_that_is_not_closed_ends_with_its_line() {
        assert_eq!(
            messages("{\"execute\":\"sto\n{\"a\":1}"),
            [Err("stray '\"sto\n'".to_owned()), Ok(json!({"a": 1}))]
        );
        assert_eq!(
            messages("it's\n{'a':1}"),
            [
                Err("invalid keyword 'it'".to_owned()),
                Err("stray '\"s\n'".to_owned()),
                Ok(json!({"a": 1})),
            ]
        );
    }

    #[test]
    fn lines_are_as_qemu_writes_them() {
        let value = json!({"return": {}, "id": [1, "é\u{1F600}\n"]});
        assert_eq!(
            String::from_utf8(line(&value, false)).unwrap(),
            "{\"return\": {}, \"id\": [1, \"\\u00E9\\uD83D\\uDE00\\n\"]}\r\n"
        );
        assert_eq!(
            String::from_utf8(line(&json!({"return": {"a": 1}}), true)).unwrap(),
            "{\n    \"return\": {\n        \"a\": 1\n    }\n}\r\n"
        );
    }
}
