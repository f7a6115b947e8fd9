//! Which layers follow each other, and what they make of an example's shape.

use super::layer::{Layer, Shape};

/// Layers that fit each other, from an input on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Architecture {
    input: Shape,
    layers: Vec<Layer>,
    /// What each layer gives.
    shapes: Vec<Shape>,
}

/// Why layers do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArchitectureError {
    /// Nothing would be left of an image.
    #[error("an image of {height} × {width} pixels is too small to be pooled by {size} × {size}")]
    TooSmall {
        /// Rows there.
        height: usize,
        /// Columns there.
        width: usize,
        /// Of the pool.
        size: usize,
    },
    /// The layer is given units where it takes an image, or an image where it takes units.
    #[error("layer {layer}, {kind:?}, does not take {given:?}")]
    Misplaced {
        /// Its number, from 0.
        layer: usize,
        /// What it is.
        kind: Layer,
        /// What it would be given.
        given: Shape,
    },
}

impl Architecture {
    /// `layers` after `input`.
    ///
    /// # Errors
    ///
    /// Dense layers take units; convolutions of odd kernels, pools and [`Layer::Flatten`] take images; a pool is no larger than its image;
    /// and [`Layer::BatchNorm`] stands behind a layer with a weight, which has no other.
    pub fn new(input: Shape, layers: Vec<Layer>) -> Result<Self, ArchitectureError> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(layers.len());
        let mut may_be_normalised = false;
        for (layer, &kind) in layers.iter().enumerate() {
            let given = shapes.last().copied().unwrap_or(input);
            match kind {
                Layer::Dense { .. } | Layer::Convolution { .. } => may_be_normalised = true,
                Layer::BatchNorm if may_be_normalised => may_be_normalised = false,
                Layer::BatchNorm => return Err(ArchitectureError::Misplaced { layer, kind, given }),
                Layer::Relu | Layer::MaxPool { .. } | Layer::Flatten | Layer::Dropout { .. } => {}
            }
            shapes.push(match (kind, given) {
                (Layer::Dense { outputs }, Shape::Units(_)) => Shape::Units(outputs),
                (Layer::Convolution { outputs, kernel }, Shape::Image { height, width, .. }) if kernel % 2 == 1 => {
                    Shape::Image { channels: outputs, height, width }
                }
                (Layer::MaxPool { size }, Shape::Image { height, width, .. }) if size > height.min(width) => {
                    return Err(ArchitectureError::TooSmall { height, width, size });
                }
                (Layer::MaxPool { size }, Shape::Image { channels, height, width }) if size > 0 => {
                    Shape::Image { channels, height: height / size, width: width / size }
                }
                (Layer::Flatten, Shape::Image { .. }) => Shape::Units(given.len()),
                (Layer::Relu | Layer::BatchNorm | Layer::Dropout { .. }, _) => given,
                _ => return Err(ArchitectureError::Misplaced { layer, kind, given }),
            });
        }
        Ok(Self { input, layers, shapes })
    }

    /// The multi-layer perceptron: dense layers, with ReLU and dropout between them. `widths` are those of the input, the hidden layers
    /// and the output.
    ///
    /// # Panics
    ///
    /// If there are no widths.
    pub fn mlp(widths: &[usize]) -> Self {
        let dense = |&outputs: &usize| [Layer::Relu, Layer::Dropout { percent: 100 }, Layer::Dense { outputs }];
        let layers = widths[1..].iter().flat_map(dense).skip(2).collect();
        Self::new(Shape::Units(widths[0]), layers).unwrap_or_else(|_| unreachable!("dense layers take units"))
    }

    /// What an example is.
    pub fn input(&self) -> Shape {
        self.input
    }

    /// The layers, in the order in which they are done.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Whether there are no images in it.
    pub fn is_dense(&self) -> bool {
        matches!(self.input, Shape::Units(_))
    }

    /// What each layer is given, with the layer and what it gives.
    fn steps(&self) -> impl Iterator<Item = (Shape, Layer, Shape)> {
        let given = std::iter::once(self.input).chain(self.shapes.iter().copied());
        given.zip(&self.layers).zip(&self.shapes).map(|((given, layer), gives)| (given, *layer, *gives))
    }

    /// Shape of each weight: `(outputs, inputs)` or `(outputs, channels, kernel, kernel)`.
    pub fn weights(&self) -> Vec<Vec<usize>> {
        let weight = |(given, layer, _): (Shape, Layer, Shape)| match layer {
            Layer::Dense { outputs } => Some(vec![outputs, given.len()]),
            Layer::Convolution { outputs, kernel } => Some(vec![outputs, given.channels(), kernel, kernel]),
            _ => None,
        };
        self.steps().filter_map(weight).collect()
    }

    /// Number of weights, biases apart.
    pub fn weight_count(&self) -> usize {
        self.weights().iter().map(|shape| shape.iter().product::<usize>()).sum()
    }

    /// Nodes of the graph: units or channels of the input, then of what each layer with a weight gives.
    ///
    /// A dense layer behind [`Layer::Flatten`] has several inputs for each channel before it ([`super::channels`]).
    pub fn channels(&self) -> Vec<usize> {
        let outputs = self.weights().into_iter().map(|shape| shape[0]);
        std::iter::once(self.input.channels()).chain(outputs).collect()
    }

    /// Whether each layer with a weight is a convolution.
    pub fn are_convolutions(&self) -> Vec<bool> {
        self.weights().iter().map(|shape| shape.len() == 4).collect()
    }

    /// Which of the layers with a weight, counted from 0, have a [`Layer::BatchNorm`] behind them.
    pub fn normalised(&self) -> Vec<usize> {
        let mut weights = 0;
        let mut normalised = Vec::new();
        for layer in &self.layers {
            match layer {
                Layer::Dense { .. } | Layer::Convolution { .. } => weights += 1,
                Layer::BatchNorm => normalised.push(weights - 1),
                _ => {}
            }
        }
        normalised
    }

    /// How many convolutions come before the first dense layer.
    pub fn convolutions(&self) -> usize {
        self.are_convolutions().into_iter().take_while(|is_convolution| *is_convolution).count()
    }

    /// Units that there are at each [`Layer::Dropout`], and the share of the network's rate at which they are dropped.
    pub fn dropouts(&self) -> Vec<(usize, f64)> {
        let dropout = |(given, layer, _): (Shape, Layer, Shape)| match layer {
            Layer::Dropout { percent } => Some((given.len(), f64::from(percent) / 100.0)),
            _ => None,
        };
        self.steps().filter_map(dropout).collect()
    }

    /// Multiplications of each layer with a weight in a forward pass of one example.
    pub fn multiplications(&self) -> Vec<f64> {
        let of_step = |(given, layer, gives): (Shape, Layer, Shape)| match layer {
            Layer::Dense { outputs } => Some((given.len() * outputs) as f64),
            Layer::Convolution { kernel, .. } => Some((given.channels() * kernel * kernel * gives.len()) as f64),
            _ => None,
        };
        self.steps().filter_map(of_step).collect()
    }

    /// Numbers that the layers give for one example, all of which are kept for the gradient.
    pub fn activations(&self) -> usize {
        self.shapes.iter().map(|shape| shape.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mlp_has_nothing_after_its_last_layer() {
        let mlp = Architecture::mlp(&[3, 4, 2]);
        let [first, last] = [4, 2].map(|outputs| Layer::Dense { outputs });
        assert_eq!(mlp.layers(), [first, Layer::Relu, Layer::Dropout { percent: 100 }, last]);
        assert_eq!((mlp.weights(), mlp.channels()), (vec![vec![4, 3], vec![2, 4]], vec![3, 4, 2]));
        assert_eq!((mlp.dropouts(), mlp.multiplications()), (vec![(4, 1.0)], vec![12.0, 8.0]));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let image = Shape::Image { channels: 1, height: 3, width: 5 };
        let pool = Layer::MaxPool { size: 2 };
        let error = Architecture::new(image, vec![pool, pool]).unwrap_err();
        assert_eq!(error, ArchitectureError::TooSmall { height: 1, width: 2, size: 2 });
        for (input, layer) in [
            (image, Layer::Dense { outputs: 2 }),
            (image, Layer::Convolution { outputs: 2, kernel: 4 }),
            (Shape::Units(4), Layer::Convolution { outputs: 2, kernel: 3 }),
            (Shape::Units(4), Layer::Flatten),
            (Shape::Units(4), pool),
            (Shape::Units(4), Layer::BatchNorm),
        ] {
            let error = Architecture::new(input, vec![Layer::Relu, layer]).unwrap_err();
            assert_eq!(error, ArchitectureError::Misplaced { layer: 1, kind: layer, given: input });
        }
        let (dense, norm) = (Layer::Dense { outputs: 2 }, Layer::BatchNorm);
        assert!(Architecture::new(Shape::Units(4), vec![dense, norm, Layer::Relu, norm]).is_err());
        let twice = Architecture::new(Shape::Units(4), vec![dense, dense, Layer::Relu, norm, dense, norm]).unwrap();
        assert_eq!(twice.normalised(), [1, 2]);
    }
}
