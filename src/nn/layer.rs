//! The layers that networks are made of.

/// One operation of a network. Those with a weight are [`Layer::Dense`] and [`Layer::Convolution`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// `y = W x + b`, `W` `(outputs, inputs)`.
    Dense {
        /// Number of neurons.
        outputs: usize,
    },
    /// `y_o = Σ_c K_oc ⋆ x_c + b_o`, kernels `(outputs, channels, kernel, kernel)`, stride 1, zeros around the image so that its
    /// size stays.
    Convolution {
        /// Number of output channels.
        outputs: usize,
        /// Rows and columns of a kernel, odd.
        kernel: usize,
    },
    /// `max(x, 0)`.
    Relu,
    /// The largest of each `size × size` pixels; rows and columns that are left over at the end do not count.
    MaxPool {
        /// Rows and columns that become one.
        size: usize,
    },
    /// Images to units, channel after channel, each row by row.
    Flatten,
    /// Each channel, or unit, is normalised, scaled and shifted ([`BatchNorm`](super::batch_norm::BatchNorm)). At most one for each layer
    /// with a weight, somewhere behind it.
    BatchNorm,
    /// Units are dropped in training, if at all, here.
    Dropout {
        /// Their rate as a share of the network's, in percent, at most 100.
        percent: u8,
    },
}

/// What a layer is given or gives for one example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// So many numbers.
    Units(usize),
    /// `channels × height × width` numbers.
    Image {
        /// Channels.
        channels: usize,
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
}

impl Shape {
    /// Number of numbers.
    pub fn len(self) -> usize {
        match self {
            Self::Units(units) => units,
            Self::Image { channels, height, width } => channels * height * width,
        }
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Number of units, or of channels: as many nodes has it in a graph.
    pub fn channels(self) -> usize {
        match self {
            Self::Units(units) => units,
            Self::Image { channels, .. } => channels,
        }
    }
}
