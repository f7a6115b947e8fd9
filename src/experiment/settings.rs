//! The settings of a run: names, types, ranges and defaults, in one list.

use crate::data;
use crate::spectral::eigsh::Solver;
use crate::stats::shuffle::NullModel;
use crate::train::TrainParams;
use crate::train::prune::PruningSchedule;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;

/// Numbers whose range is checked while they are read, so that an error has the place of the value.
macro_rules! checked_number {
    ($(#[doc = $doc:literal])+ $name:ident, $expecting:literal, $fits:expr) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Serialize)]
        #[serde(transparent)]
        pub struct $name(f64);

        impl From<$name> for f64 {
            fn from(number: $name) -> f64 {
                number.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Number;
                impl Visitor<'_> for Number {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_f64<E: de::Error>(self, value: f64) -> Result<$name, E> {
                        let fits: fn(f64) -> bool = $fits;
                        if fits(value) { Ok($name(value)) } else { Err(E::custom(format!("{value} is not {}", $expecting))) }
                    }
                    fn visit_u64<E: de::Error>(self, value: u64) -> Result<$name, E> {
                        self.visit_f64(value as f64)
                    }
                    fn visit_i64<E: de::Error>(self, value: i64) -> Result<$name, E> {
                        self.visit_f64(value as f64)
                    }
                }
                deserializer.deserialize_f64(Number)
            }
        }
    };
}

checked_number!(
    /// A share in `[0, 1)`.
    Fraction, "a number in [0, 1)", |x| (0.0..1.0).contains(&x)
);
checked_number!(
    /// A finite number that is at least 0.
    NonNegative, "a finite number of at least 0", |x| x >= 0.0 && x.is_finite()
);

/// Whole numbers whose range is checked while they are read.
macro_rules! checked_integer {
    ($(#[doc = $doc:literal])+ $name:ident, $least:literal, $most:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(usize);

        impl $name {
            /// The number.
            pub fn get(self) -> usize {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Number;
                impl Visitor<'_> for Number {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                        write!(f, "a whole number from {} to {}", $least, $most)
                    }
                    fn visit_u64<E: de::Error>(self, value: u64) -> Result<$name, E> {
                        match value {
                            $least..=$most => Ok($name(value as usize)),
                            _ => Err(E::custom(format!("{value} is not a whole number from {} to {}", $least, $most))),
                        }
                    }
                    fn visit_i64<E: de::Error>(self, value: i64) -> Result<$name, E> {
                        Err(E::custom(format!("{value} is not a whole number from {} to {}", $least, $most)))
                    }
                }
                deserializer.deserialize_u64(Number)
            }
        }
    };
}

checked_integer!(
    /// From 1 to a million.
    Positive, 1, 1_000_000
);
checked_integer!(
    /// From 0 to a million.
    Whole, 0, 1_000_000
);
checked_integer!(
    /// k-means starts: their streams are numbered with 16 bits.
    Starts, 1, 65_535
);

/// The name of a data set that there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DatasetName(String);

impl<'de> Deserialize<'de> for DatasetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = DatasetName;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the name of a data set")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<DatasetName, E> {
                let known = data::catalogue(Path::new(""));
                let names: Vec<&str> = known.iter().map(|info| info.description.name).collect();
                if names.contains(&name) {
                    return Ok(DatasetName(name.into()));
                }
                let near = crate::names::nearest(name, &names).map(|near| format!("did you mean '{near}'? "));
                let near = near.unwrap_or_default();
                Err(E::custom(format!("no data set is called '{name}'; {near}there are {}", names.join(", "))))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

impl DatasetName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Dense layers with ReLU between them.
    Mlp,
}

/// Solvers as a grid file names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SolverName {
    /// [`Solver::Auto`].
    Auto,
    /// [`Solver::Arpack`].
    Arpack,
    /// [`Solver::Lanczos`].
    Lanczos,
    /// [`Solver::Dense`].
    Dense,
}

impl From<SolverName> for Solver {
    fn from(name: SolverName) -> Solver {
        match name {
            SolverName::Auto => Solver::Auto,
            SolverName::Arpack => Solver::Arpack,
            SolverName::Lanczos => Solver::Lanczos,
            SolverName::Dense => Solver::Dense,
        }
    }
}

/// One list makes the resolved settings, what a `fixed` block may hold, and what a `grid` block may hold.
///
/// A default is never changed: names of runs on disk depend on it. A new setting enters with the default that does
/// nothing.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr,)+) => {
        /// Every setting of a run, resolved.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Settings { $($(#[doc = $doc])+ pub $name: $type,)+ }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// Some settings, as in a `fixed` block or `--set`.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Assignment {
            $($(#[doc = $doc])+ #[serde(deserialize_with = "given")] pub $name: Option<$type>,)+
        }

        impl Assignment {
            /// Overwrites what is given.
            pub fn apply(&self, settings: &mut Settings) {
                $(if let Some(value) = &self.$name { settings.$name = value.clone(); })+
            }
        }

        /// Lists of values, as in a `grid` block.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Axes {
            $($(#[doc = $doc])+ #[serde(deserialize_with = "values")] pub $name: Option<Vec<$type>>,)+
        }

        impl Axes {
            /// Each axis as its name and its assignments, in the order of [`Settings`].
            pub fn each(&self) -> Vec<(&'static str, Vec<Assignment>)> {
                let mut axes = Vec::new();
                $(if let Some(values) = &self.$name {
                    let assign = |value: &$type| Assignment { $name: Some(value.clone()), ..Default::default() };
                    axes.push((stringify!($name), values.iter().map(assign).collect()));
                })+
                axes
            }
        }

        /// The names of all settings.
        pub const NAMES: &[&str] = &[$(stringify!($name)),+];
    };
}

/// A key that stands there has a value: `epochs:` alone is a mistake, not a default.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// A list with at least one value.
fn values<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    struct List<T>(std::marker::PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a list of values")
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
            let mut values = Vec::new();
            while let Some(value) = list.next_element()? {
                values.push(value);
            }
            match values.is_empty() {
                true => Err(de::Error::custom("an axis without values; give it one, or leave it out")),
                false => Ok(values),
            }
        }
    }
    deserializer.deserialize_seq(List(std::marker::PhantomData)).map(Some)
}

settings! {
    /// Data set to train on.
    dataset: DatasetName = DatasetName("mnist".into()),
    /// Kind of network.
    model: Model = Model::Mlp,
    /// Widths of the hidden layers.
    hidden: Vec<Positive> = vec![Positive(256); 4],
    /// Probability of dropping a hidden unit, in `[0, 1)`.
    dropout: Fraction = Fraction(0.0),
    /// Weight of Σ|w| in the loss; the paper's is 5e-5.
    l1: NonNegative = NonNegative(0.0),
    /// Weight of Σw² in the loss; the paper's is 5e-5.
    l2: NonNegative = NonNegative(0.0),
    /// Epochs before pruning.
    epochs: Positive = Positive(20),
    /// Epochs with pruning, after those; 0 leaves the pruned half out.
    pruning_epochs: Whole = Whole(20),
    /// Share of weights pruned at the first step of pruning.
    initial_sparsity: Fraction = Fraction(0.5),
    /// Share of weights pruned at the end.
    final_sparsity: Fraction = Fraction(0.9),
    /// Steps between two choices of what is pruned.
    pruning_every: Positive = Positive(10),
    /// Examples in a step.
    batch_size: Positive = Positive(128),
    /// Adam's step size.
    learning_rate: NonNegative = NonNegative(1e-3),
    /// Number of training examples, the first ones; all if not given.
    n_train: Option<Positive> = None,
    /// Clusters k of a measurement.
    clusters: Positive = Positive(12),
    /// Shuffles of a measurement; 0 for none.
    shuffles: Whole = Whole(50),
    /// What a shuffle keeps: `layer` or `layer-nonzero`.
    null_model: NullModel = NullModel::Layer,
    /// k-means starts; 25 up to 2,000 nodes, else 100, if not given.
    restarts: Option<Starts> = None,
    /// Eigenvalue solver of a measurement.
    solver: SolverName = SolverName::Auto,
}

impl Settings {
    /// Those that differ from the defaults, by name: what identifies a run.
    pub fn non_default(&self) -> serde_json::Map<String, serde_json::Value> {
        let map = |settings: &Settings| match serde_json::to_value(settings) {
            Ok(serde_json::Value::Object(map)) => map,
            _ => unreachable!("settings are a map of plain values"),
        };
        let defaults = map(&Settings::default());
        map(self).into_iter().filter(|(name, value)| defaults.get(name) != Some(value)).collect()
    }

    /// The same training with every setting of the measurement at its default: what identifies a network.
    pub fn training_only(&self) -> Settings {
        let Settings { clusters, shuffles, null_model, restarts, solver, .. } = Settings::default();
        Settings { clusters, shuffles, null_model, restarts, solver, ..self.clone() }
    }

    /// What the trainer is given.
    pub fn train_params(&self, seed: u64) -> TrainParams {
        TrainParams {
            hidden: self.hidden.iter().map(|width| width.get()).collect(),
            epochs: self.epochs.get(),
            pruning_epochs: self.pruning_epochs.get(),
            batch_size: self.batch_size.get(),
            learning_rate: self.learning_rate.into(),
            dropout: self.dropout.into(),
            l1: self.l1.into(),
            l2: self.l2.into(),
            pruning: PruningSchedule {
                initial_sparsity: self.initial_sparsity.into(),
                final_sparsity: self.final_sparsity.into(),
                every: self.pruning_every.get(),
            },
            seed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's setting (appendix A.2 and section 1.2) is the default.
    #[test]
    fn defaults_are_the_papers() {
        let params = Settings::default().train_params(0);
        assert_eq!(params.hidden, [256; 4]);
        assert_eq!((params.epochs, params.pruning_epochs, params.batch_size), (20, 20, 128));
        assert_eq!((params.learning_rate, params.dropout, params.l1, params.l2), (1e-3, 0.0, 0.0, 0.0));
        assert_eq!(params.pruning, PruningSchedule { initial_sparsity: 0.5, final_sparsity: 0.9, every: 10 });
        let Settings { clusters, shuffles, null_model, .. } = Settings::default();
        assert_eq!((clusters.get(), shuffles.get(), null_model), (12, 50, NullModel::Layer));
    }

    #[test]
    fn yaml_numbers_are_what_people_mean() {
        let given: Assignment = serde_yaml::from_str("{l1: 5e-5, dropout: 0.5, epochs: 3, n_train: 100}").unwrap();
        let mut settings = Settings::default();
        given.apply(&mut settings);
        assert_eq!(f64::from(settings.l1), 5e-5);
        assert_eq!(settings.n_train.map(Positive::get), Some(100));
        assert_eq!(settings.non_default().len(), 4);
        assert!(serde_yaml::from_str::<Assignment>("dropout: 1.0").is_err());
        for wrong in ["batch_size: 0", "shuffles: -1", "epochs: 9223372036854775808", "restarts: 70000", "epochs: 1.5"]
        {
            assert!(serde_yaml::from_str::<Assignment>(wrong).is_err(), "{wrong}");
        }
    }
}
