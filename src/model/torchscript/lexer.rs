//! Source of TorchScript into words.

use std::rc::Rc;

/// Deepest indentation of blocks.
const MAX_BLOCKS: usize = 50;

/// A word, with the line it stands on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub line: usize,
    pub word: Word,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    Name(Rc<str>),
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    Symbol(&'static str),
    /// End of a line outside brackets.
    Newline,
    Indent,
    Dedent,
    End,
}

/// Longer ones first.
const SYMBOLS: [&str; 35] = [
    "**", "//", "->", "==", "!=", "<=", ">=", "<<", ">>", "...", "(", ")", "[", "]", "{", "}", ",", ":", ".", "=", "+",
    "-", "*", "/", "%", "<", ">", "&", "|", "^", "~", "@", ";", "!", "?",
];

/// The words of `text`, the last of them [`Word::End`].
///
/// # Errors
///
/// The line, and what is wrong there.
pub(super) fn words(text: &str) -> Result<Vec<Token>, (usize, String)> {
    let mut tokens = vec![];
    let mut indents = vec![0];
    let mut brackets = 0usize;
    let (mut line, mut rest) = (1, text);
    let mut begins = true;
    loop {
        if begins && brackets == 0 {
            let body = rest.trim_start_matches(' ');
            let indent = rest.len() - body.len();
            rest = body;
            if let Some(after) = blank(rest) {
                if after.is_empty() {
                    break;
                }
                (rest, line) = (&after[1..], line + 1);
                continue;
            }
            let current = indents.last().copied().unwrap_or(0);
            if indent > current {
                if indents.len() > MAX_BLOCKS {
                    return Err((line, format!("nests more than {MAX_BLOCKS} blocks")));
                }
                indents.push(indent);
                tokens.push(Token { line, word: Word::Indent });
            }
            while indents.last().is_some_and(|&last| last > indent) {
                indents.pop();
                tokens.push(Token { line, word: Word::Dedent });
            }
            if indents.last() != Some(&indent) {
                return Err((line, "is indented as no line before it".into()));
            }
            begins = false;
        }
        rest = rest.trim_start_matches([' ', '\t', '\r']);
        if let Some(after) = blank(rest) {
            if brackets == 0 {
                tokens.push(Token { line, word: Word::Newline });
                begins = true;
            }
            if after.is_empty() {
                break;
            }
            (rest, line) = (&after[1..], line + 1);
            continue;
        }
        let (word, after) = word(rest).map_err(|problem| (line, problem))?;
        match word {
            Word::Symbol("(" | "[" | "{") => brackets += 1,
            Word::Symbol(")" | "]" | "}") => brackets = brackets.saturating_sub(1),
            _ => {}
        }
        tokens.push(Token { line, word });
        rest = after;
    }
    if brackets > 0 {
        return Err((line, "ends within brackets".into()));
    }
    tokens.extend(indents[1..].iter().map(|_| Token { line, word: Word::Dedent }));
    tokens.push(Token { line, word: Word::End });
    Ok(tokens)
}

/// What follows on a line of which nothing is left but a comment: its line break, or nothing at the end of the text.
fn blank(rest: &str) -> Option<&str> {
    let after = if rest.starts_with('#') { &rest[rest.find('\n').unwrap_or(rest.len())..] } else { rest };
    let after = after.strip_prefix('\r').unwrap_or(after);
    (after.is_empty() || after.starts_with('\n')).then_some(after)
}

fn word(rest: &str) -> Result<(Word, &str), String> {
    let first = rest.chars().next().unwrap_or(' ');
    if first == '"' || first == '\'' {
        return text(rest, first);
    }
    if first.is_ascii_digit() || first == '.' && rest[1..].starts_with(|next: char| next.is_ascii_digit()) {
        return number(rest);
    }
    if first.is_alphabetic() || first == '_' {
        let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        return Ok((Word::Name(rest[..end].into()), &rest[end..]));
    }
    let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
    let symbol = symbol.ok_or_else(|| format!("has the unexpected letter {first:?}"))?;
    Ok((Word::Symbol(symbol), &rest[symbol.len()..]))
}

fn number(rest: &str) -> Result<(Word, &str), String> {
    let bytes = rest.as_bytes();
    let mut end = 0;
    while let Some(&byte) = bytes.get(end) {
        let sign = matches!(byte, b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E');
        if !(byte.is_ascii_alphanumeric() || byte == b'.' || sign) {
            break;
        }
        end += 1;
    }
    let (digits, after) = rest.split_at(end);
    if let Ok(value) = digits.parse::<u64>() {
        // The least integer is written as the negative of one that is none.
        return Ok((Word::Int(value as i64), after));
    }
    // Imaginary numbers are numbers for all that matters here.
    let value = digits.trim_end_matches('j').parse::<f64>().map_err(|_| format!("has the number '{digits}'"))?;
    Ok((Word::Float(value), after))
}

fn text(rest: &str, quote: char) -> Result<(Word, &str), String> {
    let mut value = String::new();
    let mut letters = rest[1..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Ok((Word::Text(value.into()), &rest[at + 2..])),
            '\n' => break,
            '\\' => match letters.next().map(|(_, letter)| letter) {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some('r') => value.push('\r'),
                Some(other @ ('\\' | '"' | '\'')) => value.push(other),
                // Other letters by their number, which no name or format has.
                Some(_) => value.push('?'),
                None => break,
            },
            _ => value.push(letter),
        }
    }
    Err("has a text without an end".into())
}
