//! Predicates on settings, as `dropout == 0 and dataset in [mnist, fashion-mnist]`.
//!
//! ```text
//! or         a or b          and       a and b         not    not a, ( … )
//! compare    == != < <= > >= in        of a setting with a value, or the other way round
//! value      a number, true, false, null, 'text', "text", a word that is no setting's name, or a list [a, b]
//! ```
//!
//! What a setting is compared with must be a value that it could have: `dataset == mnits` is a mistake, not false.

use super::file::{Assigned, misfit};
use super::settings::{NAMES, Setting, Settings};
use crate::InputError;
use crate::names::nearest;
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// A condition that was read, and whose names are those of settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicate {
    text: String,
    expression: Expression,
}

#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Any(Vec<Expression>),
    All(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Operand, Comparison, Operand),
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Setting(&'static str),
    Value(Value),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    In,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Number(f64),
    Symbol(&'static str),
}

/// Longer ones first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 12] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "="];

impl Predicate {
    /// Reads `text`; `place` is where it stands, for messages.
    ///
    /// # Errors
    ///
    /// What is wrong, at which character, and what to write instead.
    pub fn parse(place: &str, text: &str) -> Result<Self, InputError> {
        let mut parser =
            Parser { place, tokens: tokens(place, text)?, next: 0, end: text.chars().count() + 1, depth: 0 };
        let expression = parser.any()?;
        match parser.peek() {
            None => Ok(Self { text: text.into(), expression }),
            Some(_) => {
                Err(parser.error("the condition goes on where it should end", "join conditions with 'and' or 'or'"))
            }
        }
    }

    /// That every setting of `row` has its value.
    pub fn all_equal(row: &[Assigned]) -> Self {
        let equal = |assigned: &Assigned| {
            let name = assigned.setting.name();
            Expression::Compare(Operand::Setting(name), Comparison::Equal, Operand::Value(resolved(&assigned.setting)))
        };
        let text = |assigned: &Assigned| format!("{} == {}", assigned.setting.name(), resolved(&assigned.setting));
        let texts: Vec<String> = row.iter().map(text).collect();
        Self { text: texts.join(" and "), expression: Expression::All(row.iter().map(equal).collect()) }
    }

    /// Whether `settings` fulfil it.
    pub fn holds(&self, settings: &Settings) -> bool {
        self.holds_for(&settings.values())
    }

    /// Whether settings with these values ([`Settings::values`]) fulfil it.
    pub fn holds_for(&self, values: &Map<String, Value>) -> bool {
        holds(&self.expression, values)
    }

    /// As [`Predicate::parse`] reads it.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A setting's value as resolved settings have it.
fn resolved(setting: &Setting) -> Value {
    let mut settings = Settings::default();
    setting.apply(&mut settings);
    settings.values().remove(setting.name()).unwrap_or_default()
}

fn holds(expression: &Expression, settings: &Map<String, Value>) -> bool {
    match expression {
        Expression::Any(parts) => parts.iter().any(|part| holds(part, settings)),
        Expression::All(parts) => parts.iter().all(|part| holds(part, settings)),
        Expression::Not(part) => !holds(part, settings),
        Expression::Compare(left, comparison, right) => {
            let value = |operand: &Operand| match operand {
                Operand::Setting(name) => settings.get(*name).cloned().unwrap_or(Value::Null),
                Operand::Value(value) => value.clone(),
            };
            compare(&value(left), *comparison, &value(right))
        }
    }
}

/// Numbers are compared as numbers, whole or not; what has no order is never less or greater.
fn compare(left: &Value, comparison: Comparison, right: &Value) -> bool {
    let order = || match (left, right) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (a, b) => a.as_f64()?.partial_cmp(&b.as_f64()?),
    };
    match comparison {
        Comparison::Equal => same(left, right),
        Comparison::Unequal => !same(left, right),
        Comparison::Less => order() == Some(Ordering::Less),
        Comparison::AtMost => matches!(order(), Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order() == Some(Ordering::Greater),
        Comparison::AtLeast => matches!(order(), Some(Ordering::Greater | Ordering::Equal)),
        Comparison::In => right.as_array().is_some_and(|list| list.iter().any(|value| same(left, value))),
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

/// Tokens with the character, from 1, at which each begins.
fn tokens(place: &str, text: &str) -> Result<Vec<(Token, usize)>, InputError> {
    let chars: Vec<char> = text.chars().collect();
    let in_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+');
    let mut found = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let (start, c) = (i, chars[i]);
        let rest: String = chars[i..].iter().take(2).collect();
        if c.is_whitespace() {
            i += 1;
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            i += symbol.len();
            found.push((Token::Symbol(symbol), start + 1));
        } else if c == '\'' || c == '"' {
            let length = chars[i + 1..].iter().position(|x| *x == c).ok_or_else(|| {
                InputError::new(
                    format!("{place}, character {}", start + 1),
                    "a quote that is not closed",
                    format!("close it with {c}"),
                )
            })?;
            found.push((Token::Text(chars[i + 1..i + 1 + length].iter().collect()), start + 1));
            i += length + 2;
        } else if in_word(c) {
            while i < chars.len() && in_word(chars[i]) {
                i += 1;
            }
            let word: String = chars[start..i].iter().collect();
            let starts_as_number = c.is_ascii_digit() || matches!(c, '-' | '+' | '.');
            let token = match word.parse::<f64>() {
                Ok(number) if starts_as_number && number.is_finite() => Token::Number(number),
                _ => Token::Word(word),
            };
            found.push((token, start + 1));
        } else {
            let at = format!("{place}, character {}", start + 1);
            return Err(InputError::new(
                at,
                format!("'{c}' has no meaning in a condition"),
                "quote text that holds it",
            ));
        }
    }
    Ok(found)
}

struct Parser<'a> {
    place: &'a str,
    tokens: Vec<(Token, usize)>,
    next: usize,
    end: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn error(&self, problem: &str, remedy: &str) -> InputError {
        let at = self.tokens.get(self.next).map_or(self.end, |(_, at)| *at);
        InputError::new(format!("{}, character {at}", self.place), problem, remedy)
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Word(found)) if found == word);
        self.next += usize::from(is);
        is
    }

    fn take_symbol(&mut self, symbol: &str) -> bool {
        let is = matches!(self.peek(), Some(Token::Symbol(found)) if *found == symbol);
        self.next += usize::from(is);
        is
    }

    fn any(&mut self) -> Result<Expression, InputError> {
        let mut parts = vec![self.all()?];
        while self.take_word("or") {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self) -> Result<Expression, InputError> {
        let mut parts = vec![self.not()?];
        while self.take_word("and") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn not(&mut self) -> Result<Expression, InputError> {
        let mut negated = false;
        while self.take_word("not") {
            negated = !negated;
        }
        let inner = match self.take_symbol("(") {
            false => self.comparison()?,
            true => {
                let inner = self.nested(Self::any)?;
                if !self.take_symbol(")") {
                    return Err(self.error("a bracket is not closed", "close it with )"));
                }
                inner
            }
        };
        Ok(if negated { Expression::Not(Box::new(inner)) } else { inner })
    }

    /// Reads what is inside a bracket, if it is not too deep for the stack.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, InputError>) -> Result<T, InputError> {
        const DEEPEST: usize = 100;
        if self.depth == DEEPEST {
            return Err(self.error("too many brackets", "leave some out"));
        }
        self.depth += 1;
        let inner = read(self)?;
        self.depth -= 1;
        Ok(inner)
    }

    fn comparison(&mut self) -> Result<Expression, InputError> {
        let at = self.next;
        let left = self.operand()?;
        let comparison = match self.peek() {
            Some(Token::Symbol("==")) => Comparison::Equal,
            Some(Token::Symbol("!=")) => Comparison::Unequal,
            Some(Token::Symbol("<")) => Comparison::Less,
            Some(Token::Symbol("<=")) => Comparison::AtMost,
            Some(Token::Symbol(">")) => Comparison::Greater,
            Some(Token::Symbol(">=")) => Comparison::AtLeast,
            Some(Token::Word(word)) if word == "in" => Comparison::In,
            Some(Token::Symbol("=")) => return Err(self.error("'=' compares nothing", "write ==")),
            _ => return Err(self.error("a comparison is missing", "write one of == != < <= > >= in")),
        };
        self.next += 1;
        let right = self.operand()?;
        if !matches!((&left, &right), (Operand::Setting(_), _) | (_, Operand::Setting(_))) {
            self.next = at;
            let word = match &self.tokens[at].0 {
                Token::Word(word) | Token::Text(word) => word.clone(),
                _ => String::new(),
            };
            let remedy = match nearest(&word, NAMES) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("there are {}", NAMES.join(", ")),
            };
            return Err(self.error("neither side is a setting", &remedy));
        }
        if comparison == Comparison::In && !matches!(&right, Operand::Value(Value::Array(_)) | Operand::Setting(_)) {
            self.next -= 1;
            return Err(self.error("'in' wants a list", "write it as [a, b]"));
        }
        let end = self.next;
        self.next = at;
        let (left, right) = match (left, right) {
            (Operand::Setting(name), Operand::Value(value)) => {
                (Operand::Setting(name), Operand::Value(self.fitting(name, comparison, value)?))
            }
            (Operand::Value(value), Operand::Setting(name)) if comparison != Comparison::In => {
                (Operand::Value(self.fitting(name, comparison, value)?), Operand::Setting(name))
            }
            both => both,
        };
        self.next = end;
        Ok(Expression::Compare(left, comparison, right))
    }

    /// `value` as the setting would have it, if it could.
    fn fitting(&self, name: &str, comparison: Comparison, value: Value) -> Result<Value, InputError> {
        let read = |value: Value| {
            let wrong = |problem: Option<String>| {
                misfit(name, &problem.unwrap_or_default(), |problem, remedy| self.error(problem, remedy))
            };
            Setting::read(name, value).map(|setting| resolved(&setting)).map_err(wrong)
        };
        match comparison {
            Comparison::Equal | Comparison::Unequal => read(value),
            Comparison::In => match value {
                Value::Array(list) => list.into_iter().map(read).collect(),
                other => Ok(other),
            },
            _ if value.is_number() && resolved_is_number(name) => Ok(value),
            _ => Err(self.error(&format!("{name} and {value} have no order"), "compare numbers, or write == or !=")),
        }
    }

    fn operand(&mut self) -> Result<Operand, InputError> {
        if self.take_symbol("[") {
            let mut list = Vec::new();
            while !self.take_symbol("]") {
                match self.nested(Self::operand)? {
                    Operand::Value(value) => list.push(value),
                    Operand::Setting(name) => list.push(Value::from(name)),
                }
                if !self.take_symbol(",") && self.peek() != Some(&Token::Symbol("]")) {
                    return Err(self.error("a list is not closed", "close it with ]"));
                }
            }
            return Ok(Operand::Value(Value::Array(list)));
        }
        let value = match self.peek() {
            Some(Token::Number(number)) => Value::from(*number),
            Some(Token::Text(text)) => Value::from(text.clone()),
            Some(Token::Word(word)) => match word.as_str() {
                "true" => Value::from(true),
                "false" => Value::from(false),
                "null" => Value::Null,
                "and" | "or" | "not" | "in" => {
                    return Err(self.error("a value is missing", "write a setting or a value"));
                }
                word => match NAMES.iter().find(|name| **name == word) {
                    Some(name) => {
                        self.next += 1;
                        return Ok(Operand::Setting(name));
                    }
                    None => Value::from(word),
                },
            },
            _ => return Err(self.error("a value is missing", "write a setting or a value")),
        };
        self.next += 1;
        Ok(Operand::Value(value))
    }
}

/// Whether a setting is a number, or could be one.
fn resolved_is_number(name: &str) -> bool {
    let one = Setting::read(name, Value::from(1)).or_else(|_| Setting::read(name, Value::from(0)));
    one.is_ok_and(|setting| resolved(&setting).is_number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::yaml;

    fn holds(condition: &str) -> bool {
        let mut settings = Settings::default();
        let given = "{dropout: 0.5, l1: 5e-5, dataset: fashion-mnist, hidden: [64, 64]}";
        for (key, node) in yaml::parse("", given).unwrap().map("").unwrap() {
            Setting::read(&key.name, node.value()).unwrap().apply(&mut settings);
        }
        Predicate::parse("--where", condition).unwrap_or_else(|e| panic!("{e}")).holds(&settings)
    }

    #[test]
    fn conditions_hold_or_not() {
        for (condition, expected) in [
            ("dropout==0.5", true),
            ("dropout == .5 and l1 == 0.00005", true),
            ("dropout==0 or l1>0", true),
            ("not dropout==0.5", false),
            ("not (dropout==0 or l1==0)", true),
            ("(dropout==0) or (l1>0) and epochs>=20", true),
            ("((dropout==0) or (l1>0)) and epochs>20", false),
            ("0.4 < dropout", true),
            ("dataset==fashion-mnist", true),
            ("dataset in [mnist, 'fashion-mnist']", true),
            ("dataset != \"mnist\"", true),
            ("hidden == [64, 64]", true),
            ("n_train == null", true),
            ("epochs == 20ep", true),
            ("epochs in [10, 20.0]", true),
            ("n_train < 3", false),
            ("dropout==0.5 and dataset==mnist or epochs==20", true),
        ] {
            assert_eq!(holds(condition), expected, "{condition}");
        }
    }

    #[test]
    fn mistakes_are_placed() {
        let deep = "(".repeat(100_000) + "dropout==0";
        for (condition, at, remedy) in [
            ("dropuot==0.5", "character 1:", "did you mean 'dropout'?"),
            ("dropout=0.5", "character 8:", "write =="),
            ("dropout", "character 8:", "write one of =="),
            ("dropout==", "character 10:", "write a setting or a value"),
            ("(dropout==0", "character 12:", "close it with )"),
            ("dropout==0 l1==0", "character 12:", "'and' or 'or'"),
            ("dataset in mnist", "character 12:", "[a, b]"),
            ("dataset in [mnist", "character 18:", "close it with ]"),
            ("dataset == 'mnist", "character 12:", "close it with '"),
            ("dropout % 2", "character 9:", "quote"),
            ("dataset == mnits", "character 1:", "did you mean 'mnist'?"),
            ("dropout==1.5", "character 1:", "1.5 is not a number in [0, 1)"),
            ("dataset < 3", "character 1:", "have no order"),
            ("epochs == many", "character 1:", "a value that fits"),
            ("l1==0 and epochs in [1, x]", "character 11:", "x is not a whole number"),
            ("", "character 1:", "write a setting or a value"),
            (&deep, "character", "leave some out"),
        ] {
            let error = Predicate::parse("--where", condition).expect_err(condition).to_string();
            assert!(error.starts_with("--where, ") && error.contains(at) && error.contains(remedy), "{error}");
        }
    }
}
