//! Options of the commands that read a network.

use crate::InputError;
use crate::graph::{Convention, GraphLayers, GraphParams, Norm};
use crate::model::Arch;
use clap::{Args, ValueEnum};

/// Which network it is, and which graph it becomes.
#[derive(Debug, Args)]
pub(super) struct NetworkOptions {
    /// What the file's tensors are; auto: what the file says, or their names and shapes
    #[arg(long, value_enum, default_value = "auto")]
    arch: ArchOption,
    /// Layers of a convolutional network that are in its graph
    #[arg(long, value_enum, default_value = "convolutions")]
    layers: LayersOption,
    /// What an edge of a convolutional network weighs
    #[arg(long, value_enum, default_value = "l1")]
    norm: NormOption,
    /// Whether batch normalisation is part of the weights
    #[arg(long, value_enum, default_value = "fold")]
    batch_norm: BatchNormOption,
}

/// Architectures that can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ArchOption {
    /// What the file says, or names and shapes
    Auto,
    /// A chain of dense layers
    Mlp,
    /// Convolutions one after another, dense layers behind them
    Chain,
    #[value(alias = "vgg11_bn")]
    Vgg11,
    #[value(alias = "vgg13_bn")]
    Vgg13,
    #[value(alias = "vgg16_bn")]
    Vgg16,
    #[value(alias = "vgg19_bn")]
    Vgg19,
    Resnet18,
    Resnet34,
    Resnet50,
    Resnet101,
    Resnet152,
    #[value(name = "inception_v3")]
    InceptionV3,
    #[value(aliases = ["squeezenet1_0", "squeezenet1_1"])]
    Squeezenet,
}

/// Which layers of a convolutional network its graph has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LayersOption {
    /// The channels of convolutions; not the image, nor dense layers
    Convolutions,
    /// The image's channels, those of convolutions and the neurons of dense layers
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NormOption {
    /// The sum of magnitudes of a kernel's slice; the largest sum of a column with --convention authors
    L1,
    /// The root of the sum of squares; the spectral norm with --convention authors
    L2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BatchNormOption {
    /// As inference engines fold it into the layers beside it
    Fold,
    /// Left out, as the authors did for their VGG on CIFAR-10
    Ignore,
}

/// What the nodes of a convolutional network are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ConventionOption {
    /// Output channels of convolutions, as the paper says
    Paper,
    /// Input channels, once for each reader, as the authors' code did
    Authors,
    /// Channels of the residual stream, shared by all their readers and writers
    Residual,
}

impl From<ConventionOption> for Convention {
    fn from(option: ConventionOption) -> Self {
        match option {
            ConventionOption::Paper => Self::Paper,
            ConventionOption::Authors => Self::Authors,
            ConventionOption::Residual => Self::Residual,
        }
    }
}

impl NetworkOptions {
    /// What the file is.
    pub(super) fn architecture(&self) -> Arch {
        match self.arch {
            ArchOption::Auto => Arch::Auto,
            ArchOption::Mlp => Arch::Mlp,
            ArchOption::Chain => Arch::Chain,
            ArchOption::Vgg11 => Arch::Vgg(11),
            ArchOption::Vgg13 => Arch::Vgg(13),
            ArchOption::Vgg16 => Arch::Vgg(16),
            ArchOption::Vgg19 => Arch::Vgg(19),
            ArchOption::Resnet18 => Arch::ResNet(18),
            ArchOption::Resnet34 => Arch::ResNet(34),
            ArchOption::Resnet50 => Arch::ResNet(50),
            ArchOption::Resnet101 => Arch::ResNet(101),
            ArchOption::Resnet152 => Arch::ResNet(152),
            ArchOption::InceptionV3 => Arch::InceptionV3,
            ArchOption::Squeezenet => Arch::SqueezeNet,
        }
    }

    /// How it becomes a graph.
    pub(super) fn params(&self, convention: ConventionOption, prune: f64, least_weight: f64) -> GraphParams {
        GraphParams {
            convention: convention.into(),
            norm: if self.norm == NormOption::L1 { Norm::L1 } else { Norm::L2 },
            layers: if self.layers == LayersOption::All { GraphLayers::All } else { GraphLayers::Convolutions },
            batch_norm: self.batch_norm == BatchNormOption::Fold,
            prune,
            least_weight,
        }
    }
}

/// Refuses what no magnitude is compared with.
pub(super) fn check_least_weight(least: f64) -> Result<(), InputError> {
    if least >= 0.0 && least.is_finite() {
        return Ok(());
    }
    Err(InputError::new("--least-weight", format!("{least} is no magnitude"), "give 0 or more, as 1e-8"))
}

/// Refuses what is no share of weights.
pub(super) fn check_prune(prune: f64) -> Result<(), InputError> {
    if (0.0..1.0).contains(&prune) {
        return Ok(());
    }
    Err(InputError::new("--prune", format!("{prune} is not in [0, 1)"), "give the share of weights to drop, as 0.9"))
}
