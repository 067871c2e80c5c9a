//! Numbers and sums as the monitor's `x`, `xp` and `print` take them.
//!
//! Decimal, 0x hexadecimal and 0 octal numbers; `$pc`; `+ - * / % & | ^ ~`, parentheses; C's
//! order of operations, 64 bits, wrapping.

/// Evaluates `text`; `register` knows the values of `$names`.
///
/// # Errors
/// One sentence.
pub(super) fn evaluate(text: &str, register: &dyn Fn(&str) -> Option<u64>) -> Result<u64, String> {
    let mut parser = Parser {
        rest: text.trim_start(),
        register,
        depth: 0,
    };
    let value = parser.sum(0)?;
    if parser.rest.is_empty() {
        Ok(value)
    } else {
        Err(format!(
            "extraneous characters at the end of line: '{}'",
            parser.rest
        ))
    }
}

struct Parser<'a> {
    rest: &'a str,
    register: &'a dyn Fn(&str) -> Option<u64>,
    depth: usize,
}

/// Operators, loosest first.
const LEVELS: &[&str] = &["|", "^", "&", "+-", "*/%"];

/// Parentheses and signs, one in another, at most.
const DEPTH: usize = 100;

impl<'a> Parser<'a> {
    fn sum(&mut self, level: usize) -> Result<u64, String> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.sum(level + 1)?;
        while let Some(operator) = self.rest.chars().next().filter(|c| operators.contains(*c)) {
            self.skip(1);
            let right = self.sum(level + 1)?;
            left = match operator {
                '|' => left | right,
                '^' => left ^ right,
                '&' => left & right,
                '+' => left.wrapping_add(right),
                '-' => left.wrapping_sub(right),
                '*' => left.wrapping_mul(right),
                '/' => left.checked_div(right).ok_or("division by zero")?,
                _ => left.checked_rem(right).ok_or("division by zero")?,
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<u64, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("the expression is nested too deeply".into());
        }
        let value = match self.rest.chars().next() {
            None => return Err("unexpected end of expression".into()),
            Some('(') => {
                self.skip(1);
                let value = self.sum(0)?;
                if !self.rest.starts_with(')') {
                    return Err("expected ')'".into());
                }
                self.skip(1);
                value
            }
            Some('-') => {
                self.skip(1);
                self.unary()?.wrapping_neg()
            }
            Some('~') => {
                self.skip(1);
                !self.unary()?
            }
            Some('+') => {
                self.skip(1);
                self.unary()?
            }
            Some('$') => {
                self.skip(1);
                let name = self.word();
                (self.register)(name)
                    .ok_or_else(|| format!("unknown register '${name}', expected $pc"))?
            }
            Some(_) => self.number()?,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn skip(&mut self, count: usize) {
        self.rest = self.rest[count..].trim_start();
    }

    fn word(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        self.skip(end);
        word
    }

    fn number(&mut self) -> Result<u64, String> {
        let word = self.word();
        let hex = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
        let value = match hex {
            Some(digits) => u64::from_str_radix(digits, 16),
            None if word.len() > 1 && word.starts_with('0') => u64::from_str_radix(word, 8),
            None => word.parse(),
        };
        value.map_err(|_| {
            if word.is_empty() {
                format!(
                    "invalid char '{}' in expression",
                    self.rest.chars().next().unwrap_or(' ')
                )
            } else {
                format!("'{word}' is not a number of 64 bits")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums() {
        let pc = |name: &str| (name == "pc").then_some(0x1000);
        let value = |text: &str| evaluate(text, &pc);
        assert_eq!(value("1+2*3"), Ok(7));
        assert_eq!(value(" ( 1 + 2 ) * 3 "), Ok(9));
        assert_eq!(value("0x10 + 010 - 1"), Ok(23));
        assert_eq!(value("$pc+8"), Ok(0x1008));
        assert_eq!(value("~0 & 0xff ^ 1"), Ok(0xfe));
        assert_eq!(value("-1"), Ok(u64::MAX));
        assert_eq!(value("7%4/3"), Ok(1));
        assert_eq!(value("1/0"), Err("division by zero".into()));
        assert_eq!(value(""), Err("unexpected end of expression".into()));
        assert_eq!(value("(1"), Err("expected ')'".into()));
        assert_eq!(
            value("1 2"),
            Err("extraneous characters at the end of line: '2'".into())
        );
        assert_eq!(
            value("$r1"),
            Err("unknown register '$r1', expected $pc".into())
        );
        assert_eq!(value("0xg"), Err("'0xg' is not a number of 64 bits".into()));
        assert_eq!(value("é"), Err("invalid char 'é' in expression".into()));
        assert!(value(&"(".repeat(1000)).is_err());
    }
}
