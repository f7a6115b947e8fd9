//! From a network's input to what it returns.

use super::interpreter::{Machine, Stop};
use super::syntax::Expression;
use super::value::Value;
use crate::InputError;
use crate::dataflow::{self, Dataflow};
use crate::model::draft::data;
use crate::model::heap;

impl Machine<'_> {
    /// Follows `forward` of the object `root`.
    pub fn network(mut self, root: heap::Id, class: &str) -> Result<Option<Dataflow>, InputError> {
        let Some((source, function)) = self.code.method(class, "forward")? else { return Ok(None) };
        let mut arguments = vec![Value::Module(root)];
        for parameter in function.parameters.iter().skip(1).take_while(|parameter| parameter.default.is_none()) {
            let annotation = parameter.annotation.map(|id| &source.expressions[id as usize]);
            arguments.push(match annotation {
                Some(Expression::Name(name)) if &**name == "Tensor" => {
                    let input = self.draft.input(&parameter.name, None);
                    self.values.tensor(input, None)
                }
                Some(Expression::Subscript(of, _)) if matches!(&source.expressions[*of as usize], Expression::Name(name) if &**name == "Optional") => {
                    Value::None
                }
                _ => Value::Unknown,
            });
        }
        let returned = self.call(&source, &function, arguments, vec![], "".into()).and_then(|value| {
            let mut outputs = vec![];
            self.tensors(&value, &mut outputs)?;
            Ok(outputs)
        });
        let outputs = match returned {
            Ok(outputs) => outputs,
            Err(Stop::Fault(error)) => return Err(error),
            Err(Stop::Raise(message)) => {
                let problem = format!("raises an exception in inference: {message}");
                return Err(InputError::new(self.place(), problem, "save the network in .eval() mode"));
            }
        };
        if outputs.is_empty() {
            let place = format!("{}, {}", self.archive.path().display(), source.member);
            let problem = "has a forward that returns no tensor made of its input";
            return Err(InputError::new(place, problem, "save a network whose output depends on its input"));
        }
        Ok(Some(self.draft.finish(outputs)))
    }

    /// The tensors in what a network returns.
    fn tensors(&mut self, value: &Value, found: &mut Vec<dataflow::Value>) -> Result<(), Stop> {
        self.enter()?;
        match value {
            Value::Tensor(at) => found.extend(data(&self.values.tensors[*at].operand)),
            Value::List(at) | Value::Tuple(at) => {
                let items = self.values.sequences[*at].items.clone();
                items.iter().try_for_each(|item| self.tensors(item, found))?;
            }
            Value::Dict(at) => {
                let pairs = self.values.dicts[*at].clone();
                pairs.iter().try_for_each(|(_, item)| self.tensors(item, found))?;
            }
            _ => {}
        }
        self.leave();
        Ok(())
    }
}
