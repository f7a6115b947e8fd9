//! What values settings may have: types that check their range while they are read, and say it as JSON Schema.

use crate::data;
use crate::graph::{Convention, GraphLayers};
use crate::nn::Precision;
use crate::nn::clusterable_init::TaggedLayers;
use crate::nn::tags::TagSizes;
use crate::penalty::block_share::{Layers, Power, Total};
use crate::penalty::decay::L2Convention;
use crate::penalty::eigenvalues::EigenSolver;
use crate::penalty::loops::Root;
use crate::penalty::{LoopFlatten, LoopPenalty, PenaltyLayers, PenaltyStep};
use crate::spectral::eigsh::Solver;
use crate::stats::shuffle::NullModel;
use crate::train::augmentation::Augmentation;
use crate::train::learning_rate::LearningRateSchedule;
use crate::train::length::Length;
use serde::de::value::Error as Refused;
use serde::de::{self, DeserializeOwned, Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer, forward_to_deserialize_any};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

/// A type of settings as JSON Schema (2020-12) has it.
pub trait Schema {
    /// The schema of a value.
    fn schema() -> Value;
}

impl Schema for bool {
    fn schema() -> Value {
        json!({"type": "boolean"})
    }
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

/// Numbers whose range is checked while they are read, so that an error has the place of the value.
macro_rules! checked_number {
    ($(#[doc = $doc:literal])+ $name:ident, $expecting:literal, $fits:expr, $schema:tt) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub(super) f64);

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

checked_number!(
    /// A finite number above 0.
    PositiveNumber, "a finite number above 0", |x| x > 0.0 && x.is_finite(),
    {"type": "number", "exclusiveMinimum": 0}
);

/// Whole numbers whose range is checked while they are read.
macro_rules! checked_integer {
    ($(#[doc = $doc:literal])+ $name:ident, $least:literal, $most:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(pub(super) usize);

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

/// Epochs of a run, from 0, which is before the first, ascending and each once, however they are given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Epochs(Vec<usize>);

impl Epochs {
    /// The epochs.
    pub fn get(&self) -> &[usize] {
        &self.0
    }
}

impl Schema for Epochs {
    fn schema() -> Value {
        Vec::<Whole>::schema()
    }
}

impl<'de> Deserialize<'de> for Epochs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let epochs: BTreeSet<usize> = Vec::<Whole>::deserialize(deserializer)?.into_iter().map(Whole::get).collect();
        Ok(Self(epochs.into_iter().collect()))
    }
}

/// A length of training: a bare number in the type's own unit, or with a unit, `20ep` (epochs) or `500it` (iterations,
/// which are steps of the optimiser).
macro_rules! length {
    ($(#[doc = $doc:literal])+ $name:ident, $own:ident, $own_unit:literal, $other:ident, $other_unit:literal, $least:literal) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub(super) Length);

        impl $name {
            const EXPECTING: &str = concat!(
                "a whole number from ", $least, " to 1000000000, alone (", $own_unit, ") or with a unit (20ep, 500it)"
            );

            /// The length.
            pub fn get(self) -> Length {
                self.0
            }

            fn read(text: &str) -> Option<Length> {
                let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
                // as in YAML, where 012 is text
                if digits.len() > 1 && digits.starts_with('0') {
                    return None;
                }
                let count = digits.parse().ok().filter(|count| ($least..=1_000_000_000).contains(count))?;
                // none of either is the same
                match unit.strip_prefix(' ').unwrap_or(unit) {
                    "" | "ep" | "it" if count == 0 => Some(Length::$own(0)),
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
                    {"type": "string", "pattern": "^(0|[1-9][0-9]*) ?(ep|it)?$"}
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
pub struct DatasetName(pub(super) String);

static DATASETS: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| data::catalogue(Path::new("")).iter().map(|info| info.description.name).collect());

impl Schema for DatasetName {
    fn schema() -> Value {
        json!({"enum": *DATASETS})
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

/// The kind of network: one of [`Preset`](crate::nn::Preset).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Dense layers with ReLU between them.
    Mlp,
    /// Two convolutions and two dense layers: the AI-RG code's.
    AirgCnn,
    /// Three convolutions and two dense layers: the paper's.
    Cnn,
    /// The paper's VGG-16 for small images.
    Vgg,
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

/// Types whose values are the names of their variants.
macro_rules! words {
    ($($type:ty),+ $(,)?) => {
        $(impl Schema for $type {
            fn schema() -> Value {
                json!({"enum": names::<$type>()})
            }
        })+
    };
}

words! {
    Augmentation, Convention, EigenSolver, GraphLayers, L2Convention, Layers, LearningRateSchedule, LoopFlatten, LoopPenalty,
    Model, PenaltyLayers, PenaltyStep, Power, Precision, Root, SolverName, TagSizes, TaggedLayers, Total,
}

impl Schema for NullModel {
    fn schema() -> Value {
        json!({"enum": NullModel::ALL.map(NullModel::name)})
    }
}

/// What serde calls the variants of an enum; none of another type.
fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let found = Cell::new([].as_slice());
    // it asks for one of them by these names, and is told that there is none
    let _: Result<T, _> = T::deserialize(Asked(&found));
    found.get()
}

struct Asked<'a>(&'a Cell<&'static [&'static str]>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
        Err(Refused::custom("only variants are asked for"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.set(variants);
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_names_of_variants() {
        assert_eq!(names::<Model>(), ["mlp", "airg-cnn", "cnn", "vgg"]);
        assert_eq!(names::<Precision>(), ["f32", "bf16"]);
        assert_eq!(names::<f64>(), [""; 0]);
        assert_eq!(EigenSolver::schema(), json!({"enum": ["auto", "eigh", "lanczos", "autograd"]}));
    }
}
