//! Recognises a chain of dense layers by the names and shapes of tensors.

use ndarray::{Array2, Ix2};

use crate::InputError;
use crate::model::name_order::{is_order_of_layers, natural, pattern};
use crate::model::{TensorEntry, TensorFile};

/// One dense layer, without its bias.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseLayer {
    /// Name of its tensor in the file.
    pub name: String,
    /// `(d_in, d_out)`: `weight[[i, o]]` leads from input `i` to output `o`.
    pub weight: Array2<f64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Orientation {
    /// PyTorch.
    OutIn,
    /// Keras and NumPy.
    InOut,
}

/// Reads the weight matrices of a multi-layer perceptron, from input to output.
///
/// Layers are the 2-D tensors; vectors (biases, norms) and scalars are left out. They are ordered by name, digits as
/// numbers (`layers.2` before `layers.10`), and if they do not chain in that order, as in the file; the other way round where the file
/// keeps the order in which layers were made, as state dicts do. In each order
/// they are taken as `(d_out, d_in)`, as PyTorch has them, if every layer's outputs are then as many as the next
/// one's inputs, and else as `(d_in, d_out)`. Where both fit, as for square matrices or a single one, PyTorch's
/// holds, unless all names end in `kernel`, as in Keras.
///
/// # Errors
///
/// If there is no matrix; a tensor has three or more axes; a matrix has no rows or columns; the matrices do not
/// chain; or one cannot be read (see [`TensorFile::read`]).
pub fn dense_chain(file: &TensorFile) -> Result<Vec<DenseLayer>, InputError> {
    let mut layers = Vec::new();
    for entry in file.entries() {
        let shape = &entry.shape;
        let place = || format!("{}, tensor '{}'", file.path().display(), entry.name);
        match shape.len() {
            0 | 1 => {}
            2 if shape.contains(&0) => {
                let problem = format!("is a layer without neurons, of shape {}", size(entry));
                return Err(InputError::new(place(), problem, "save layers with at least one input and one output"));
            }
            2 => layers.push(entry),
            axes => {
                let problem =
                    format!("has {axes} axes, and only chains of dense layers (2 axes) are read by this version");
                return Err(InputError::new(place(), problem, "save a network of dense layers alone"));
            }
        }
    }
    if layers.is_empty() {
        let problem = "holds no matrix, so no dense layer";
        return Err(InputError::new(file.path().display(), problem, "save the weights of at least one dense layer"));
    }
    let mut by_name = layers.clone();
    by_name.sort_by(|a, b| natural(&a.name, &b.name));
    let orders = if by_name.iter().all(|entry| entry.name.ends_with("kernel")) {
        [Orientation::InOut, Orientation::OutIn]
    } else {
        [Orientation::OutIn, Orientation::InOut]
    };
    let mut chains = [&by_name, &layers];
    if is_order_of_layers(file.format(), layers.iter().map(|entry| entry.name.as_str())) {
        chains.reverse();
    }
    let candidates = chains.into_iter().flat_map(|order| orders.map(|orientation| (order, orientation)));
    for (order, orientation) in candidates {
        if broken_link(order, orientation).is_none() {
            return order.iter().map(|entry| read(file, entry, orientation)).collect();
        }
    }
    Err(no_chain(file, &by_name))
}

/// What to say where names alone set the order of `layers`, a chain that [`dense_chain`] found in `file`, and another order of groups of names
/// would chain too: `encoder.0`, `encoder.2` and `decoder.0`, `decoder.2`.
pub fn other_order(file: &TensorFile, layers: &[DenseLayer]) -> Option<String> {
    const MOST_GROUPS: usize = 6;
    if is_order_of_layers(file.format(), layers.iter().map(|layer| layer.name.as_str())) {
        return None;
    }
    let mut groups: Vec<(String, Vec<&DenseLayer>)> = Vec::new();
    for layer in layers {
        let name = pattern(&layer.name);
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, group)) => group.push(layer),
            None => groups.push((name, vec![layer])),
        }
    }
    if groups.len() > MOST_GROUPS {
        return None;
    }
    let chains = |order: &[usize]| {
        let all: Vec<&DenseLayer> = order.iter().flat_map(|&group| groups[group].1.iter().copied()).collect();
        all.windows(2).all(|pair| pair[0].weight.ncols() == pair[1].weight.nrows())
    };
    let mut orders = vec![Vec::new()];
    for _ in 0..groups.len() {
        let longer = |order: Vec<usize>| {
            (0..groups.len())
                .filter(|group| !order.contains(group))
                .map(|group| [&order[..], &[group]].concat())
                .collect::<Vec<_>>()
        };
        orders = orders.into_iter().flat_map(longer).collect();
    }
    (orders.iter().filter(|order| chains(order)).count() > 1).then(|| {
        let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
        format!(
            "the file does not say how its layers are joined: they were taken as their names sort, {}, and another order would fit too",
            names.join(", ")
        )
    })
}

fn ends(entry: &TensorEntry, orientation: Orientation) -> (usize, usize) {
    let (rows, columns) = (entry.shape[0], entry.shape[1]);
    match orientation {
        Orientation::OutIn => (columns, rows),
        Orientation::InOut => (rows, columns),
    }
}

/// The first layer whose outputs are not as many as the inputs of the next one.
fn broken_link(layers: &[&TensorEntry], orientation: Orientation) -> Option<usize> {
    layers.windows(2).position(|pair| ends(pair[0], orientation).1 != ends(pair[1], orientation).0)
}

fn read(file: &TensorFile, entry: &TensorEntry, orientation: Orientation) -> Result<DenseLayer, InputError> {
    let stored = file.read(entry)?.into_dimensionality::<Ix2>().map_err(|error| {
        let place = format!("{}, tensor '{}'", file.path().display(), entry.name);
        InputError::new(place, format!("is no matrix ({error})"), "fetch or save the file again")
    })?;
    let weight = match orientation {
        Orientation::OutIn => stored.reversed_axes().as_standard_layout().into_owned(),
        Orientation::InOut => stored,
    };
    Ok(DenseLayer { name: entry.name.clone(), weight })
}

/// Names the link that breaks in the orientation that gets further.
fn no_chain(file: &TensorFile, layers: &[&TensorEntry]) -> InputError {
    let broken = [Orientation::OutIn, Orientation::InOut].map(|orientation| broken_link(layers, orientation));
    let link = broken.into_iter().flatten().max().unwrap_or(0);
    let (a, b) = (layers[link], layers[link + 1]);
    let problem = format!(
        "layers '{}' {} and '{}' {} do not chain, whether stored as (out, in) or (in, out)",
        a.name,
        size(a),
        b.name,
        size(b)
    );
    let remedy = "save only the weights of consecutive dense layers, under names in their order";
    InputError::new(file.path().display(), problem, remedy)
}

fn size(entry: &TensorEntry) -> String {
    format!("({}, {})", entry.shape[0], entry.shape[1])
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::fixtures::open;
    use ndarray::{arr2, s};

    /// A safetensors file with these tensors in this order, elements 0, 1, 2, ….
    pub fn file(tensors: &[(&str, &[usize])]) -> TensorFile {
        let (mut header, mut end) = (String::new(), 0);
        for (name, shape) in tensors {
            let from = end;
            end += 4 * shape.iter().product::<usize>();
            header += &format!(r#","{name}":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{from},{end}]}}"#);
        }
        let header = format!("{{{}}}", &header[1..]);
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend((0..end / 4).flat_map(|i| (i as f32).to_le_bytes()));
        TensorFile::open(crate::model::fixtures::write(".safetensors", &bytes).path()).unwrap()
    }

    fn names(tensors: &[(&str, &[usize])]) -> Result<Vec<String>, InputError> {
        Ok(dense_chain(&file(tensors))?.into_iter().map(|layer| layer.name).collect())
    }

    #[test]
    fn every_file_of_the_same_network_is_the_same_chain() {
        let wanted = dense_chain(&open("mlp.npz")).unwrap();
        assert_eq!(wanted.iter().map(|layer| layer.weight.dim()).collect::<Vec<_>>(), [(5, 4), (4, 3)]);
        let others =
            ["mlp-f32.safetensors", "state-dict.pt", "checkpoint.pt", "scripted.pt", "traced.pt", "mlp-compressed.npz"];
        for name in others {
            let found = dense_chain(&open(name)).unwrap();
            assert_eq!(found.len(), 2, "{name}");
            for (found, wanted) in found.iter().zip(&wanted) {
                assert_eq!(found.weight, wanted.weight, "{name}");
            }
        }
    }

    #[test]
    fn matrices_out_in_are_transposed() {
        let layers = dense_chain(&file(&[("w", &[2, 3])])).unwrap();
        assert_eq!(layers[0].weight, arr2(&[[0., 3.], [1., 4.], [2., 5.]]));
        let layers = dense_chain(&file(&[("dense/kernel", &[2, 3])])).unwrap();
        assert_eq!(layers[0].weight.slice(s![0, ..]), arr2(&[[0., 1., 2.]]).row(0));
    }

    #[test]
    fn layers_are_in_natural_order() {
        let tensors: [(&str, &[usize]); 4] =
            [("l.10.weight", &[2, 3]), ("l.2.weight", &[3, 4]), ("l.2.bias", &[3]), ("l.1.weight", &[4, 5])];
        assert_eq!(names(&tensors).unwrap(), ["l.1.weight", "l.2.weight", "l.10.weight"]);
    }

    #[test]
    fn file_order_holds_where_names_do_not_chain() {
        assert_eq!(names(&[("z", &[2, 3]), ("a", &[3, 4]), ("m", &[4, 5])]).unwrap(), ["z", "a", "m"]);
    }

    #[test]
    fn an_order_that_names_alone_set_is_told() {
        let told = |tensors: &[(&str, &[usize])]| {
            let file = file(tensors);
            other_order(&file, &dense_chain(&file).unwrap()).is_some()
        };
        assert!(told(&[
            ("decoder.0", &[6, 3]),
            ("decoder.2", &[12, 6]),
            ("encoder.0", &[6, 12]),
            ("encoder.2", &[3, 6])
        ]));
        assert!(!told(&[("fc1", &[6, 3]), ("fc2", &[6, 6]), ("fc3", &[6, 6])]));
        assert!(!told(&[("input", &[6, 4]), ("hidden", &[6, 6]), ("output", &[2, 6])]));
    }

    #[test]
    fn what_is_no_chain_is_an_error() {
        for (tensors, wanted) in [
            (&[("a", &[5, 4][..]), ("b", &[7, 6][..])][..], "'a' (5, 4) and 'b' (7, 6) do not chain"),
            (&[("conv.weight", &[8, 3, 3, 3][..])][..], "has 4 axes"),
            (&[("bias", &[5][..])][..], "no matrix"),
            (&[("a", &[0, 4][..])][..], "without neurons"),
        ] {
            let error = names(tensors).unwrap_err().to_string();
            assert!(error.contains(wanted), "{wanted}: {error}");
        }
    }
}
