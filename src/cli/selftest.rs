//! `ncut selftest [MODEL]`.

use super::network::{ConventionOption, NetworkOptions};
use super::{Global, check_outputs, print, progress, table, write_json};
use crate::InputError;
use crate::diagnosis::ladder::LEAST_SHUFFLES;
use crate::diagnosis::selftest::{Selftest as Found, SelftestParams, selftest};
use crate::graph::{NeuronGraph, mlp_graph};
use crate::measure::read_network;
use crate::rng::{Purpose, stream};
use crate::spectral::clustering::ClusterParams;
use clap::Args;
use rand::Rng;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measure networks whose answer is known: with their weights shuffled, which have no parts, and with planted parts.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(super) struct Selftest {
    /// A network, whose layers and weights are taken; without one, the layers of --widths with Glorot's weights
    model: Option<PathBuf>,
    /// Widths of dense layers, from the input to the output
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [784, 256, 256, 256, 256, 10], conflicts_with = "model",
          value_parser = clap::value_parser!(u32).range(1..100_000))]
    widths: Vec<u32>,
    #[command(flatten)]
    network: NetworkOptions,
    /// What the nodes of a convolutional network are
    #[arg(long, value_enum, default_value = "paper")]
    convention: ConventionOption,
    /// Number of clusters, and of planted parts
    #[arg(short = 'k', long, value_name = "N", default_value_t = 12)]
    clusters: usize,
    /// Networks without parts
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    networks: u32,
    /// Networks with planted parts, for each strength
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    planted: u32,
    /// How much larger weights inside planted parts are: 1 is twice as large
    #[arg(long, value_name = "X", value_delimiter = ',', default_values_t = [0.3, 1.0, 3.0, 10.0, 100.0])]
    strengths: Vec<f64>,
    /// Shuffles of each network
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(LEAST_SHUFFLES as i64..=1_000_000))]
    shuffles: u32,
    /// k-means starts [default: 25 up to 2,000 nodes, else 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    restarts: Option<u16>,
    /// Seed of everything
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Write the result as JSON; - for standard output
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Selftest {
    pub(super) fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        if global.device != "cpu" {
            let problem = format!("a selftest runs on the CPU, not on '{}'", global.device);
            return Err(InputError::new("--device", problem, "leave it out").into());
        }
        if let Some(strength) = self.strengths.iter().find(|strength| !(0.0..=1e6).contains(*strength)) {
            let problem = format!("{strength} is no strength");
            return Err(InputError::new("--strengths", problem, "give numbers from 0 to a million").into());
        }
        check_outputs(&[], &self.json.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        const MOST_WEIGHTS: u64 = 100_000_000;
        let weights: u64 = self.widths.windows(2).map(|pair| u64::from(pair[0]) * u64::from(pair[1])).sum();
        if weights > MOST_WEIGHTS {
            let problem = format!("these are {weights} weights");
            return Err(InputError::new("--widths", problem, format!("choose widths of at most {MOST_WEIGHTS}")).into());
        }
        if self.clusters < 2 {
            let problem = format!("{} parts are none", self.clusters);
            return Err(InputError::new("--clusters", problem, "give 2 or more").into());
        }
        if self.widths.len() < 2 {
            let problem = "one width makes no network";
            return Err(InputError::new(
                "--widths",
                problem,
                "give those of the input and the output too, as 784,256,10",
            )
            .into());
        }
        let graph = match &self.model {
            Some(model) => {
                let params = self.network.params(self.convention, 0.0, 0.0);
                read_network(model, self.network.architecture(), params)?.0
            }
            None => self.chain(),
        };
        let restarts = self.restarts.map(usize::from);
        let params = SelftestParams {
            cluster: ClusterParams { restarts, ..ClusterParams::new(self.clusters, self.seed) },
            networks: self.networks as usize,
            planted: self.planted as usize,
            shuffles: self.shuffles as usize,
            strengths: self.strengths.clone(),
        };
        let bar = progress::Steps::new("networks", params.networks + params.planted * params.strengths.len());
        let found = selftest(&graph, &params, || bar.step());
        bar.close();
        let place = self.model.as_ref().map_or("--widths".into(), |model| model.display().to_string());
        let found = found.map_err(|e| anyhow::Error::new(e).context(place))?;
        match &self.json {
            Some(path) => write_json(path, &found)?,
            None => print(&text(&found))?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn chain(&self) -> NeuronGraph {
        let mut rng = stream(self.seed, Purpose::InitialWeights, 0, 0);
        let layers = self.widths.windows(2).enumerate().map(|(i, pair)| {
            let (rows, columns) = (pair[0] as usize, pair[1] as usize);
            let limit = (6.0 / (rows + columns) as f64).sqrt();
            let weights = ndarray::Array2::from_shape_simple_fn((rows, columns), || rng.gen_range(-limit..limit));
            (format!("layers.{i}"), weights)
        });
        mlp_graph(layers.collect())
    }
}

fn text(found: &Found) -> String {
    let Found { without_parts: without, with_parts } = found;
    let [rate, low, high] = without.false_positive_rate.map(|share| 100.0 * share);
    let mut rows =
        vec![["parts", "networks", "p < 0.05", "recovery", "right k", "wrong k"].map(str::to_string).to_vec()];
    rows.push(vec![
        "none".into(),
        without.networks.to_string(),
        format!("{}", without.found_clusterable),
        String::new(),
        format!("{}", without.networks - without.some_k_stood_out),
        without.some_k_stood_out.to_string(),
    ]);
    rows.extend(with_parts.iter().map(|planted| {
        vec![
            format!("weights × {}", (1e6 * (1.0 + planted.strength)).round() / 1e6),
            planted.networks.to_string(),
            planted.found_clusterable.to_string(),
            planted
                .recovery
                .map_or(String::new(), |recovery| format!("{:.2}", (100.0 * recovery).round() / 100.0 + 0.0)),
            planted.right_k_recommended.to_string(),
            planted.wrong_k_recommended.to_string(),
        ]
    }));
    format!(
        "{}\nfalse positives: {rate:.1} % (95 %: {low:.1} to {high:.1} %); they should be a twentieth\n\
         recovery: adjusted Rand index with the planted parts, 1 if they are found; right k, wrong k: how often their number is
\
         recommended, or another; without parts none, or any\n",
        table::aligned(&rows)
    )
}
