//! The settings of a run: names, types, ranges and defaults, in one list.

use crate::data;
use crate::spectral::eigsh::Solver;
use crate::stats::shuffle::NullModel;
use crate::train::TrainParams;
use crate::train::length::Length;
use crate::train::prune::PruningSchedule;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

/// A type of settings as JSON Schema (2020-12) has it.
pub trait Schema {
    /// The schema of a value.
    fn schema() -> Value;
}

impl<T: Schema> Schema for Vec<T> {
    fn schema() -> Value {
        json!({"type": "array", "items": T::schema()})
    }
}

impl<T: Schema> Schema for Option<T> {
    fn schema() -> Value {
        json!({"anyOf": [T::schema(), {"type": "null"}]})
    }
}

/// The schema of a type whose values are words.
fn words(words: &[&str]) -> Value {
    json!({"enum": words})
}

/// Numbers whose range is checked while they are read, so that an error has the place of the value.
macro_rules! checked_number {
    ($(#[doc = $doc:literal])+ $name:ident, $expecting:literal, $fits:expr, $schema:tt) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Serialize)]
        #[serde(transparent)]
        pub struct $name(f64);

        impl Schema for $name {
            fn schema() -> Value {
                json!($schema)
            }
        }

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
                        // −0 is the same setting as 0
                        if fits(value) { Ok($name(value + 0.0)) } else { Err(E::custom(format!("{value} is not {}", $expecting))) }
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
    Fraction, "a number in [0, 1)", |x| (0.0..1.0).contains(&x),
    {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
);
checked_number!(
    /// A finite number that is at least 0.
    NonNegative, "a finite number of at least 0", |x| x >= 0.0 && x.is_finite(),
    {"type": "number", "minimum": 0}
);

/// Whole numbers whose range is checked while they are read.
macro_rules! checked_integer {
    ($(#[doc = $doc:literal])+ $name:ident, $least:literal, $most:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(usize);

        impl Schema for $name {
            fn schema() -> Value {
                json!({"type": "integer", "minimum": $least, "maximum": $most})
            }
        }

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
                    fn visit_f64<E: de::Error>(self, value: f64) -> Result<$name, E> {
                        // 6e4 is a whole number to people
                        match value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value) {
                            true => self.visit_u64(value as u64),
                            false => {
                                Err(E::custom(format!("{value} is not a whole number from {} to {}", $least, $most)))
                            }
                        }
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

/// A length of training: a bare number in the type's own unit, or with a unit, `20ep` (epochs) or `500it` (iterations,
/// which are steps of the optimiser).
macro_rules! length {
    ($(#[doc = $doc:literal])+ $name:ident, $own:ident, $own_unit:literal, $other:ident, $other_unit:literal, $least:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(Length);

        impl $name {
            const EXPECTING: &str = concat!(
                "a whole number from ", $least, " to 1000000000, alone (", $own_unit, ") or with a unit (20ep, 500it)"
            );

            /// The length.
            pub fn get(self) -> Length {
                self.0
            }

            fn read(text: &str) -> Option<Length> {
                let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let count = digits.trim_end().parse().ok().filter(|count| ($least..=1_000_000_000).contains(count))?;
                // none of either is the same
                match &text[digits.len()..] {
                    _ if count == 0 => Some(Length::$own(0)),
                    "" => Some(Length::$own(count)),
                    "ep" => Some(Length::Epochs(count)),
                    "it" => Some(Length::Steps(count)),
                    _ => None,
                }
            }
        }

        impl Schema for $name {
            fn schema() -> Value {
                json!({"anyOf": [
                    {"type": "integer", "minimum": $least, "maximum": 1_000_000_000},
                    {"type": "string", "pattern": "^[0-9]+ ?(ep|it)?$"}
                ]})
            }
        }

        impl Serialize for $name {
            /// In its own unit a bare number, so that `20` and `20ep` are the same setting.
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.0 {
                    Length::$own(count) => serializer.serialize_u64(count as u64),
                    Length::$other(count) => serializer.collect_str(&format_args!("{count}{}", $other_unit)),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Form;
                impl Visitor<'_> for Form {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                        f.write_str($name::EXPECTING)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        let wrong = || E::custom(format!("{text} is not {}", $name::EXPECTING));
                        $name::read(text).map($name).ok_or_else(wrong)
                    }
                    fn visit_u64<E: de::Error>(self, count: u64) -> Result<$name, E> {
                        self.visit_str(&count.to_string())
                    }
                    fn visit_i64<E: de::Error>(self, count: i64) -> Result<$name, E> {
                        self.visit_str(&count.to_string())
                    }
                    fn visit_f64<E: de::Error>(self, count: f64) -> Result<$name, E> {
                        self.visit_str(&count.to_string())
                    }
                }
                deserializer.deserialize_any(Form)
            }
        }
    };
}

length!(
    /// A phase of training: bare numbers are epochs.
    Phase, Epochs, "epochs", Steps, "it", 1
);
impl OptionalPhase {
    /// Whether it is left out.
    pub fn is_none(self) -> bool {
        self.0.steps(1) == 0
    }
}

length!(
    /// A phase of training that may be left out: bare numbers are epochs.
    OptionalPhase, Epochs, "epochs", Steps, "it", 0
);
length!(
    /// An interval within training: bare numbers are steps.
    Interval, Steps, "steps", Epochs, "ep", 1
);

/// The name of a data set that there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DatasetName(String);

static DATASETS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| data::catalogue(Path::new("")).iter().map(|info| info.description.name).collect());

impl Schema for DatasetName {
    fn schema() -> Value {
        words(&DATASETS)
    }
}

impl<'de> Deserialize<'de> for DatasetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = DatasetName;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("the name of a data set")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<DatasetName, E> {
                let names = &*DATASETS;
                if names.contains(&name) {
                    return Ok(DatasetName(name.into()));
                }
                let near = crate::names::nearest(name, names).map(|near| format!("did you mean '{near}'? "));
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

impl Schema for Model {
    fn schema() -> Value {
        words(&["mlp"])
    }
}

impl Schema for SolverName {
    fn schema() -> Value {
        words(&["auto", "arpack", "lanczos", "dense"])
    }
}

impl Schema for NullModel {
    fn schema() -> Value {
        words(&["layer", "layer-nonzero"])
    }
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

/// One list makes the resolved settings, a setting with a value as a grid file gives it, and their schema.
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

        /// A setting with a value that fits it.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(non_camel_case_types, reason = "a variant is called as its setting is")]
        pub enum Setting { $($(#[doc = $doc])+ $name($type),)+ }

        impl Setting {
            /// `value` for the setting `name`.
            ///
            /// # Errors
            ///
            /// Why the value does not fit, or `None` if no setting has this name.
            pub fn read(name: &str, value: Value) -> Result<Self, Option<String>> {
                match name {
                    $(stringify!($name) => {
                        serde_json::from_value(value).map(Self::$name).map_err(|e| Some(e.to_string()))
                    })+
                    _ => Err(None),
                }
            }

            /// The setting's name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)+ }
            }

            /// Gives `settings` this value.
            pub fn apply(&self, settings: &mut Settings) {
                match self { $(Self::$name(value) => settings.$name = value.clone(),)+ }
            }
        }

        /// The names of all settings.
        pub const NAMES: &[&str] = &[$(stringify!($name)),+];

        /// Name, documentation and schema of each setting.
        pub fn schemas() -> Vec<(&'static str, String, Value)> {
            vec![$((stringify!($name), [$($doc),+].concat().trim().to_string(), <$type>::schema())),+]
        }
    };
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
    /// Training before pruning, in epochs; `500it` for steps.
    epochs: Phase = Phase(Length::Epochs(20)),
    /// Training with pruning, after that, in epochs; `500it` for steps; 0 leaves the pruned half out.
    pruning_epochs: OptionalPhase = OptionalPhase(Length::Epochs(20)),
    /// Share of weights pruned at the first step of pruning.
    initial_sparsity: Fraction = Fraction(0.5),
    /// Share of weights pruned at the end.
    final_sparsity: Fraction = Fraction(0.9),
    /// Steps between two choices of what is pruned; `1ep` for an epoch.
    pruning_every: Interval = Interval(Length::Steps(10)),
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
    pub fn non_default(&self) -> Map<String, Value> {
        static DEFAULTS: LazyLock<Map<String, Value>> = LazyLock::new(|| Settings::default().values());
        self.values().into_iter().filter(|(name, value)| DEFAULTS.get(name) != Some(value)).collect()
    }

    /// All of them, by name.
    pub fn values(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(values)) => values,
            _ => unreachable!("settings are a map of plain values"),
        }
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
        let twenty = Length::Epochs(20);
        assert_eq!((params.epochs, params.pruning_epochs, params.batch_size), (twenty, twenty, 128));
        assert_eq!((params.learning_rate, params.dropout, params.l1, params.l2), (1e-3, 0.0, 0.0, 0.0));
        assert_eq!(
            params.pruning,
            PruningSchedule { initial_sparsity: 0.5, final_sparsity: 0.9, every: Length::Steps(10) }
        );
        let Settings { clusters, shuffles, null_model, .. } = Settings::default();
        assert_eq!((clusters.get(), shuffles.get(), null_model), (12, 50, NullModel::Layer));
    }

    #[test]
    fn values_are_checked_and_normalised() {
        let read = |name: &str, value: Value| {
            let mut settings = Settings::default();
            Setting::read(name, value).map_err(|e| e.unwrap_or_default())?.apply(&mut settings);
            Ok::<Value, String>(settings.values()[name].clone())
        };
        for (name, given, resolved) in [
            ("l1", json!(5e-5), json!(5e-5)),
            ("dropout", json!(0), json!(0.0)),
            ("dropout", json!(-0.0), json!(0.0)),
            ("n_train", json!(6e4), json!(60000)),
            ("n_train", json!(null), json!(null)),
            ("epochs", json!("20ep"), json!(20)),
            ("epochs", json!("500it"), json!("500it")),
            ("epochs", json!(1e3), json!(1000)),
            ("pruning_epochs", json!("0it"), json!(0)),
            ("pruning_every", json!("10it"), json!(10)),
            ("pruning_every", json!("1 ep"), json!("1ep")),
        ] {
            assert_eq!(read(name, given.clone()), Ok(resolved), "{name}: {given}");
        }
        for (name, given, problem) in [
            ("dropout", json!(1.0), "1 is not a number in [0, 1)"),
            ("batch_size", json!(0), "0 is not a whole number from 1"),
            ("shuffles", json!(-1), "-1 is not a whole number"),
            ("epochs", json!(1.5), "1.5 is not a whole number"),
            ("epochs", json!("5 parsecs"), "with a unit (20ep, 500it)"),
            ("epochs", json!("0it"), "0it is not"),
            ("epochs", json!(null), "null"),
            ("epochs", json!(9223372036854775808u64), "9223372036854775808 is not"),
            ("restarts", json!(70000), "70000 is not a whole number from 1 to 65535"),
            ("dropout", json!("0.5"), "expected a number"),
            ("hidden", json!([256, 0]), "0 is not a whole number"),
        ] {
            let error = read(name, given.clone()).expect_err(&format!("{name}: {given}"));
            assert!(error.contains(problem), "{name}: {given}: {error}");
        }
        assert_eq!(Setting::read("epoch", json!(1)), Err(None));
    }
}
