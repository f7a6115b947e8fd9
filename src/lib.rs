//! Does a neural network have parts?
//!
//! A network's weights make a graph: neurons are nodes, absolute weights are edges. Spectral clustering splits it, the
//! *n-cut* says how little weight crosses between the parts, and the same network's weights shuffled say whether that is
//! more than chance (Filan et al. 2021, *Clusterability in Neural Networks*). This crate trains such networks, reads
//! those that others trained, and measures them; the `ncut` command is a thin layer on it.
//!
//! # Bird's-eye view
//!
//! ```text
//!   data, nn, penalty ──► train ──┐
//!                                 ├──► graph ──► spectral ──► stats ──► measure ──► diagnosis
//!   model (weight files) ─────────┘     CSR f64   λ, labels    p, Z      JSON        verdicts
//!                                                                          │
//!                                experiment (grid, store, run) ◄───────────┘
//!                                    │            │
//!                                  slurm        report ──► cli ──► main
//! ```
//!
//! Arrows are the way of the data. What each module uses, besides small helpers such as [`rng`], is below; none may use one that stands
//! under it, so nothing uses `cli`.
//!
//! | module | uses |
//! |---|---|
//! | [`dataflow`], [`data`] | none |
//! | [`model`], [`nn`] | `dataflow`, which they fill |
//! | [`graph`] | `dataflow`, which it reads, and `model` |
//! | [`spectral`] | `graph` |
//! | [`batched`] | `graph`, `spectral` |
//! | [`stats`] | `graph`, `spectral`, `batched` |
//! | [`measure`] | `dataflow`, `model`, `graph`, `spectral`, `stats` |
//! | [`diagnosis`] | `graph`, `spectral`, `stats`, `measure` |
//! | [`explain`] | `graph`, `spectral`, `measure` |
//! | [`penalty`] | `nn`, `spectral` |
//! | [`train`] | `data`, `nn`, `penalty` |
//! | [`lesion`] | `nn`, `train`, `stats`; it knows of a network's clusters the labels alone |
//! | [`experiment`] | all above but `dataflow`, `batched`, `diagnosis`, `explain` |
//! | [`slurm`] | `experiment` |
//! | [`report`] | `graph`, `stats`, `measure`, `diagnosis`, `lesion`, `experiment` |
//! | [`cli`] | all |
//!
//! | a newcomer asks | looks in |
//! |---|---|
//! | how do weights become edges, which nodes are dropped? | [`graph`]; of convolutions, [`graph::channel_graph`], and for penalties [`nn::channels`] |
//! | what does a network of any shape do with its input, as far as its graph depends on it? | [`dataflow`] |
//! | which files can be read, and how is a hostile one refused? | [`model`], [`graph::file`] |
//! | what does an operator of ONNX or PyTorch do with channels? | `model/onnx/operations.rs`, `model/aten.rs`, and what they share, `model/draft` |
//! | how is a TorchScript network followed without running it? | `model::torchscript` |
//! | which Laplacian, which shift, which tolerance? | [`spectral::laplacian`], [`spectral::arpack`], [`spectral::eigsh`], [`spectral::davidson`] |
//! | how are weights laid out for products, and in which precision? | [`spectral::block_matrix`] |
//! | how are labels found? | [`spectral::clustering`], [`spectral::kmeans`] |
//! | what is the n-cut, what is balance? | [`spectral::ncut`] |
//! | how are many shuffles clustered at once on a GPU? | [`batched`] |
//! | what will a measurement cost, and which way does it take? | [`explain`], [`spectral::cost`] |
//! | what is the null hypothesis, the p-value? | [`stats::shuffle`], [`stats::null`], [`stats::permutation`] |
//! | should an n-cut be believed, which k stands out, how often is that right? | [`diagnosis`] |
//! | which data sets are there, and how are the generated ones made? | [`data`], [`data::generated`] |
//! | what may be added to a loss, and what does it do to a network? | [`penalty`] |
//! | how is a network trained and pruned? | [`train`], [`train::prune`], [`nn`] |
//! | how are training images turned and shifted? | [`train::augmentation`] |
//! | which networks are there, what is done with batch normalisation? | [`nn::Preset`], [`nn::batch_norm`] |
//! | what can a network still do without a cluster? | [`lesion`] |
//! | what may a grid file say? | [`experiment::settings`], [`experiment::file`], [`experiment::axis`], [`experiment::predicate`] |
//! | which settings cannot be? | [`experiment::check`] |
//! | which runs does it stand for, and where does a setting come from? | [`experiment::grid`] |
//! | which runs share their networks? | [`experiment::networks`] |
//! | where did my result go, and what is its name? | [`experiment::store`] |
//! | who does a run when processes share a grid? | [`experiment::claim`] |
//! | where may a run stop, and how does it go on? | [`experiment::run`], [`train::checkpoint`], [`experiment::shuffles`] |
//! | how does n-cut change through training? | [`experiment::training_curve`] |
//! | how far has a run come, what will it cost? | [`experiment::status`], [`experiment::cost`] |
//! | what is Slurm asked, what does it answer? | [`slurm::script`], [`slurm::queue`] |
//! | which runs are submitted, in which arrays, and again when? | [`slurm::array`], [`slurm::retry`] |
//! | what may be deleted? | [`experiment::gc`] |
//! | which tables and pictures are made of the results? | [`report`], [`report::pictures`] |
//! | which figures are there, and which end of them is better? | [`experiment::figure`] |
//! | where does a random number come from? | [`rng`] |
//!
//! To add a data set: a file in [`data`]. A form of model files: a folder in [`model`] that fills a [`dataflow`]. A network: a variant of [`nn::Preset`]; a layer: a variant of [`nn::Layer`]. A penalty: a file in [`penalty`], and a field of `PenaltyParams`. A setting: a line in [`experiment::settings`] with a default that does
//! nothing. A null model: a variant of [`stats::shuffle::NullModel`]. An eigensolver: a variant of
//! [`spectral::eigsh::Solver`]. A form of the results: a file in [`report`]; the compiler lists the rest.
//!
//! # Invariants
//!
//! * Tensors (`tch`) stop at the graph: `nn`, `penalty`, `train` and `lesion` make them, `experiment`, `stats`, `measure` and `cli` pass a device on, and `model`,
//!   `graph` and `spectral` never see one, so they are tested without a network; [`batched`] makes tensors of graphs, for `stats` alone. Weights are f32 in tensors, f64 from the graph on.
//! * `unsafe` is denied but in [`spectral::arpack`], the one room that calls Fortran, `allocator`, which makes settings
//!   in C, `prefetch`, an instruction, and `train::adam`, which goes over tensors' memory.
//! * A random number comes from a stream named by seed, purpose and counters ([`rng`]); no generator is shared,
//!   and a clock is read for timings alone. So results do not depend on threads, order, neighbours or interruptions.
//! * The ARPACK library is not re-entrant and sits behind a lock; shuffles are solved by a solver of our own that is.
//! * A file gets its final name when it is whole and on the disk.
//! * A run may end after any step and any shuffle, by any signal; what it does next time depends on its directory alone. No lock is
//!   held on a file system, and no process of ours waits for a cluster.
//! * Only `cli` prints. The user's mistakes are [`InputError`]s: one line with place, problem and remedy. A caller's
//!   breach of a documented shape is a panic.
//!
//! # Notation
//!
//! `n` nodes, `k` clusters, `A` adjacency, `d_i` degrees, `D` their diagonal, `S = D^-1/2 A D^-1/2`, `L_sym = I − S`,
//! `λ` its eigenvalues, ascending, `θ = 1 − λ` those of `S`, `σ` a shift. Matrices are `(rows, columns)`; a layer's weight
//! is `(d_in, d_out)` in the graph, `(d_out, d_in)` in files and tensors, as PyTorch has it.

mod allocator;
mod aside;
pub mod batched;
pub mod cli;
pub mod data;
pub mod dataflow;
pub mod diagnosis;
mod error;
pub mod experiment;
pub mod explain;
pub mod graph;
pub mod lesion;
pub mod measure;
pub mod model;
mod names;
pub mod nn;
mod npy;
pub mod penalty;
mod prefetch;
pub mod report;
pub mod rng;
pub mod slurm;
pub mod spectral;
pub mod stats;
pub mod train;

pub use error::InputError;

/// Version of the program, with the commit it was built from where that is known.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("NCUT_COMMIT"));
