//! Operators on tensors: what they do with channels is said by [`aten`], what they change or show a part of, here.

use super::interpreter::{Frame, Machine, Stop};
use super::value::{Arguments, Tensor, Value};
use crate::InputError;
use crate::model::aten::{self, Argument, Call, Fault};
use crate::model::draft::{Operand, Site, data};

/// Number of results, of which the first alone depends on the channels one by one.
fn results(base: &str) -> usize {
    match base {
        "_batch_norm_impl_index" => 5,
        "cudnn_batch_norm" => 4,
        "native_batch_norm" => 3,
        "native_dropout" => 2,
        _ if base.ends_with("_with_indices")
            || base.starts_with("adaptive_max_pool")
            || base.starts_with("fractional_max_pool") =>
        {
            2
        }
        _ => 1,
    }
}

/// Position of the weight that a layer or normalisation is called after.
fn weight(base: &str) -> Option<usize> {
    match base {
        "addmm" => Some(2),
        "linear" | "matmul" | "mm" => Some(1),
        _ if base.contains("conv") || base.contains("batch_norm") => Some(1),
        _ => None,
    }
}

impl Machine<'_> {
    /// Calls `space::name`.
    pub fn operator(&mut self, space: &str, name: &str, arguments: Arguments) -> Result<Value, Stop> {
        if matches!(space, "prim" | "aten")
            && let Some(value) = self.scalar(name, &arguments)?
        {
            return Ok(value);
        }
        let first = arguments.positional.first();
        if let (Some(Value::Tensor(_)), true) = (first, aten::is_identity(name)) {
            return Ok(arguments.positional[0].clone());
        }
        let base = aten::base(name);
        let tensors = self.tensors_among(&arguments)?;
        let whole = format!("{space}::{name}");
        match (tensors.first(), space) {
            (Some(&tensor), "prim") => {
                let same = matches!(name, "data" | "unchecked_unwrap_optional");
                return Ok(if same { Value::Tensor(tensor) } else { Value::Unknown });
            }
            (None, _) if space != "aten" || !aten::makes(base) => return Ok(Value::Unknown),
            (_, "aten") => {}
            _ => {
                let operands: Vec<Operand> =
                    tensors.iter().map(|&at| self.values.tensors[at].operand.clone()).collect();
                let name = self.here();
                let operand = self.draft.unsupported(Site { name: &name, operation: &whole }, "", &operands);
                return Ok(self.values.tensor(operand, None));
            }
        }
        let given = self.tensor_operator(base, &whole, &arguments)?;
        self.spend(given.len())?;
        if base != name {
            return match (first, given.into_iter().next()) {
                (Some(&Value::Tensor(target)), Some(result)) => self.write(target, result, &whole),
                (_, result) => Ok(self.values.tensor(result.unwrap_or(Operand::Computed(None)), None)),
            };
        }
        let root = |at: usize| self.values.tensors[at].base.unwrap_or(at);
        let viewed = tensors.first().copied().filter(|_| aten::is_view(base)).map(root);
        let mut values: Vec<Value> = given.into_iter().map(|operand| self.values.tensor(operand, viewed)).collect();
        Ok(match results(base) {
            _ if aten::gives_list(base) => match &values[..] {
                // Parts that cannot be told: as many as anyone asks for.
                [single] if self.is_unsupported(single) => single.clone(),
                _ => self.values.list(values),
            },
            1 => values.into_iter().next().unwrap_or(Value::Unknown),
            count => {
                values.resize(count, Value::Unknown);
                self.values.tuple(values, None)
            }
        })
    }

    fn tensor_operator(&mut self, base: &str, whole: &str, arguments: &Arguments) -> Result<Vec<Operand>, Stop> {
        let name = self.site_name(base, arguments);
        let mut call = Call { site: Site { name: &name, operation: whole }, operator: base, arguments: vec![] };
        for value in &arguments.positional {
            call.arguments.push(("", self.argument(value)?));
        }
        for (name, value) in &arguments.named {
            call.arguments.push((&**name, self.argument(value)?));
        }
        aten::apply(&mut self.draft, &call).map_err(|Fault::Quantised| {
            let problem = format!("calls {whole}: the network is quantised");
            Stop::Fault(InputError::new(self.place(), problem, "save the network before quantising it"))
        })
    }

    /// Writes `result` into a tensor, by an operator whose name ends with `_`.
    fn write(&mut self, target: usize, result: Operand, whole: &str) -> Result<Value, Stop> {
        self.changes += 1;
        if data(&self.values.tensors[target].operand).is_none() && data(&result).is_some() {
            return Err(self.fault(format!("changes a constant by {whole}")));
        }
        let Tensor { operand: before, base } = self.values.tensors[target].clone();
        self.values.tensors[target].operand = result;
        // What shows a part of the same tensor, or another shape, is changed too.
        let root = base.unwrap_or(target);
        self.spend(self.values.tensors.len() - root)?;
        for at in root..self.values.tensors.len() {
            let Tensor { operand, base } = &self.values.tensors[at];
            let shows = at == root || *base == Some(root);
            if at == target || !shows || data(operand).is_none() || self.draft.are_disjoint(&before, operand) {
                continue;
            }
            let (name, operation, operand) = (self.here(), format!("{whole} of a part"), [operand.clone()]);
            let site = Site { name: &name, operation: &operation };
            self.values.tensors[at].operand = self.draft.unsupported(site, "", &operand);
        }
        Ok(Value::Tensor(target))
    }

    /// The tensors among the arguments, and in lists among them.
    fn tensors_among(&mut self, arguments: &Arguments) -> Result<Vec<usize>, Stop> {
        let (mut found, mut items) = (vec![], 0);
        for argument in arguments.all() {
            let list = self.values.items(argument).unwrap_or(std::slice::from_ref(argument));
            items += list.len();
            found.extend(list.iter().filter_map(|item| match item {
                Value::Tensor(at) => Some(*at),
                _ => None,
            }));
        }
        self.spend(items)?;
        Ok(found)
    }

    fn argument(&mut self, value: &Value) -> Result<Argument, Stop> {
        Ok(match value {
            Value::None => Argument::Absent,
            Value::Bool(value) => Argument::Bool(*value),
            Value::Int(value) => Argument::Int(Some(*value)),
            Value::Float(value) => Argument::Float(*value),
            Value::Text(text) => Argument::Text(text.to_string()),
            Value::Unknown => Argument::Int(None),
            Value::Tensor(at) => Argument::Operand(self.values.tensors[*at].operand.clone()),
            Value::List(_) | Value::Tuple(_) => {
                let items = self.values.items(value).unwrap_or_default().to_vec();
                self.spend(items.len())?;
                if items.iter().any(|item| matches!(item, Value::Tensor(_))) {
                    let operand = |item: &Value| match item {
                        Value::Tensor(at) => Some(self.values.tensors[*at].operand.clone()),
                        Value::None => None,
                        _ => Some(Operand::Computed(None)),
                    };
                    return Ok(Argument::Operands(items.iter().filter_map(operand).collect()));
                }
                let number = |item: &Value| match item {
                    Value::Int(value) => Some(Some(*value)),
                    Value::Unknown => Some(None),
                    _ => None,
                };
                items.iter().map(number).collect::<Option<_>>().map_or(Argument::Other, Argument::Ints)
            }
            _ => Argument::Other,
        })
    }

    /// Whether a value comes of an operation through which no graph is drawn.
    pub fn is_unsupported(&self, value: &Value) -> bool {
        let Value::Tensor(at) = value else { return false };
        data(&self.values.tensors[*at].operand).is_some_and(|value| self.draft.is_unsupported(value))
    }

    /// What an operation is called: as the weight it reads, which tells layers apart where modules are gone; else as its module.
    fn site_name(&self, base: &str, arguments: &Arguments) -> String {
        let stored = |position: usize| match arguments.positional.get(position) {
            Some(Value::Tensor(at)) => match &self.values.tensors[*at].operand {
                Operand::Constant(constant) => Some(&*self.draft.entry(constant).name),
                _ => None,
            },
            _ => None,
        };
        let variance = || if base.contains("batch_norm") { stored(4) } else { None };
        match weight(base).and_then(stored).or_else(variance) {
            Some(name) => {
                let layer = name.strip_suffix(".weight").or_else(|| name.strip_suffix(".running_var"));
                layer.unwrap_or(name).into()
            }
            None => self.here(),
        }
    }

    /// The module whose code is being followed, with the line, as the name of an operation.
    pub fn here(&self) -> String {
        let Some(Frame { module, source, line }) = self.frames.last() else { return "forward".into() };
        let module = if module.is_empty() { "forward" } else { module };
        format!("{module} ({} line {line})", source.member)
    }
}
