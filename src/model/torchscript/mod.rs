//! The dataflow of a network that `torch.jit.save` wrote: scripted, traced or frozen.
//!
//! Such an archive holds the network's `forward` as source, in a small part of Python that is the same for scripted and
//! traced networks. It is parsed here ([`parser`]) and followed ([`interpreter`]) with tensors that are nothing but where
//! they come from ([`value`]); operators are [`operators`]'s, what they do with channels [`crate::model::aten`]'s. No tensor is computed. Conditions are
//! decided by numbers, texts and lists, which are; one that depends on a tensor's elements, or on its extent in pixels, is
//! an error unless one of its two ways only raises, or both do the same.

mod calls;
mod code;
mod expressions;
mod interpreter;
mod lexer;
mod lists;
mod network;
mod operators;
mod parser;
mod scalars;
mod syntax;
mod value;

use crate::InputError;
use crate::dataflow::Dataflow;
use crate::model::archive::Archive;
use crate::model::heap::Value;
use crate::model::pytorch::{Pickled, constants_member, pickle_member};

/// What `forward` does in inference; `None` for an archive without a program, or without a `forward` in it.
///
/// # Errors
///
/// If the program is damaged, does what no inference does, or cannot be followed without running it.
pub(super) fn dataflow(archive: &Archive) -> Result<Option<Dataflow>, InputError> {
    let Some(member) = pickle_member(archive) else { return Ok(None) };
    let Some(constants) = constants_member(archive, member) else { return Ok(None) };
    let data = Pickled::read(archive, member, "data")?;
    let constants = Pickled::read(archive, constants, "constants")?;
    let Value::Object { class, .. } = data.heap.get(data.root) else { return Ok(None) };
    let prefix = archive.members()[member].name.split('/').next().unwrap_or_default();
    let entries = [&data.entries[..], &constants.entries[..]].concat();
    interpreter::Machine::new(archive, prefix, &data, &constants, &entries).network(data.root, class)
}

#[cfg(test)]
mod tests;
