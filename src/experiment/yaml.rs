//! YAML with the place of every key and value, so that any later mistake can be named with file, line and column.
//!
//! YAML 1.2 as people mean it: `1e-4` is a number; `no`, `on` and `012` are text. Anchors, aliases and the merge key `<<`
//! are understood; a key that stands twice, a tag of a programming language, and a file that unfolds beyond
//! [`MOST_NODES`] are refused.

use crate::InputError;
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Keys and values of a file after its aliases are unfolded.
pub const MOST_NODES: usize = 1_000_000;
/// Lists and maps within each other.
pub const DEEPEST: usize = 64;
/// Bytes of a file.
pub const LONGEST: u64 = 16 << 20;

/// Where something is written. Shown as `file:line:column`, both from 1.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// As the user named it.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file), // an option has no lines
            line => write!(f, "{}:{line}:{}", self.file, self.column),
        }
    }
}

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its first character.
    pub at: Origin,
    /// What it is.
    pub content: Content,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Null, true or false, a number, or text.
    Scalar(Value),
    /// A list.
    List(Vec<Node>),
    /// A map, in the file's order, each key once.
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Its text.
    pub name: String,
    /// Where it is written.
    pub at: Origin,
}

impl Node {
    /// A mistake at this place.
    pub fn error(&self, problem: impl fmt::Display, remedy: impl fmt::Display) -> InputError {
        InputError::new(&self.at, problem, remedy)
    }

    /// The entries of a map; `what` is what the file should have here.
    ///
    /// # Errors
    ///
    /// It is no map.
    pub fn map(&self, what: &str) -> Result<&[(Key, Node)], InputError> {
        match &self.content {
            Content::Map(entries) => Ok(entries),
            other => {
                Err(self.error(format!("{} where {what} should be", other.kind()), "write it as {name: value, …}"))
            }
        }
    }

    /// The elements of a list, or the one value that stands there instead.
    pub fn list(&self) -> &[Node] {
        match &self.content {
            Content::List(elements) => elements,
            _ => std::slice::from_ref(self),
        }
    }

    /// The text of a scalar, also of a number.
    pub fn text(&self) -> Option<String> {
        match &self.content {
            Content::Scalar(Value::String(text)) => Some(text.clone()),
            Content::Scalar(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        }
    }

    /// Without places.
    pub fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(elements) => elements.iter().map(Node::value).collect(),
            Content::Map(entries) => entries.iter().map(|(key, node)| (key.name.clone(), node.value())).collect(),
        }
    }
}

impl Content {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(Value::Null) => "nothing",
            Self::Scalar(Value::Number(_)) => "a number",
            Self::Scalar(Value::Bool(_)) => "true or false",
            Self::Scalar(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// Reads a file.
///
/// # Errors
///
/// It cannot be read, is larger than [`LONGEST`], no UTF-8, or no YAML as described above: where and why.
pub fn read(path: &Path) -> Result<Node, InputError> {
    let mut bytes = Vec::new();
    // of a pipe or a device the length is known only once it is read
    let file = std::fs::File::open(path).map_err(|e| InputError::io(path, &e))?;
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|e| InputError::io(path, &e))?;
    if bytes.len() as u64 > LONGEST {
        return Err(InputError::new(path.display(), format!("has more than {LONGEST} bytes"), "split it"));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|b| **b == b'\n').count();
        let column =
            1 + String::from_utf8_lossy(before.rsplit(|b| *b == b'\n').next().unwrap_or_default()).chars().count();
        InputError::new(format!("{}:{line}:{column}", path.display()), "is not UTF-8 text", "save it as UTF-8")
    })?;
    parse(&path.display().to_string(), &text)
}

/// Reads `text`, which stands in `file`.
///
/// # Errors
///
/// As [`read`].
pub fn parse(file: &str, text: &str) -> Result<Node, InputError> {
    let file: Arc<str> = file.into();
    let mut builder = Builder { file: file.clone(), anchors: HashMap::new(), nodes: 0, open: Vec::new(), root: None };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| {
            let at = Origin { file: file.clone(), line: e.marker().line(), column: e.marker().col() + 1 };
            scan_error(at, text, e.info())
        })?;
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents > 1 {
                let problem = "a second document begins (---)";
                return Err(InputError::new(builder.origin(span), problem, "write one document in a file"));
            }
        }
        builder.event(event, span)?;
    }
    let empty = || Node { at: Origin { file, line: 1, column: 1 }, content: Content::Scalar(Value::Null) };
    Ok(builder.root.unwrap_or_else(empty))
}

fn scan_error(at: Origin, text: &str, info: &str) -> InputError {
    let lines: Vec<&str> = text.lines().collect();
    // the parser often notices a tab only later
    let indented_by_tab = |line: &&str| {
        let indent = &line[..line.len() - line.trim_start().len()];
        indent.contains('\t') && !line.trim().is_empty()
    };
    let near = at.line.saturating_sub(2)..lines.len().min(at.line + 1);
    if let Some(line) = near.clone().find(|line| indented_by_tab(&lines[*line])) {
        let column = 1 + lines[line].chars().take_while(|c| *c != '\t').count();
        let at = Origin { line: line + 1, column, ..at };
        return InputError::new(at, "a tab in the indentation, which YAML does not allow", "indent with spaces");
    }
    let remedy = if info.contains("anchor") || info.contains("alias") {
        "define the anchor (&name) before it is used (*name)"
    } else if info.contains("recursion limit") {
        "flatten it: there are too many lists and maps in each other"
    } else if info.contains("quote") {
        "close the quotes"
    } else {
        "look for a missing ':', quote, bracket or indentation there"
    };
    InputError::new(at, format!("is not YAML: {info}"), remedy)
}

/// A list or map that is not at its end yet.
struct Open {
    at: Origin,
    anchor: usize,
    map: bool,
    elements: Vec<Node>,
    entries: Vec<(Key, Node)>,
    merged: Vec<Node>,
    key: Option<Key>,
    names: HashSet<String>,
}

struct Builder {
    file: Arc<str>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    open: Vec<Open>,
    root: Option<Node>,
}

const MERGE: &str = "<<";

impl Builder {
    fn origin(&self, span: Span) -> Origin {
        Origin { file: self.file.clone(), line: span.start.line(), column: span.start.col() + 1 }
    }

    fn event(&mut self, event: Event, span: Span) -> Result<(), InputError> {
        let at = self.origin(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let value = match tag.as_deref() {
                    None if plain => Ok(plain_scalar(&text)),
                    None => Ok(Value::from(text.as_ref())),
                    Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(Value::from(text.as_ref())),
                    Some(tag)
                        if tag.is_yaml_core_schema()
                            && matches!(tag.suffix.as_str(), "int" | "float" | "bool" | "null") =>
                    {
                        Ok(plain_scalar(&text))
                    }
                    Some(tag) => Err(format!("a tag ({}{})", tag.handle, tag.suffix)),
                };
                let value = value.map_err(|problem| InputError::new(&at, problem, "write a plain value"))?;
                self.value(Node { at, content: Content::Scalar(value) }, anchor, 1)
            }
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    let remedy = "define the anchor (&name) before it is used (*name), and not around it";
                    return Err(InputError::new(&at, "an alias without its anchor", remedy));
                };
                self.value(node, 0, size)
            }
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) if tag.is_some() => {
                let _ = anchor;
                Err(InputError::new(&at, "a tag before a list or map", "leave it out"))
            }
            Event::SequenceStart(anchor, _) => self.begin(at, anchor, false),
            Event::MappingStart(anchor, _) => self.begin(at, anchor, true),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let anchor = open.anchor;
                    let node = open.close()?;
                    self.value(node, anchor, 1)
                }
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn begin(&mut self, at: Origin, anchor: usize, map: bool) -> Result<(), InputError> {
        if self.open.len() == DEEPEST {
            return Err(InputError::new(
                &at,
                format!("more than {DEEPEST} lists and maps in each other"),
                "flatten it",
            ));
        }
        let (elements, entries, merged) = (Vec::new(), Vec::new(), Vec::new());
        self.open.push(Open { at, anchor, map, elements, entries, merged, key: None, names: HashSet::new() });
        Ok(())
    }

    /// Puts a whole value where it belongs. `size` is the number of nodes that it adds.
    fn value(&mut self, node: Node, anchor: usize, size: usize) -> Result<(), InputError> {
        self.nodes += size;
        if self.nodes > MOST_NODES {
            let problem = format!("unfolds to more than {MOST_NODES} values");
            return Err(InputError::new(&node.at, problem, "use fewer aliases"));
        }
        if anchor > 0 {
            // a copy, which counts as well
            let size = count(&node);
            self.nodes += size;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        if !open.map {
            open.elements.push(node);
            return Ok(());
        }
        let Some(key) = open.key.take() else {
            let Some(name) = node.text() else {
                return Err(node.error(format!("{} as a key", node.content.kind()), "name keys with text"));
            };
            if name != MERGE && !open.names.insert(name.clone()) {
                return Err(node.error(format!("duplicate key: '{name}' stands there twice"), "leave one out"));
            }
            open.key = Some(Key { name, at: node.at });
            return Ok(());
        };
        match key.name.as_str() {
            MERGE => open.merged.push(node),
            _ => open.entries.push((key, node)),
        }
        Ok(())
    }
}

impl Open {
    fn close(mut self) -> Result<Node, InputError> {
        // what is written wins over what is merged, and the first of several merged over the later ones
        for merged in &self.merged {
            for node in merged.list() {
                for (key, value) in node.map("a map to merge")? {
                    if self.names.insert(key.name.clone()) {
                        self.entries.push((key.clone(), value.clone()));
                    }
                }
            }
        }
        let content = if self.map { Content::Map(self.entries) } else { Content::List(self.elements) };
        Ok(Node { at: self.at, content })
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.content {
        Content::Scalar(_) => 0,
        Content::List(elements) => elements.iter().map(count).sum(),
        Content::Map(entries) => entries.iter().map(|(_, node)| 1 + count(node)).sum(),
    }
}

/// The meaning of unquoted text, by the rules that `config.yaml` is read and written with.
fn plain_scalar(text: &str) -> Value {
    match serde_yaml::from_str(text) {
        Ok(serde_yaml::Value::Null) => Value::Null,
        Ok(serde_yaml::Value::Bool(value)) => Value::from(value),
        // infinities and what is no number stay text, which no setting takes for a number
        Ok(serde_yaml::Value::Number(number)) => match serde_json::to_value(&number) {
            Ok(Value::Null) | Err(_) => Value::from(text),
            Ok(number) => number,
        },
        _ => Value::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        parse("grid.yaml", text).unwrap_or_else(|e| panic!("{e}")).value()
    }

    #[test]
    fn scalars_mean_what_people_mean() {
        for (text, expected) in [
            ("1e-4", json!(1e-4)),
            ("5E-05", json!(5e-5)),
            (".5", json!(0.5)),
            ("1_000", json!("1_000")),
            ("no", json!("no")),
            ("on", json!("on")),
            ("y", json!("y")),
            ("012", json!("012")),
            ("12:30:00", json!("12:30:00")),
            ("'12'", json!("12")),
            ("true", json!(true)),
            ("~", json!(null)),
            ("", json!(null)),
            ("0x1F", json!(31)),
            ("-3", json!(-3)),
            ("20ep", json!("20ep")),
            (".nan", json!(".nan")),
            ("!!str 12", json!("12")),
            ("2026-11-21", json!("2026-11-21")),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn places_are_those_of_the_text() {
        let node = parse("grid.yaml", "a:\n  - x\n  - {b: [1, 2]}\n").unwrap();
        let (key, a) = &node.map("").unwrap()[0];
        assert_eq!(key.at.to_string(), "grid.yaml:1:1");
        let (b, list) = &a.list()[1].map("").unwrap()[0];
        assert_eq!(
            (b.at.to_string().as_str(), list.list()[1].at.to_string().as_str()),
            ("grid.yaml:3:6", "grid.yaml:3:13")
        );
    }

    #[test]
    fn anchors_and_merges_unfold() {
        let text = "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: {<<: [{p: 5}, *x]}\nd: *x\n";
        let expected =
            json!({"a": {"p": 1, "q": 2}, "b": {"q": 3, "p": 1}, "c": {"p": 5, "q": 2}, "d": {"p": 1, "q": 2}});
        assert_eq!(value(text), expected);
    }

    #[test]
    fn faults_have_a_place_and_a_remedy() {
        let laughs: String =
            (0..12).map(|i| format!("a{}: &a{} [{}]\n", i + 1, i + 1, vec![format!("*a{i}"); 9].join(", "))).collect();
        let laughs = format!("a0: &a0 [lol]\n{laughs}");
        for (text, place, rest) in [
            ("a: 1\na: 2\n", "grid.yaml:2:1", "stands there twice"),
            ("a:\n\tb: 1\n", "grid.yaml:2:1", "tab"),
            ("a: [1, 2\n", "grid.yaml:", "bracket"),
            ("a: 'x\n", "grid.yaml:1:", "quotes"),
            ("a: *b\n", "grid.yaml:1:", "anchor"),
            ("a: &x [*x]\n", "grid.yaml:1:8", "not around it"),
            ("a: !!python/object:os.system x\n", "grid.yaml:1:", "plain value"),
            ("? [1, 2]\n: 3\n", "grid.yaml:1:3", "as a key"),
            ("a: 1\n---\nb: 2\n", "grid.yaml:2:1", "second document"),
            ("a: {<<: 3}\n", "grid.yaml:1:9", "a map to merge"),
            (&laughs, "grid.yaml:6:5", "fewer aliases"),
            (&"[".repeat(100_000), "grid.yaml:1:256", "flatten"),
        ] {
            let error = parse("grid.yaml", text).expect_err(&text[..text.len().min(60)]).to_string();
            assert!(error.starts_with(place) && error.contains(rest), "{:?}: {error}", &text[..text.len().min(60)]);
        }
    }
}
