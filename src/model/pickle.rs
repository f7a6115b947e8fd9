//! Reads the pickles inside PyTorch archives as plain data: a stack machine that builds values and runs nothing.
//!
//! Understood are the opcodes of protocols 2 to 5 that `torch.save` and `torch.jit.save` emit. What a pickle may
//! refer to, and what calling it yields, is listed in [`torch_globals`](super::torch_globals).

use std::collections::HashMap;
use std::rc::Rc;

use crate::model::heap::{Fault, Heap, Id, Value};
use crate::model::torch_globals::{Global, Storage};

/// Interprets a whole pickle; yields all its values and which of them is the result.
///
/// # Errors
///
/// The place in `bytes` and the fault, where an opcode is unknown or does not fit what is on the stack, the end is
/// missing, or something is named that is not on the list.
pub(super) fn load(bytes: &[u8]) -> Result<(Heap, Id), (usize, Fault)> {
    load_from(bytes, 0).map(|(heap, root, _)| (heap, root))
}

/// The same of a pickle that begins at `at` of `bytes`; also where it ends.
///
/// # Errors
///
/// As [`load`].
pub(super) fn load_from(bytes: &[u8], at: usize) -> Result<(Heap, Id, usize), (usize, Fault)> {
    let mut machine = Machine { bytes, at, heap: Heap::default(), stack: vec![], marks: vec![], memo: HashMap::new() };
    loop {
        let at = machine.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(result)) => return Ok((machine.heap, result, machine.at)),
            Err(fault) => return Err((at, fault)),
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    heap: Heap,
    stack: Vec<Id>,
    /// Heights of the stack at each open MARK.
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
}

impl Machine<'_> {
    /// Does one opcode; yields the result at STOP. The comments are the names in Python's `pickletools`.
    fn step(&mut self) -> Result<Option<Id>, Fault> {
        match self.byte()? {
            b'.' => return self.pop().map(Some),            // STOP
            0x80 => self.protocol()?,                       // PROTO
            0x95 => self.take(8).map(|_| ())?,              // FRAME
            b'(' => self.marks.push(self.stack.len()),      // MARK
            b'0' => self.discard()?,                        // POP
            b'1' => self.pop_mark().map(|_| ())?,           // POP_MARK
            b'2' => self.duplicate()?,                      // DUP
            b'N' => self.push(Value::None)?,                // NONE
            0x88 => self.push(Value::Bool(true))?,          // NEWTRUE
            0x89 => self.push(Value::Bool(false))?,         // NEWFALSE
            b'G' => self.float()?,                          // BINFLOAT
            b'K' => self.int(1)?,                           // BININT1
            b'M' => self.int(2)?,                           // BININT2
            b'J' => self.int(4)?,                           // BININT
            0x8a => self.long(1)?,                          // LONG1
            0x8b => self.long(4)?,                          // LONG4
            0x8c => self.text(1)?,                          // SHORT_BINUNICODE
            b'X' => self.text(4)?,                          // BINUNICODE
            0x8d => self.text(8)?,                          // BINUNICODE8
            b'U' => self.text(1)?,                          // SHORT_BINSTRING
            b'T' => self.text(4)?,                          // BINSTRING
            b'C' => self.data(1)?,                          // SHORT_BINBYTES
            b'B' => self.data(4)?,                          // BINBYTES
            0x8e | 0x96 => self.data(8)?,                   // BINBYTES8 BYTEARRAY8
            b']' | 0x8f => self.push(Value::List(vec![]))?, // EMPTY_LIST EMPTY_SET
            b'a' => self.append_one()?,                     // APPEND
            b'e' | 0x90 => self.append_marked()?,           // APPENDS ADDITEMS
            b'l' | 0x91 => self.gather(Value::List)?,       // LIST FROZENSET
            b')' => self.push(Value::Tuple(vec![]))?,       // EMPTY_TUPLE
            b't' => self.gather(Value::Tuple)?,             // TUPLE
            0x85 => self.tuple(1)?,                         // TUPLE1
            0x86 => self.tuple(2)?,                         // TUPLE2
            0x87 => self.tuple(3)?,                         // TUPLE3
            b'}' => self.push(Value::Dict(vec![]))?,        // EMPTY_DICT
            b'd' => self.dict_from_mark()?,                 // DICT
            b's' => self.set_one()?,                        // SETITEM
            b'u' => self.set_marked()?,                     // SETITEMS
            b'h' => self.recall(1)?,                        // BINGET
            b'j' => self.recall(4)?,                        // LONG_BINGET
            b'q' => self.memorise(1)?,                      // BINPUT
            b'r' => self.memorise(4)?,                      // LONG_BINPUT
            0x94 => self.memorise(0)?,                      // MEMOIZE
            b'c' => self.global_in_line()?,                 // GLOBAL
            0x93 => self.global_on_stack()?,                // STACK_GLOBAL
            b'R' => self.reduce()?,                         // REDUCE
            0x81 => self.new_object(false)?,                // NEWOBJ
            0x92 => self.new_object(true)?,                 // NEWOBJ_EX
            b'b' => self.build()?,                          // BUILD
            b'Q' => self.storage()?,                        // BINPERSID
            opcode => return Err(Fault::damaged(format!("has the unexpected pickle opcode 0x{opcode:02x}"))),
        }
        Ok(None)
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, count: usize) -> Result<&[u8], Fault> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.bytes.len());
        let end = end.ok_or_else(|| Fault::damaged("ends in the middle"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// Unsigned little-endian number of `width` bytes, at most 8.
    fn number(&mut self, width: usize) -> Result<usize, Fault> {
        let value = self.take(width)?.iter().rev().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
        usize::try_from(value).map_err(|_| Fault::damaged("has a length beyond memory"))
    }

    fn push(&mut self, value: Value) -> Result<(), Fault> {
        let id = self.heap.add(value)?;
        self.stack.push(id);
        Ok(())
    }

    /// Takes the topmost value above the last mark.
    fn pop(&mut self) -> Result<Id, Fault> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(Fault::damaged("takes a value from an empty stack"));
        }
        self.stack.pop().ok_or_else(|| Fault::damaged("takes a value from an empty stack"))
    }

    /// Takes all values above the last mark, and the mark.
    fn pop_mark(&mut self) -> Result<Vec<Id>, Fault> {
        let height = self.marks.pop().ok_or_else(|| Fault::damaged("closes a group that it did not open"))?;
        Ok(self.stack.split_off(height))
    }

    fn top(&self) -> Result<Id, Fault> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack[floor..].last().copied().ok_or_else(|| Fault::damaged("needs a value on an empty stack"))
    }

    fn protocol(&mut self) -> Result<(), Fault> {
        match self.byte()? {
            2..=5 => Ok(()),
            version => Err(Fault {
                problem: format!("is in pickle protocol {version}"),
                remedy: "save it again with torch.save and its default pickle_protocol",
            }),
        }
    }

    fn discard(&mut self) -> Result<(), Fault> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(|_| ())
    }

    fn duplicate(&mut self) -> Result<(), Fault> {
        let top = self.top()?;
        self.heap.spend(1)?;
        self.stack.push(top);
        Ok(())
    }

    fn float(&mut self) -> Result<(), Fault> {
        let bits = self.take(8)?.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte));
        self.push(Value::Float(f64::from_bits(bits)))
    }

    fn int(&mut self, width: usize) -> Result<(), Fault> {
        let value = self.number(width)? as i64;
        // Only the four-byte form has a sign.
        self.push(Value::Int(if width == 4 { i64::from(value as u32 as i32) } else { value }))
    }

    /// Two's complement of any length; integers beyond `i64` describe no tensor.
    fn long(&mut self, width: usize) -> Result<(), Fault> {
        let length = self.number(width)?;
        let bytes = self.take(length)?;
        let value = if length > 8 {
            Value::Inert
        } else {
            let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
            let start = if negative { -1 } else { 0 };
            Value::Int(bytes.iter().rev().fold(start, |value, &byte| value << 8 | i64::from(byte)))
        };
        self.push(value)
    }

    fn text(&mut self, width: usize) -> Result<(), Fault> {
        let length = self.number(width)?;
        let text = Rc::from(String::from_utf8_lossy(self.take(length)?));
        self.push(Value::Text(text))
    }

    fn data(&mut self, width: usize) -> Result<(), Fault> {
        let length = self.number(width)?;
        self.take(length)?;
        self.push(Value::Inert)
    }

    fn gather(&mut self, container: fn(Vec<Id>) -> Value) -> Result<(), Fault> {
        let items = self.pop_mark()?;
        self.heap.spend(items.len())?;
        self.push(container(items))
    }

    fn tuple(&mut self, count: usize) -> Result<(), Fault> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.heap.spend(count)?;
        self.push(Value::Tuple(items))
    }

    fn append_one(&mut self) -> Result<(), Fault> {
        let item = self.pop()?;
        self.extend(vec![item])
    }

    fn append_marked(&mut self) -> Result<(), Fault> {
        let items = self.pop_mark()?;
        self.extend(items)
    }

    fn extend(&mut self, items: Vec<Id>) -> Result<(), Fault> {
        let list = self.top()?;
        self.heap.spend(items.len())?;
        match self.heap.get_mut(list) {
            Value::List(list) => list.extend(items),
            Value::Inert => {}
            _ => return Err(Fault::damaged("appends to what is no list")),
        }
        Ok(())
    }

    fn dict_from_mark(&mut self) -> Result<(), Fault> {
        let items = self.pop_mark()?;
        self.push(Value::Dict(vec![]))?;
        self.set(items)
    }

    fn set_one(&mut self) -> Result<(), Fault> {
        let value = self.pop()?;
        let key = self.pop()?;
        self.set(vec![key, value])
    }

    fn set_marked(&mut self) -> Result<(), Fault> {
        let items = self.pop_mark()?;
        self.set(items)
    }

    /// Sets `[key, value, key, value, …]` in the dictionary on top of the stack.
    fn set(&mut self, items: Vec<Id>) -> Result<(), Fault> {
        let dict = self.top()?;
        self.heap.spend(items.len())?;
        let (pairs, rest) = items.as_chunks::<2>();
        match self.heap.get_mut(dict) {
            Value::Dict(dict) if rest.is_empty() => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Value::Inert => {}
            _ => return Err(Fault::damaged("sets items of what is no dictionary")),
        }
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<(), Fault> {
        let key = self.number(width)?;
        let id = *self.memo.get(&key).ok_or_else(|| Fault::damaged(format!("recalls the unknown value {key}")))?;
        self.heap.spend(1)?;
        self.stack.push(id);
        Ok(())
    }

    /// Width 0: the next free number.
    fn memorise(&mut self, width: usize) -> Result<(), Fault> {
        let key = if width == 0 { self.memo.len() } else { self.number(width)? };
        self.heap.spend(1)?;
        self.memo.insert(key, self.top()?);
        Ok(())
    }

    fn global_in_line(&mut self) -> Result<(), Fault> {
        let module = self.line()?;
        let name = self.line()?;
        self.push(Value::Global(Global::named(&module, &name)?))
    }

    fn line(&mut self) -> Result<String, Fault> {
        // Python identifiers are short; a longer line is not one.
        let rest = &self.bytes[self.at..];
        let end = rest.iter().take(1000).position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| Fault::damaged("has a name without an end"))?;
        self.at += end + 1;
        Ok(String::from_utf8_lossy(&rest[..end]).into_owned())
    }

    fn global_on_stack(&mut self) -> Result<(), Fault> {
        let (name, module) = (self.pop()?, self.pop()?);
        let (Value::Text(module), Value::Text(name)) = (self.heap.get(module), self.heap.get(name)) else {
            return Err(Fault::damaged("names a class by what is no text"));
        };
        let (global, length) = (Global::named(module, name)?, module.len() + name.len());
        // A class keeps its name, and names on the stack may be used again and again.
        self.heap.spend(length / 16)?;
        self.push(Value::Global(global))
    }

    fn reduce(&mut self) -> Result<(), Fault> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let (Value::Global(global), Value::Tuple(arguments)) = (self.heap.get(callable), self.heap.get(arguments))
        else {
            return Err(Fault::damaged("calls what is no function"));
        };
        let result = match global {
            Global::OrderedDict => Value::Dict(self.pairs(arguments)?),
            Global::ScriptClass(class) => Value::Object { class: class.clone(), state: None },
            Global::Identity => match arguments.first() {
                Some(&argument) => {
                    self.stack.push(argument);
                    return Ok(());
                }
                None => Value::List(vec![]),
            },
            Global::RebuildParameter => {
                let tensor = arguments.first().copied().filter(|&id| matches!(self.heap.get(id), Value::Tensor(_)));
                self.stack.push(tensor.ok_or_else(|| Fault::damaged("has a parameter that is no tensor"))?);
                return Ok(());
            }
            global => match global.tensor(&self.heap, arguments)? {
                Some(tensor) => Value::Tensor(Box::new(tensor)),
                None => Value::Inert,
            },
        };
        if let Value::Dict(pairs) = &result {
            self.heap.spend(pairs.len())?;
        }
        self.push(result)
    }

    /// The argument of `OrderedDict([(key, value), …])`.
    fn pairs(&self, arguments: &[Id]) -> Result<Vec<(Id, Id)>, Fault> {
        let Some(&list) = arguments.first() else { return Ok(vec![]) };
        let (Value::List(items) | Value::Tuple(items)) = self.heap.get(list) else {
            return Err(Fault::damaged("makes a dictionary of what is no list"));
        };
        let pair = |&item: &Id| match self.heap.get(item) {
            Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => Ok((pair[0], pair[1])),
            _ => Err(Fault::damaged("makes a dictionary of what are no pairs")),
        };
        items.iter().map(pair).collect()
    }

    fn new_object(&mut self, keywords: bool) -> Result<(), Fault> {
        if keywords {
            self.pop()?;
        }
        let (_, class) = (self.pop()?, self.pop()?);
        let object = match self.heap.get(class) {
            Value::Global(Global::ScriptClass(class)) => Value::Object { class: class.clone(), state: None },
            Value::Global(Global::OrderedDict) => Value::Dict(vec![]),
            Value::Global(Global::Inert) => Value::Inert,
            _ => return Err(Fault::damaged("makes an object of what is no class")),
        };
        self.push(object)
    }

    fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let object = self.top()?;
        // The state of dictionaries and tensors is metadata.
        if let Value::Object { state: slot, .. } = self.heap.get_mut(object) {
            *slot = Some(state);
        }
        Ok(())
    }

    /// `('storage', type, key, device, elements, …)`.
    fn storage(&mut self) -> Result<(), Fault> {
        let id = self.pop()?;
        let fault = || Fault::damaged("has a storage that is not described as PyTorch does");
        let Value::Tuple(parts) = self.heap.get(id) else { return Err(fault()) };
        let [tag, class, key, _device, elements, ref view @ ..] = parts[..] else { return Err(fault()) };
        let get = |id| self.heap.get(id);
        if view.iter().any(|&id| !matches!(get(id), Value::None)) {
            let problem = "has a view of a storage, as PyTorch before 0.4 wrote them".to_string();
            return Err(Fault { problem, remedy: "save it again with torch.save(model.state_dict(), FILE)" });
        }
        match (get(tag), get(class), get(key), get(elements)) {
            (Value::Text(tag), Value::Global(Global::Storage(dtype)), Value::Text(key), Value::Int(elements))
                if &**tag == "storage" =>
            {
                let elements = u64::try_from(*elements).map_err(|_| fault())?;
                let storage = Storage { key: key.clone(), dtype: *dtype, elements };
                self.push(Value::Storage(storage))
            }
            _ => Err(fault()),
        }
    }
}
