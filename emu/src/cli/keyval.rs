//! Comma lists of `key=value` as they stand inside an option's value.
//!
//! `,,` is a comma inside a value; the first item may lack its key where an option has an
//! implied one; a bare word `key` means `key=on` and `nokey` means `key=off`.

use super::CliError;

/// An option's value, split. Keys are taken out one by one; [`KeyVals::finish`] refuses the rest.
#[derive(Debug, Clone)]
pub struct KeyVals {
    argument: String,
    items: Vec<Item>,
    known: Vec<&'static str>,
}

#[derive(Debug, Clone)]
struct Item {
    key: String,
    /// `None` for a bare word.
    value: Option<String>,
}

impl KeyVals {
    /// Splits `value` of `option`. `implied` is the key that a first bare word belongs to.
    ///
    /// # Errors
    /// An item without a key.
    pub fn parse(option: &str, value: &str, implied: Option<&str>) -> Result<Self, CliError> {
        let argument = format!("{option} {value}");
        let mut items = Vec::new();
        for (index, piece) in split_commas(value).into_iter().enumerate() {
            let item = match piece.split_once('=') {
                Some((key, value)) => Item {
                    key: key.into(),
                    value: Some(value.into()),
                },
                None => match implied {
                    Some(key) if index == 0 => Item {
                        key: key.into(),
                        value: Some(piece),
                    },
                    _ => Item {
                        key: piece,
                        value: None,
                    },
                },
            };
            if item.key.is_empty() {
                return Err(CliError::new(
                    argument,
                    "expected key=value items, found an empty one",
                ));
            }
            items.push(item);
        }
        Ok(Self {
            argument,
            items,
            known: Vec::new(),
        })
    }

    /// The option with its whole value, for messages.
    pub fn argument(&self) -> &str {
        &self.argument
    }

    /// An error at this argument.
    pub fn error(&self, problem: impl AsRef<str>) -> CliError {
        CliError::new(&self.argument, problem)
    }

    /// Takes the value of `key`; the last one counts where it is repeated.
    ///
    /// # Errors
    /// The key stands there without a value.
    pub fn take(&mut self, key: &'static str) -> Result<Option<String>, CliError> {
        self.known.push(key);
        let mut found = None;
        let mut bare = false;
        self.items.retain(|item| {
            let hit = item.key == key;
            if hit {
                bare = item.value.is_none();
                found.clone_from(&item.value);
            }
            !hit
        });
        if bare {
            return Err(self.error(format!("parameter '{key}' expects a value")));
        }
        Ok(found)
    }

    /// Takes a key whose value may not be missing.
    ///
    /// # Errors
    /// It is missing; `what` says what it is.
    pub fn require(&mut self, key: &'static str, what: &str) -> Result<String, CliError> {
        self.take(key)?
            .ok_or_else(|| self.error(format!("parameter '{key}' is missing, expected {what}")))
    }

    /// Takes a switch: `key=on|off|yes|no|true|false|y|n`, bare `key`, or bare `nokey`.
    ///
    /// # Errors
    /// Another value.
    pub fn switch(&mut self, key: &'static str) -> Result<Option<bool>, CliError> {
        self.known.push(key);
        let mut found = None;
        let mut wrong = None;
        self.items.retain(|item| {
            match item.value.as_deref() {
                None if item.key == key => found = Some(true),
                None if item.key.strip_prefix("no") == Some(key) => found = Some(false),
                Some(value) if item.key == key => match value {
                    "on" | "yes" | "true" | "y" => found = Some(true),
                    "off" | "no" | "false" | "n" => found = Some(false),
                    _ => wrong = Some(value.to_owned()),
                },
                _ => return true,
            }
            false
        });
        match wrong {
            Some(value) => Err(self.error(format!(
                "parameter '{key}' expects 'on' or 'off', not '{value}'"
            ))),
            None => Ok(found),
        }
    }

    /// Takes a key whose value is an unsigned number.
    ///
    /// # Errors
    /// Another value.
    pub fn number(&mut self, key: &'static str) -> Result<Option<u32>, CliError> {
        match self.take(key)? {
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                self.error(format!("parameter '{key}' expects a number, not '{text}'"))
            }),
        }
    }

    /// Takes a key whose value is one of `choices`.
    ///
    /// # Errors
    /// Another value.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, CliError> {
        let Some(text) = self.take(key)? else {
            return Ok(None);
        };
        match choices.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
                Err(self.error(format!(
                    "parameter '{key}' does not accept value '{text}', expected one of: {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// Takes keys that change nothing with these values of theirs. They are not among those
    /// that [`KeyVals::finish`] names.
    ///
    /// # Errors
    /// Another value.
    pub fn accept(&mut self, keys: &[(&str, &[&str])]) -> Result<(), CliError> {
        let mut wrong = None;
        self.items.retain(|item| {
            let Some((key, values)) = keys.iter().find(|(key, _)| *key == item.key) else {
                return true;
            };
            let value = item.value.as_deref().unwrap_or("on");
            if !values.contains(&value) {
                wrong = Some(format!(
                    "parameter '{key}' does not accept value '{value}', expected one of: {}",
                    values.join(", ")
                ));
            }
            false
        });
        wrong.map_or(Ok(()), |problem| Err(self.error(problem)))
    }

    /// All that was not taken, in order; a bare word counts as `on`.
    pub fn rest(self) -> Vec<(String, String)> {
        self.items
            .into_iter()
            .map(|item| (item.key, item.value.unwrap_or_else(|| "on".into())))
            .collect()
    }

    /// Refuses what was not taken.
    ///
    /// # Errors
    /// Anything is left.
    pub fn finish(self) -> Result<(), CliError> {
        match self.items.first() {
            None => Ok(()),
            Some(item) => Err(self.error(format!(
                "invalid parameter '{}', expected one of: {}",
                item.key,
                self.known.join(", ")
            ))),
        }
    }
}

/// Splits at single commas; a doubled one stands for itself.
fn split_commas(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == ',' && chars.next_if_eq(&',').is_none() {
            pieces.push(String::new());
        } else if let Some(last) = pieces.last_mut() {
            last.push(c);
        }
    }
    if pieces.len() > 1 && pieces.last().is_some_and(String::is_empty) {
        pieces.pop();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> KeyVals {
        KeyVals::parse("-x", text, Some("first")).unwrap()
    }

    #[test]
    fn the_first_word_may_lack_its_key_and_the_last_value_counts() {
        let mut kv = keys("socket,path=/a,,b,path=/c,,d,server,nowait");
        assert_eq!(kv.take("first").unwrap().as_deref(), Some("socket"));
        assert_eq!(kv.take("path").unwrap().as_deref(), Some("/c,d"));
        assert_eq!(kv.switch("server").unwrap(), Some(true));
        assert_eq!(kv.switch("wait").unwrap(), Some(false));
        kv.finish().unwrap();
    }

    #[test]
    fn messages_name_the_argument_the_key_and_what_was_expected() {
        let mut kv = keys("a,b=1");
        kv.take("first").unwrap();
        kv.take("c").unwrap();
        assert_eq!(
            kv.finish().unwrap_err().to_string(),
            "-x a,b=1: invalid parameter 'b', expected one of: first, c"
        );
        assert_eq!(
            keys("a,w=2").switch("w").unwrap_err().to_string(),
            "-x a,w=2: parameter 'w' expects 'on' or 'off', not '2'"
        );
        assert_eq!(
            keys("a,n=x").number("n").unwrap_err().to_string(),
            "-x a,n=x: parameter 'n' expects a number, not 'x'"
        );
        assert_eq!(
            keys("a,n").take("n").unwrap_err().to_string(),
            "-x a,n: parameter 'n' expects a value"
        );
        assert_eq!(
            KeyVals::parse("-x", "a,=4", None).unwrap_err().to_string(),
            "-x a,=4: expected key=value items, found an empty one"
        );
    }
}
