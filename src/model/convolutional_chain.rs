//! Recognises convolutions and dense layers that follow each other by the names and shapes of tensors.

use super::dense_chain::natural;
use crate::InputError;
use crate::model::{TensorEntry, TensorFile};
use ndarray::ArrayD;

/// Whether a file has convolutions: tensors of four axes.
pub fn is_convolutional(file: &TensorFile) -> bool {
    file.entries().iter().any(|entry| entry.shape.len() == 4)
}

/// Reads the weights of convolutions, `(d_out, channels, rows, columns)`, and of the dense layers behind them, `(d_out, d_in)`, as
/// PyTorch has them, with their names, from input to output.
///
/// Vectors whose name ends in `bias` are left out. Layers are ordered by name, digits as numbers, and if they do not follow each other in
/// that order, as in the file. The first dense layer may read several pixels of each channel.
///
/// # Errors
///
/// If a tensor is none of these, as those of batch normalisation; a layer has no inputs or outputs; the layers do not follow each other;
/// or one cannot be read (see [`TensorFile::read`]).
pub fn convolutional_chain(file: &TensorFile) -> Result<Vec<(String, ArrayD<f64>)>, InputError> {
    let mut layers = Vec::new();
    for entry in file.entries() {
        let place = || format!("{}, tensor '{}'", file.path().display(), entry.name);
        match entry.shape.len() {
            1 if entry.name.ends_with("bias") => {}
            2 | 4 if entry.shape.contains(&0) => {
                let problem = format!("is a layer without weights, of shape {:?}", entry.shape);
                return Err(InputError::new(place(), problem, "save layers with at least one input and one output"));
            }
            2 | 4 => layers.push(entry),
            axes => {
                let problem = format!(
                    "has {axes} axes and is no bias; beside convolutions, this version reads dense layers and biases alone"
                );
                return Err(InputError::new(place(), problem, "save a network without batch normalisation"));
            }
        }
    }
    let mut by_name = layers.clone();
    by_name.sort_by(|a, b| natural(&a.name, &b.name));
    let order = [&by_name, &layers].into_iter().find(|order| broken_link(order).is_none());
    let Some(order) = order else {
        let link = broken_link(&by_name).unwrap_or(0);
        let (a, b) = (by_name[link], by_name[link + 1]);
        let problem = format!(
            "layers '{}' {:?} and '{}' {:?} do not follow each other as (out, in, rows, columns) and (out, in)",
            a.name, a.shape, b.name, b.shape
        );
        let remedy = "save convolutions and then dense layers, each reading the one before, under names in their order";
        return Err(InputError::new(file.path().display(), problem, remedy));
    };
    order.iter().map(|entry| Ok((entry.name.clone(), file.read(entry)?))).collect()
}

/// The first layer that the next one does not read.
fn broken_link(layers: &[&TensorEntry]) -> Option<usize> {
    layers.windows(2).position(|pair| {
        let (outputs, inputs) = (pair[0].shape[0], pair[1].shape[1]);
        let follows = match (pair[0].shape.len(), pair[1].shape.len()) {
            (4, 2) => inputs % outputs == 0,
            (4, 4) | (2, 2) => inputs == outputs,
            _ => false,
        };
        !follows
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::dense_chain::tests::file;

    #[test]
    fn layers_follow_each_other_or_are_refused() {
        let names = |tensors: &[(&str, &[usize])]| {
            let file = file(tensors);
            assert!(is_convolutional(&file));
            let layers = convolutional_chain(&file)?;
            Ok::<_, InputError>(layers.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        };
        let [a, b, c, d]: [&[usize]; 4] = [&[4, 1, 5, 5], &[3, 4, 3, 3], &[6, 12], &[2, 6]];
        let found =
            names(&[("l.10.weight", d), ("l.1.weight", a), ("l.1.bias", &[4]), ("l.2.weight", b), ("l.9.w", c)]);
        assert_eq!(found.unwrap(), ["l.1.weight", "l.2.weight", "l.9.w", "l.10.weight"]);
        assert_eq!(names(&[("z", a), ("y", b), ("x", c)]).unwrap(), ["z", "y", "x"]);
        for (tensors, problem) in [
            (&[("a", a), ("b", b), ("bn.running_mean", &[3][..])][..], "'bn.running_mean': has 1 axes and is no bias"),
            (&[("a", a), ("b", &[2, 7])], "'a' [4, 1, 5, 5] and 'b' [2, 7] do not follow"),
            (&[("a", d), ("b", a)], "do not follow"),
            (&[("a", a), ("b", &[0, 4])], "without weights"),
            (&[("a", a), ("b", &[2, 4, 3])], "has 3 axes"),
        ] {
            let error = names(tensors).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
