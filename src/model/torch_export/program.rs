//! The graph of an exported program, as `torch._export.serde.schema` describes it.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value as Json;

use super::Meta;
use crate::InputError;
use crate::dataflow::Dataflow;
use crate::model::TensorEntry;
use crate::model::aten::{self, Argument, Call, Fault};
use crate::model::draft::{Constant, Draft, Extents, Operand, Site, data};

#[derive(Deserialize)]
pub(super) struct Program {
    graph_module: GraphModule,
}

#[derive(Deserialize)]
struct GraphModule {
    graph: Graph,
    signature: Signature,
}

#[derive(Deserialize)]
struct Graph {
    nodes: Vec<Node>,
    #[serde(default)]
    tensor_values: HashMap<String, Meta>,
}

#[derive(Deserialize)]
struct Node {
    target: String,
    inputs: Vec<NamedArgument>,
    outputs: Vec<Json>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct NamedArgument {
    name: String,
    arg: Json,
}

#[derive(Deserialize)]
struct Signature {
    input_specs: Vec<Json>,
    output_specs: Vec<Json>,
}

/// Follows the nodes, which are in the order in which they are done.
pub(super) fn follow(place: &str, program: &Program, entries: &[TensorEntry]) -> Result<Dataflow, InputError> {
    let GraphModule { graph, signature } = &program.graph_module;
    let fault = |place: String, problem: String| InputError::new(place, problem, "export the network again");
    let mut importer = Importer { names: HashMap::new(), shown: HashMap::new(), draft: Draft::new(entries), graph };
    let numbers: HashMap<&str, usize> = entries.iter().map(|entry| entry.name.as_str()).zip(0..).collect();
    for spec in &signature.input_specs {
        importer.place(spec, entries, &numbers).map_err(|problem| fault(place.into(), problem))?;
    }
    for node in &graph.nodes {
        let output = node.outputs.iter().find_map(|output| names(output).into_iter().next());
        let name = node.name.as_deref().or(output).unwrap_or(&node.target);
        let at = || format!("{place}, node '{name}' ({})", node.target);
        importer.apply(node, name).map_err(|problem| match problem {
            Problem::Dangling(input) => {
                fault(at(), format!("has a dangling edge: it takes '{input}', which no earlier node gives"))
            }
            Problem::Twice(output) => fault(at(), format!("gives '{output}', which something else gives too")),
            Problem::Quantised => {
                InputError::new(at(), "is of a quantised network", "export the network before quantising it")
            }
        })?;
    }
    let mut outputs = Vec::new();
    for spec in &signature.output_specs {
        for name in names(&spec["user_output"]["arg"]) {
            match importer.names.get(name) {
                Some(operand) => outputs.extend(data(operand)),
                None => return Err(fault(format!("{place}, output '{name}'"), "is a dangling edge".into())),
            }
        }
    }
    if outputs.is_empty() {
        return Err(fault(place.into(), "returns nothing that depends on its input".into()));
    }
    Ok(importer.draft.finish(outputs))
}

enum Problem {
    Dangling(String),
    Twice(String),
    Quantised,
}

/// What a tensor shows.
#[derive(Clone, Copy)]
struct Shown<'a> {
    /// The tensor that is changed with it.
    root: &'a str,
    /// All of that, in the same shape.
    whole: bool,
}

struct Importer<'a> {
    names: HashMap<&'a str, Operand>,
    /// Those that show another.
    shown: HashMap<&'a str, Shown<'a>>,
    draft: Draft<'a>,
    graph: &'a Graph,
}

impl<'a> Importer<'a> {
    /// Binds what the signature says of an input: a tensor of the file, or something from the user.
    fn place(&mut self, spec: &'a Json, entries: &[TensorEntry], numbers: &HashMap<&str, usize>) -> Result<(), String> {
        let kinds =
            [("parameter", "parameter_name"), ("buffer", "buffer_name"), ("tensor_constant", "tensor_constant_name")];
        for (kind, key) in kinds {
            let (Some(name), Some(tensor)) = (spec[kind]["arg"]["name"].as_str(), spec[kind][key].as_str()) else {
                continue;
            };
            let entry = *numbers.get(tensor).ok_or_else(|| format!("names a {kind} '{tensor}' that the file lacks"))?;
            let constant = Constant { entry, shape: entries[entry].shape.clone(), transposed: false };
            self.names.insert(name, Operand::Constant(constant));
            return Ok(());
        }
        for name in names(&spec["user_input"]["arg"]) {
            let extents = self.extents(name);
            let input = self.draft.input(name, extents);
            self.names.insert(name, input);
        }
        Ok(())
    }

    fn extents(&self, name: &str) -> Option<Extents> {
        let sizes = &self.graph.tensor_values.get(name)?.sizes;
        Some(sizes.iter().map(|size| size.as_int.filter(|&extent| extent > 0)).collect())
    }

    fn apply(&mut self, node: &'a Node, name: &str) -> Result<(), Problem> {
        let outputs: Vec<&str> = node.outputs.iter().flat_map(names).collect();
        // Whole numbers out of shapes, and checks that give nothing.
        for symbol in node.outputs.iter().filter_map(|output| output["as_sym_int"]["as_name"].as_str()) {
            self.names.insert(symbol, Operand::Numbers(vec![None]));
        }
        if outputs.is_empty() {
            return Ok(());
        }
        let mut arguments = Vec::new();
        for NamedArgument { name, arg } in &node.inputs {
            arguments.push((name.as_str(), self.argument(arg)?));
        }
        let operator = node.target.strip_prefix("torch.ops.aten.").and_then(|rest| rest.split('.').next());
        let site = Site { name, operation: operator.unwrap_or(&node.target) };
        let call = Call { site, operator: operator.unwrap_or_default(), arguments };
        let operands = call.operands();
        let base = operator.map(aten::base);
        let shown = node.inputs.first().and_then(|input| input.arg["as_tensor"]["name"].as_str());
        let mut given = match operator {
            Some(_) => aten::apply(&mut self.draft, &call).map_err(|Fault::Quantised| Problem::Quantised)?,
            None if node.target.contains("quantize") => return Err(Problem::Quantised),
            None => vec![self.draft.opaque(site, &operands); outputs.len()],
        };
        // Indices of a pooling, the mask of dropout, statistics.
        for name in outputs.iter().skip(given.len()) {
            let other = Site { name, ..site };
            given.push(self.draft.unsupported(other, "in what it gives besides", &operands));
        }
        if let (Some(operator), Some(base), Some(shown)) = (operator, base, shown) {
            // Dropout gives its input itself in inference.
            let same = aten::is_identity(operator) || operator == "dropout";
            if base != operator {
                self.write(shown, given.first().cloned().unwrap_or(Operand::Computed(None)), site);
                outputs.iter().take(1).for_each(|name| self.show(name, shown, true));
            } else if same || aten::is_view(base) {
                outputs.iter().for_each(|name| self.show(name, shown, same));
            }
        }
        for (name, operand) in outputs.iter().zip(given) {
            if let Some(told) = self.extents(name) {
                self.draft.learn(&operand, &told);
            }
            if self.names.insert(name, operand).is_some() {
                return Err(Problem::Twice((*name).into()));
            }
        }
        Ok(())
    }

    /// Notes that `name` shows `of`: itself, or a part or another shape of it.
    fn show(&mut self, name: &'a str, of: &'a str, same: bool) {
        let Shown { root, whole } = self.shown(of);
        self.shown.insert(name, Shown { root, whole: whole && same });
    }

    fn shown(&self, name: &'a str) -> Shown<'a> {
        self.shown.get(name).copied().unwrap_or(Shown { root: name, whole: true })
    }

    /// What writes on an operand leaves that changed for those who read it later, and all that show the same.
    fn write(&mut self, target: &'a str, result: Operand, site: Site) {
        let Shown { root, whole } = self.shown(target);
        let showing = self.shown.iter().filter(|(_, shown)| shown.root == root);
        let mut all: Vec<(&str, bool)> = showing.map(|(&name, shown)| (name, shown.whole)).collect();
        all.extend([(root, true), (target, whole)]);
        all.sort_unstable();
        all.dedup();
        let operation = format!("{} of a part", site.operation);
        let before = self.names.get(target).cloned().unwrap_or(Operand::Computed(None));
        for (name, of_whole) in all {
            if name == target || whole && of_whole {
                self.names.insert(name, result.clone());
            } else if let Some(operand) = self.names.get(name).cloned()
                && !self.draft.are_disjoint(&before, &operand)
            {
                let part = Site { operation: &operation, ..site };
                let changed = self.draft.unsupported(part, "", &[operand]);
                self.names.insert(name, changed);
            }
        }
    }

    fn argument(&self, json: &Json) -> Result<Argument, Problem> {
        let Some((kind, value)) = json.as_object().and_then(|union| union.iter().find(|(_, value)| !value.is_null()))
        else {
            return Ok(Argument::Absent);
        };
        let operand = |json: &Json| {
            let name = json["name"].as_str().unwrap_or_default();
            self.names.get(name).cloned().ok_or_else(|| Problem::Dangling(name.into()))
        };
        // A number is one itself, or a symbol by name.
        let number = |json: &Json| json.as_i64().or_else(|| json["as_int"].as_i64());
        let list = || value.as_array().map(Vec::as_slice).unwrap_or_default().iter();
        Ok(match kind.as_str() {
            "as_none" => Argument::Absent,
            "as_tensor" => Argument::Operand(operand(value)?),
            "as_tensors" => Argument::Operands(list().map(operand).collect::<Result<_, _>>()?),
            "as_optional_tensor" | "as_optional_tensors" => {
                let present = list().chain((!value.is_array()).then_some(value)).map(|json| &json["as_tensor"]);
                Argument::Operands(present.filter(|json| !json.is_null()).map(operand).collect::<Result<_, _>>()?)
            }
            "as_int" | "as_sym_int" => Argument::Int(number(value)),
            "as_ints" | "as_sym_ints" => Argument::Ints(list().map(number).collect()),
            "as_float" => value.as_f64().map_or(Argument::Other, Argument::Float),
            "as_bool" => value.as_bool().map_or(Argument::Other, Argument::Bool),
            "as_string" => Argument::Text(value.as_str().unwrap_or_default().into()),
            _ => Argument::Other,
        })
    }
}

/// Names of the tensors in an argument.
fn names(json: &Json) -> Vec<&str> {
    let single = json["as_tensor"]["name"].as_str();
    let many = json["as_tensors"].as_array().map(Vec::as_slice).unwrap_or_default();
    single.into_iter().chain(many.iter().filter_map(|tensor| tensor["name"].as_str())).collect()
}
