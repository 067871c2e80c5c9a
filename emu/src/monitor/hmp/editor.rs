//! A line editor that works on any byte stream: behind a mux, on a socket, on a terminal.
//!
//! It never looks at a terminal itself. Typed text is shown as typed while that suffices, so
//! that plain clients see plain text; otherwise the line is drawn anew. A line that is wider
//! than the terminal is scrolled sideways.

/// What a key has brought about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing to do but show what is to be shown.
    Nothing,
    /// A line is finished.
    Line(String),
    /// The completion key: to be answered with [`Editor::complete`].
    Complete,
}

/// Columns of a terminal whose size is not known.
const COLUMNS: usize = 80;

/// Characters of a line at most.
const LINE_LIMIT: usize = 4096;

/// How far an escape sequence has come.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Escape {
    None,
    /// After ESC.
    Start,
    /// After ESC [ or ESC O, with the parameter's digits.
    Sequence(String),
}

/// One line being edited.
#[derive(Debug)]
pub(super) struct Editor {
    prompt: &'static str,
    columns: usize,
    line: Vec<char>,
    cursor: usize,
    /// Which line of the history is shown, counted from its end; 0 is the new line.
    back: usize,
    /// The new line, kept while the history is shown.
    draft: Vec<char>,
    escape: Escape,
    /// Bytes of a character that is not complete yet.
    partial: Vec<u8>,
    /// The last byte was a carriage return: a line feed after it is part of it.
    after_return: bool,
}

impl Editor {
    pub(super) fn new(prompt: &'static str) -> Self {
        Self {
            prompt,
            columns: COLUMNS,
            line: Vec::new(),
            cursor: 0,
            back: 0,
            draft: Vec::new(),
            escape: Escape::None,
            partial: Vec::new(),
            after_return: false,
        }
    }

    pub(super) fn set_columns(&mut self, columns: Option<usize>) {
        self.columns = columns.unwrap_or(COLUMNS).max(self.prompt.len() + 8);
    }

    /// Forgets what was typed.
    pub(super) fn clear(&mut self) {
        *self = Self {
            columns: self.columns,
            ..Self::new(self.prompt)
        };
    }

    /// What stands before the cursor.
    pub(super) fn before_cursor(&self) -> String {
        self.line[..self.cursor].iter().collect()
    }

    /// The prompt and the line, drawn on a fresh line.
    pub(super) fn show(&self) -> String {
        let mut shown = String::new();
        self.draw(&mut shown);
        shown
    }

    /// Takes one byte. What the terminal is to show is added to `shown`.
    pub(super) fn key(&mut self, byte: u8, history: &[String], shown: &mut String) -> Step {
        let after_return = std::mem::take(&mut self.after_return);
        match std::mem::replace(&mut self.escape, Escape::None) {
            Escape::None => {}
            Escape::Start => {
                match byte {
                    b'[' | b'O' => self.escape = Escape::Sequence(String::new()),
                    b'b' => self.move_to(self.word_start(), shown),
                    b'f' => self.move_to(self.word_end(), shown),
                    b'd' => {
                        let end = self.word_end();
                        self.remove(self.cursor, end, shown);
                    }
                    _ => {}
                }
                return Step::Nothing;
            }
            Escape::Sequence(mut parameter) => {
                match byte {
                    b'0'..=b'9' | b';' if parameter.len() < 8 => {
                        parameter.push(char::from(byte));
                        self.escape = Escape::Sequence(parameter);
                    }
                    _ => self.sequence(&parameter, byte, history, shown),
                }
                return Step::Nothing;
            }
        }
        match byte {
            b'\n' if after_return => {}
            b'\r' | b'\n' => {
                self.after_return = byte == b'\r';
                shown.push_str("\r\n");
                let line = self.line.drain(..).collect();
                self.cursor = 0;
                self.back = 0;
                self.partial.clear();
                return Step::Line(line);
            }
            b'\t' => return Step::Complete,
            0x01 => self.move_to(0, shown),
            0x02 => self.move_to(self.cursor.saturating_sub(1), shown),
            0x03 => {
                shown.push_str("^C\r\n");
                self.clear();
                self.draw(shown);
            }
            0x04 => self.remove(self.cursor, self.cursor + 1, shown),
            0x05 => self.move_to(self.line.len(), shown),
            0x06 => self.move_to(self.cursor + 1, shown),
            0x08 | 0x7f => {
                if self.cursor > 0 {
                    self.remove(self.cursor - 1, self.cursor, shown);
                }
            }
            0x0b => self.remove(self.cursor, self.line.len(), shown),
            0x0c => {
                shown.push_str("\x1b[H\x1b[2J");
                self.draw(shown);
            }
            0x0e => self.recall(false, history, shown),
            0x10 => self.recall(true, history, shown),
            0x15 => self.remove(0, self.cursor, shown),
            0x17 => {
                let start = self.word_start();
                self.remove(start, self.cursor, shown);
            }
            0x1b => self.escape = Escape::Start,
            0x00..=0x1f => {}
            _ => self.text(byte, shown),
        }
        Step::Nothing
    }

    /// Bytes of a UTF-8 character; others are dropped.
    fn text(&mut self, byte: u8, shown: &mut String) {
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let typed: Vec<char> = text.chars().collect();
                self.partial.clear();
                self.insert(&typed, shown);
            }
            // An end that may yet become a character has no error length.
            Err(e) if e.error_len().is_some() => self.partial.clear(),
            Err(_) => {}
        }
    }

    fn insert(&mut self, typed: &[char], shown: &mut String) {
        if self.line.len() + typed.len() > LINE_LIMIT {
            return;
        }
        let at_end = self.cursor == self.line.len();
        self.line
            .splice(self.cursor..self.cursor, typed.iter().copied());
        self.cursor += typed.len();
        if at_end && self.prompt.len() + self.line.len() < self.columns {
            shown.extend(typed);
        } else {
            self.draw(shown);
        }
    }

    fn remove(&mut self, from: usize, to: usize, shown: &mut String) {
        let to = to.min(self.line.len());
        if from < to {
            self.line.drain(from..to);
            self.cursor = from;
            self.draw(shown);
        }
    }

    fn move_to(&mut self, cursor: usize, shown: &mut String) {
        let cursor = cursor.min(self.line.len());
        if cursor != self.cursor {
            self.cursor = cursor;
            self.draw(shown);
        }
    }

    fn word_start(&self) -> usize {
        let before = &self.line[..self.cursor];
        let end = before
            .iter()
            .rposition(|c| *c != ' ')
            .map_or(0, |last| last + 1);
        before[..end]
            .iter()
            .rposition(|c| *c == ' ')
            .map_or(0, |space| space + 1)
    }

    fn word_end(&self) -> usize {
        let after = &self.line[self.cursor..];
        let start = after.iter().position(|c| *c != ' ').unwrap_or(after.len());
        let length = after[start..].iter().position(|c| *c == ' ');
        self.cursor + length.map_or(after.len(), |length| start + length)
    }

    fn sequence(&mut self, parameter: &str, end: u8, history: &[String], shown: &mut String) {
        match (parameter, end) {
            (_, b'A') => self.recall(true, history, shown),
            (_, b'B') => self.recall(false, history, shown),
            ("1;5" | "1;3", b'C') => self.move_to(self.word_end(), shown),
            ("1;5" | "1;3", b'D') => self.move_to(self.word_start(), shown),
            (_, b'C') => self.move_to(self.cursor + 1, shown),
            (_, b'D') => self.move_to(self.cursor.saturating_sub(1), shown),
            (_, b'H') | ("1" | "7", b'~') => self.move_to(0, shown),
            (_, b'F') | ("4" | "8", b'~') => self.move_to(self.line.len(), shown),
            ("3", b'~') => self.remove(self.cursor, self.cursor + 1, shown),
            _ => {}
        }
    }

    /// Shows an older or a newer line of the history.
    fn recall(&mut self, older: bool, history: &[String], shown: &mut String) {
        let back = if older {
            (self.back + 1).min(history.len())
        } else {
            self.back.saturating_sub(1)
        };
        if back == self.back {
            return;
        }
        if self.back == 0 {
            self.draft = std::mem::take(&mut self.line);
        }
        self.back = back;
        self.line = match back {
            0 => std::mem::take(&mut self.draft),
            back => history[history.len() - back].chars().collect(),
        };
        self.cursor = self.line.len();
        self.draw(shown);
    }

    /// Answers [`Step::Complete`]: what the word before the cursor may become.
    pub(super) fn complete(&mut self, found: &[String], shown: &mut String) {
        let word: String = {
            let before = &self.line[..self.cursor];
            let start = before
                .iter()
                .rposition(|c| *c == ' ')
                .map_or(0, |space| space + 1);
            before[start..].iter().collect()
        };
        match found {
            [] => {}
            [only] => {
                let mut rest: Vec<char> = only.chars().skip(word.chars().count()).collect();
                if self.cursor == self.line.len() {
                    rest.push(' ');
                }
                self.insert(&rest, shown);
            }
            [first, ..] => {
                let common = first
                    .char_indices()
                    .map(|(index, c)| index + c.len_utf8())
                    .take_while(|end| found.iter().all(|name| name.starts_with(&first[..*end])))
                    .last()
                    .map_or("", |end| &first[..end]);
                let rest: Vec<char> = common.chars().skip(word.chars().count()).collect();
                if rest.is_empty() {
                    shown.push_str("\r\n");
                    shown.push_str(&found.join("  "));
                    shown.push_str("\r\n");
                    self.draw(shown);
                } else {
                    self.insert(&rest, shown);
                }
            }
        }
    }

    /// Draws prompt and line where the cursor's line is; of a long line the part around the
    /// cursor.
    fn draw(&self, shown: &mut String) {
        let room = self.columns.saturating_sub(self.prompt.len() + 1).max(1);
        let start = if self.cursor < room {
            0
        } else {
            self.cursor - room + 1
        };
        let end = self.line.len().min(start + room);
        shown.push('\r');
        shown.push_str(self.prompt);
        shown.extend(&self.line[start..end]);
        shown.push_str("\x1b[K");
        if self.cursor < end {
            shown.push_str(&format!("\x1b[{}D", end - self.cursor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(editor: &mut Editor, keys: &str, history: &[String]) -> (Vec<String>, String) {
        let mut shown = String::new();
        let mut lines = Vec::new();
        for byte in keys.bytes() {
            if let Step::Line(line) = editor.key(byte, history, &mut shown) {
                lines.push(line);
            }
        }
        (lines, shown)
    }

    fn line(keys: &str) -> String {
        let history = ["first".to_owned(), "second line".to_owned()];
        let (lines, _) = type_in(&mut Editor::new("> "), &format!("{keys}\r"), &history);
        assert_eq!(lines.len(), 1, "{keys:?}");
        lines[0].clone()
    }

    #[test]
    fn plain_text_is_shown_as_typed() {
        let (lines, shown) = type_in(&mut Editor::new("> "), "info status\r\nstop\n", &[]);
        assert_eq!(lines, ["info status", "stop"]);
        assert_eq!(shown, "info status\r\nstop\r\n");
    }

    #[test]
    fn keys_edit_the_line() {
        assert_eq!(line("stpo\x1b[D\x1b[D\x7f\x1b[Cot\x1b[F\x7f"), "spot");
        assert_eq!(line("abc\x01X\x05Y"), "XabcY");
        assert_eq!(line("abc\x1b[HX\x1b[4~Y"), "XabcY");
        assert_eq!(line("one two\x17three"), "one three");
        assert_eq!(line("one two\x15x"), "x");
        assert_eq!(line("one two\x01\x0bx"), "x");
        assert_eq!(line("abc\x01\x1b[3~\x04"), "c");
        assert_eq!(line("wrong\x03right"), "right");
        assert_eq!(line("é\x7fe"), "e");
        assert_eq!(line("a\x1bbX"), "Xa");
        assert_eq!(line("a b\x1b[1;5DX"), "a Xb");
    }

    #[test]
    fn history_goes_back_and_forth() {
        assert_eq!(line("\x1b[A"), "second line");
        assert_eq!(line("\x10\x10\x10"), "first");
        assert_eq!(line("draft\x1b[A\x1b[A\x1b[B\x1b[B!"), "draft!");
    }

    #[test]
    fn a_long_line_is_scrolled() {
        let mut editor = Editor::new("> ");
        editor.set_columns(Some(12));
        let (_, shown) = type_in(&mut editor, "abcdefghijkl", &[]);
        assert!(shown.starts_with("abcdefghi"), "{shown:?}");
        assert!(shown.ends_with("\r> efghijkl\x1b[K"), "{shown:?}");
    }

    #[test]
    fn completion_inserts_what_is_common_and_lists_the_rest() {
        let found = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let mut editor = Editor::new("> ");
        let mut shown = String::new();
        type_in(&mut editor, "sys", &[]);
        editor.complete(&found(&["system_powerdown", "system_reset"]), &mut shown);
        assert_eq!(
            (editor.before_cursor().as_str(), shown.as_str()),
            ("system_", "tem_")
        );
        shown.clear();
        editor.complete(&found(&["system_powerdown", "system_reset"]), &mut shown);
        assert_eq!(
            shown,
            "\r\nsystem_powerdown  system_reset\r\n\r> system_\x1b[K"
        );
        shown.clear();
        editor.complete(&found(&["system_reset"]), &mut shown);
        assert_eq!(editor.before_cursor(), "system_reset ");
    }
}
