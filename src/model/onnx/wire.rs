//! Protocol buffers as far as ONNX needs them: numbered fields in a stretch of a file, none of them read before it is asked for.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::InputError;

/// Bytes read at once: messages of nodes are small, and tensors are stepped over.
const PAGE: u64 = 1 << 13;

/// Bytes of a name; no writer comes near.
const MAX_TEXT: u64 = 1 << 12;

/// Names and numbers in all the nodes of a file: more than the largest networks have, and at most some 100 MB.
const MAX_WORDS: usize = 1 << 21;

/// A file that is read by position.
pub(super) struct Source<'a> {
    path: &'a Path,
    file: &'a File,
    length: u64,
    /// Where the last page read begins, and its bytes.
    page: RefCell<(u64, Vec<u8>)>,
    /// Names and numbers that may still be read.
    words: Cell<usize>,
}

/// A stretch of the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    /// First byte.
    pub start: u64,
    /// The byte after the last.
    pub end: u64,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wire {
    /// An integer; negative ones in two's complement.
    Varint(u64),
    /// Four bytes.
    Fixed32([u8; 4]),
    /// Eight bytes, which nothing here needs.
    Fixed64,
    /// Text, bytes, a message or packed numbers.
    Bytes(Span),
}

/// The fields of a message, one after the other.
pub(super) struct Fields<'a> {
    source: &'a Source<'a>,
    span: Span,
}

impl<'a> Source<'a> {
    /// A file of `length` bytes.
    pub fn new(path: &'a Path, file: &'a File, length: u64) -> Self {
        Self { path, file, length, page: RefCell::default(), words: Cell::new(MAX_WORDS) }
    }

    /// The whole file.
    pub fn span(&self) -> Span {
        Span { start: 0, end: self.length }
    }

    /// The message in `span`.
    pub fn fields(&'a self, span: Span) -> Fields<'a> {
        Fields { source: self, span }
    }

    /// That the file is not as it should be at some byte.
    pub fn damaged(&self, at: u64, problem: &str) -> InputError {
        let place = format!("{}, byte {at}", self.path.display());
        InputError::new(place, problem, "the ONNX file is cut short or damaged: fetch or save it again")
    }

    /// The bytes of a span, at most `limit`.
    pub fn bytes(&self, span: Span, limit: u64) -> Result<Vec<u8>, InputError> {
        if span.end - span.start > limit {
            return Err(self.damaged(span.start, &format!("has {} bytes where a few belong", span.end - span.start)));
        }
        let mut bytes = vec![0; (span.end - span.start) as usize];
        self.file.read_exact_at(&mut bytes, span.start).map_err(|error| InputError::io(self.path, &error))?;
        Ok(bytes)
    }

    /// Counts what is kept in memory.
    fn spend(&self, at: u64) -> Result<(), InputError> {
        let left = self.words.get().checked_sub(1);
        self.words.set(left.ok_or_else(|| self.damaged(at, "has more names and numbers than any network"))?);
        Ok(())
    }

    /// A name.
    pub fn text(&self, span: Span) -> Result<String, InputError> {
        self.spend(span.start)?;
        if span.end - span.start > MAX_TEXT {
            return Err(self.damaged(span.start, "has a name that never ends"));
        }
        let bytes = (span.start..span.end).map(|at| self.byte(at)).collect::<Result<_, _>>()?;
        String::from_utf8(bytes).map_err(|_| self.damaged(span.start, "has a name that is no text"))
    }

    /// Packed integers, at most `limit` of them.
    pub fn varints(&self, mut span: Span, limit: usize) -> Result<Vec<i64>, InputError> {
        let mut numbers = Vec::new();
        while span.start < span.end {
            if numbers.len() >= limit {
                return Err(self.damaged(span.start, "has more numbers than can belong there"));
            }
            self.spend(span.start)?;
            numbers.push(self.varint(&mut span)? as i64);
        }
        Ok(numbers)
    }

    fn byte(&self, at: u64) -> Result<u8, InputError> {
        let mut page = self.page.borrow_mut();
        let (start, bytes) = &mut *page;
        if at < *start || at >= *start + bytes.len() as u64 {
            bytes.resize(PAGE.min(self.length.saturating_sub(at)) as usize, 0);
            *start = at;
            if let Err(error) = self.file.read_exact_at(bytes, at) {
                bytes.clear();
                return Err(InputError::io(self.path, &error));
            }
        }
        bytes.get((at - *start) as usize).copied().ok_or_else(|| self.damaged(at, "ends in the middle"))
    }

    fn varint(&self, span: &mut Span) -> Result<u64, InputError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            if span.start >= span.end {
                return Err(self.damaged(span.start, "ends in the middle"));
            }
            let byte = self.byte(span.start)?;
            span.start += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.damaged(span.start, "has a number of more than 64 bits"))
    }
}

impl Fields<'_> {
    /// Number and content of the next field; `None` behind the last.
    pub fn next(&mut self) -> Result<Option<(u64, Wire)>, InputError> {
        let Self { source, span } = self;
        if span.start >= span.end {
            return Ok(None);
        }
        let start = span.start;
        let tag = source.varint(span)?;
        let wire = match tag & 7 {
            0 => Wire::Varint(source.varint(span)?),
            1 => self.take(8).map(|_| Wire::Fixed64)?,
            2 => {
                let length = source.varint(span)?;
                Wire::Bytes(self.take(length)?)
            }
            5 => {
                let taken = self.take(4)?;
                let mut bytes = [0; 4];
                for (byte, at) in bytes.iter_mut().zip(taken.start..) {
                    *byte = self.source.byte(at)?;
                }
                Wire::Fixed32(bytes)
            }
            _ => return Err(source.damaged(start, "has a field of no known kind")),
        };
        match tag >> 3 {
            0 => Err(self.source.damaged(start, "has a field without a number")),
            number => Ok(Some((number, wire))),
        }
    }

    fn take(&mut self, length: u64) -> Result<Span, InputError> {
        let Span { start, end } = self.span;
        if length > end - start {
            let problem = format!("claims {length} bytes where {} are left", end - start);
            return Err(self.source.damaged(start, &problem));
        }
        self.span.start += length;
        Ok(Span { start, end: start + length })
    }
}
