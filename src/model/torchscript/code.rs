//! The classes and functions of a program, each found in the archive when it is first named.

use std::collections::HashMap;
use std::rc::Rc;

use super::parser::parse;
use super::syntax::{Function, Source};
use crate::InputError;
use crate::model::archive::Archive;

/// Bytes of one source; that of the largest networks has a few hundred kilobytes.
const MAX_SOURCE: u64 = 1 << 23;

/// Bytes of all.
const MAX_SOURCES: usize = 1 << 25;

/// Sources of one archive.
pub(super) struct Code<'a> {
    archive: &'a Archive,
    prefix: &'a str,
    parsed: HashMap<String, Rc<Source>>,
    bytes: usize,
}

/// A function, and the source it is in.
pub(super) type Method = (Rc<Source>, Rc<Function>);

/// What a qualified name stands for.
pub(super) enum Definition {
    Function(Rc<Source>, Rc<Function>),
    /// With the names of its parts.
    NamedTuple(Rc<[Rc<str>]>),
    /// Any other class.
    Class,
}

impl<'a> Code<'a> {
    /// Of the archive whose members begin with `prefix`.
    pub fn new(archive: &'a Archive, prefix: &'a str) -> Self {
        Self { archive, prefix, parsed: HashMap::new(), bytes: 0 }
    }

    /// What a name like `__torch__.torch.nn.functional.relu` stands for.
    pub fn definition(&mut self, path: &str) -> Result<Option<Definition>, InputError> {
        let Some((source, name)) = self.source(path)? else { return Ok(None) };
        if let Some(function) = source.functions.get(name) {
            return Ok(Some(Definition::Function(source.clone(), function.clone())));
        }
        Ok(source.classes.get(name).map(|class| match class.base.as_deref() {
            Some("NamedTuple") => Definition::NamedTuple(class.fields.clone()),
            _ => Definition::Class,
        }))
    }

    /// A method of a class by its qualified name.
    pub fn method(&mut self, class: &str, method: &str) -> Result<Option<Method>, InputError> {
        let Some((source, name)) = self.source(class)? else { return Ok(None) };
        let found = source.classes.get(name).and_then(|class| class.methods.get(method)).cloned();
        Ok(found.map(|function| (source, function)))
    }

    /// The source of `path`, and the last part of the name.
    fn source<'p>(&mut self, path: &'p str) -> Result<Option<(Rc<Source>, &'p str)>, InputError> {
        let Some((module, name)) = path.rsplit_once('.') else { return Ok(None) };
        if let Some(source) = self.parsed.get(module) {
            return Ok(Some((source.clone(), name)));
        }
        let member = format!("code/{}.py", module.replace('.', "/"));
        let Some(index) = self.archive.find(&format!("{}/{member}", self.prefix)) else { return Ok(None) };
        let bytes = self.archive.read(index, MAX_SOURCE)?;
        let place = || format!("{}, {member}", self.archive.path().display());
        self.bytes += bytes.len();
        if self.bytes > MAX_SOURCES {
            let problem = format!("is one of sources of more than {MAX_SOURCES} bytes");
            return Err(InputError::new(place(), problem, "save the part of the network that matters"));
        }
        let source = parse(&member, &String::from_utf8_lossy(&bytes)).map_err(|(line, problem)| {
            InputError::new(format!("{} line {line}", place()), problem, "the file is damaged: save it again")
        })?;
        let source = Rc::new(source);
        self.parsed.insert(module.to_string(), source.clone());
        Ok(Some((source, name)))
    }
}
