//! Matrix Market: a banner line, comments, a line of sizes, and an entry a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use sprs::{CsMatI, CsMatViewI};

use super::{assemble, node_count, weight};
use crate::InputError;

/// The format allows 1024 letters; some writers put long comments.
const MAX_LINE: u64 = 1 << 16;

/// Reads a `.mtx` file of `length` bytes.
pub(super) fn read(path: &Path, file: File, length: u64) -> Result<CsMatI<f64, u32>, InputError> {
    let mut lines = Lines { path, reader: BufReader::new(file), number: 0, line: String::new() };
    lines.advance()?;
    let banner = Banner::parse(&lines)?;
    lines.next_content()?;
    let sizes = lines.line.split_whitespace().map(str::parse).collect::<Result<Vec<u64>, _>>().unwrap_or_default();
    let (rows, columns, entries) = match sizes[..] {
        [rows, columns, entries] if banner.coordinate => (rows, columns, Some(entries)),
        [rows, columns] if !banner.coordinate => (rows, columns, None),
        _ => {
            let wanted = if banner.coordinate { "rows, columns and entries" } else { "rows and columns" };
            let problem = format!("'{}' should be the numbers of {wanted}", lines.excerpt());
            return Err(lines.error(problem, "save the graph again with scipy.io.mmwrite"));
        }
    };
    let nodes = node_count(&lines.place(), rows, columns, length)?;
    let found = match entries {
        Some(count) => coordinates(&mut lines, &banner, nodes, count, length)?,
        None => dense(&mut lines, &banner, nodes, length)?,
    };
    if lines.next_content()? {
        return Err(lines.error("there are more entries than the sizes say".into(), "mend the line of sizes"));
    }
    assemble(path, nodes, found, 1)
}

/// What the first line says.
struct Banner {
    coordinate: bool,
    pattern: bool,
    symmetric: bool,
}

impl Banner {
    fn parse(lines: &Lines) -> Result<Self, InputError> {
        let banner = lines.line.to_ascii_lowercase();
        let refuse = |problem: String| Err(lines.error(problem, "save a real, undirected graph with scipy.io.mmwrite"));
        let words: Vec<&str> = banner.split_whitespace().collect();
        let [_, "matrix", format, field, symmetry] = words[..] else {
            return refuse(format!("'{}' is not '%%MatrixMarket matrix FORMAT FIELD SYMMETRY'", lines.excerpt()));
        };
        if !matches!(format, "coordinate" | "array") {
            return refuse(format!("the format '{format}' is neither coordinate nor array"));
        }
        let pattern = field == "pattern";
        if !matches!(field, "real" | "double" | "integer" | "unsigned-integer" | "pattern") {
            return refuse(format!("the field '{field}' is none of real, integer and pattern"));
        }
        if !matches!(symmetry, "general" | "symmetric") {
            return refuse(format!("the symmetry '{symmetry}' is neither general nor symmetric"));
        }
        if pattern && format == "array" {
            return refuse("an array has values, and cannot be a pattern".into());
        }
        Ok(Self { coordinate: format == "coordinate", pattern, symmetric: symmetry == "symmetric" })
    }
}

/// `row column [weight]` lines, counted from 1.
fn coordinates(
    lines: &mut Lines,
    banner: &Banner,
    nodes: u32,
    count: u64,
    length: u64,
) -> Result<Vec<(u32, u32, f64)>, InputError> {
    // "1 1\n" is the shortest entry.
    if count > length / 4 + 1 {
        let problem = format!("claims {count} entries in a file of {length} bytes");
        return Err(lines.error(problem, "the file is cut short: fetch or save it again"));
    }
    let mut found = Vec::new();
    for done in 0..count {
        if !lines.next_content()? {
            let problem = format!("ends after {done} of {count} entries");
            return Err(lines.error(problem, "the file is cut short: fetch or save it again"));
        }
        let mut words = lines.line.split_whitespace();
        let (row, column) = (words.next(), words.next());
        let value = if banner.pattern { Some("1") } else { words.next() };
        let (Some(row), Some(column), Some(value), None) = (row, column, value, words.next()) else {
            let wanted = if banner.pattern { "row and column" } else { "row, column and weight" };
            return Err(lines.error(format!("'{}' should be {wanted}", lines.excerpt()), "mend the line"));
        };
        let index = |word: &str| match word.parse::<u32>() {
            Ok(index) if (1..=nodes).contains(&index) => Ok(index - 1),
            _ => Err(lines.error(format!("the index '{word}' is not from 1 to {nodes}"), "mend the line")),
        };
        let (row, column, value) = (index(row)?, index(column)?, lines.weight(value)?);
        found.push((row, column, value));
        if banner.symmetric && row != column {
            found.push((column, row, value));
        }
    }
    Ok(found)
}

/// All values column by column; of a symmetric matrix only those from the diagonal down.
fn dense(lines: &mut Lines, banner: &Banner, nodes: u32, length: u64) -> Result<Vec<(u32, u32, f64)>, InputError> {
    let n = u64::from(nodes);
    let count = if banner.symmetric { n.saturating_mul(n + 1) / 2 } else { n.saturating_mul(n) };
    // "0\n" is the shortest value.
    if count > length / 2 + 1 {
        let problem = format!("{nodes} nodes need {count} values, too many for a file of {length} bytes");
        return Err(lines.error(problem, "the file is cut short: fetch or save it again"));
    }
    let mut found = Vec::new();
    for column in 0..nodes {
        for row in if banner.symmetric { column } else { 0 }..nodes {
            if !lines.next_content()? {
                let problem = format!("ends before the value at ({}, {})", row + 1, column + 1);
                return Err(lines.error(problem, "the file is cut short: fetch or save it again"));
            }
            let value = lines.weight(&lines.line)?;
            if value == 0.0 {
                continue;
            }
            found.push((row, column, value));
            if banner.symmetric && row != column {
                found.push((column, row, value));
            }
        }
    }
    Ok(found)
}

/// A file by lines, with the number of the current one for messages.
struct Lines<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    number: u64,
    line: String,
}

impl Lines<'_> {
    /// Reads a line; false at the end, which keeps the number of the last one.
    fn advance(&mut self) -> Result<bool, InputError> {
        self.line.clear();
        let io = |error| InputError::io(self.path, &error);
        let mut bytes = Vec::new();
        let count = self.reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes).map_err(io)? as u64;
        if count == 0 {
            return Ok(false);
        }
        self.number += 1;
        if count == MAX_LINE && bytes.last() != Some(&b'\n') {
            let problem = format!("the line is longer than {MAX_LINE} bytes");
            return Err(self.error(problem, "save the graph again with scipy.io.mmwrite"));
        }
        match String::from_utf8(bytes) {
            Ok(line) => self.line = line,
            // A comment may be in any encoding.
            Err(error) if error.as_bytes().starts_with(b"%") => self.line.push('%'),
            Err(_) => {
                return Err(self.error("the line is not text".into(), "save the graph again with scipy.io.mmwrite"));
            }
        }
        Ok(true)
    }

    /// Advances to the next line that is neither empty nor a comment; false at the end.
    fn next_content(&mut self) -> Result<bool, InputError> {
        while self.advance()? {
            let content = self.line.trim_start();
            if !content.is_empty() && !content.starts_with('%') {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn weight(&self, word: &str) -> Result<f64, InputError> {
        let word = word.trim();
        let value = word.parse().map_err(|_| self.error(format!("'{}' is no number", cut(word)), "mend the line"))?;
        weight(|| self.place(), value)
    }

    /// The current line, for messages.
    fn excerpt(&self) -> &str {
        cut(self.line.trim())
    }

    fn place(&self) -> String {
        format!("{}:{}", self.path.display(), self.number)
    }

    fn error(&self, problem: String, remedy: &str) -> InputError {
        InputError::new(self.place(), problem, remedy)
    }
}

/// At most the first 60 letters.
fn cut(text: &str) -> &str {
    text.char_indices().nth(60).map_or(text, |(end, _)| &text[..end])
}

/// Writes the lower triangle as `coordinate real symmetric`; the numbers read back the same.
pub(super) fn write(file: &mut impl Write, adjacency: CsMatViewI<f64, u32>) -> io::Result<()> {
    let lower = || adjacency.iter().filter(|&(_, (row, column))| column <= row);
    let nodes = adjacency.rows();
    writeln!(file, "%%MatrixMarket matrix coordinate real symmetric")?;
    writeln!(file, "{nodes} {nodes} {}", lower().count())?;
    for (weight, (row, column)) in lower() {
        writeln!(file, "{} {} {weight:e}", u64::from(row) + 1, u64::from(column) + 1)?;
    }
    Ok(())
}
