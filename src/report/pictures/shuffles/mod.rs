//! Pictures of networks' n-cuts against those of their shuffles: a point a network, told apart by conditions.

mod layout;

use super::networks::{Network, networks, p_digits, p_text};
use crate::experiment::grid::Run;
use crate::experiment::run::RunResult;
use layout::draw;

/// The picture of the networks of `results`; `None` if none has shuffles.
pub(super) fn shuffles(title: &str, state: &str, results: &[(&Run, &RunResult)]) -> Option<String> {
    let (networks, lacking) = networks(results, state);
    (!networks.is_empty() || lacking > 0).then(|| draw(&plot(title, state, &networks, lacking)))
}

/// What a picture shows.
struct Plot {
    title: String,
    state: String,
    series: Vec<Series>,
    points: Vec<Point>,
    /// Networks that no axis could show.
    lacking: usize,
}

/// A condition.
struct Series {
    name: String,
    /// `p = .02 ×4, .04`.
    p: String,
}

struct Point {
    /// Mean and standard deviation of the shuffles' n-cuts.
    shuffled: (f64, f64),
    ncut: f64,
    series: usize,
    p: Option<f64>,
    /// What is told of it where the pointer is.
    about: Vec<String>,
}

/// Up to as many points, each p is in the legend.
const ALL_LISTED: usize = 40;
/// Of more points, only so many different p of a condition are; else the least and the greatest.
const MOST_LISTED: usize = 4;

fn plot(title: &str, state: &str, networks: &[Network], lacking: usize) -> Plot {
    let mut conditions: Vec<(&str, String)> = Vec::new();
    let mut points = Vec::new();
    for network in networks {
        let key = network.run.condition.name.as_str();
        let series = conditions.iter().position(|(known, _)| *known == key).unwrap_or(conditions.len());
        if series == conditions.len() {
            conditions.push((key, network.condition("")));
        }
        let (null, measurement) = (network.null, network.measurement);
        let z = measurement.z_score.map(|z| format!(", Z = {z:.2}").replace('-', "−")).unwrap_or_default();
        let about = vec![
            format!("{} r{}", conditions[series].1, network.run.replicate),
            format!("n-cut, {state}: {:.4}", measurement.ncut),
            format!("{} shuffles ({}): {:.4} ± {:.4}", null.ncuts.len(), null.kind.name(), null.mean, null.sd),
            format!("{}{z}", measurement.p_value.map_or("no p".into(), p_text)),
        ];
        let (shuffled, ncut, p) = ((null.mean, null.sd), measurement.ncut, measurement.p_value);
        points.push(Point { shuffled, ncut, series, p, about });
    }
    let most = if points.len() <= ALL_LISTED { usize::MAX } else { MOST_LISTED };
    let series = conditions.into_iter().enumerate().map(|(series, (_, name))| {
        let own = points.iter().filter(|point| point.series == series).filter_map(|point| point.p);
        Series { name, p: listed(own.collect(), most) }
    });
    Plot { title: title.into(), state: state.into(), series: series.collect(), points, lacking }
}

/// `p = .02 ×4, .04`; `p = .02 to .35` where there are more than `most` different ones.
fn listed(mut p: Vec<f64>, most: usize) -> String {
    p.sort_by(f64::total_cmp);
    let mut counts: Vec<(String, usize)> = Vec::new();
    for p in p {
        let digits = p_digits(p);
        match counts.last_mut().filter(|(known, _)| *known == digits) {
            Some((_, count)) => *count += 1,
            None => counts.push((digits, 1)),
        }
    }
    let times = |(p, count): &(String, usize)| if *count > 1 { format!("{p} ×{count}") } else { p.clone() };
    match &counts[..] {
        [] => "no p".into(),
        [first, .., last] if counts.len() > most => format!("p = {} to {}", first.0, last.0),
        all => format!("p = {}", all.iter().map(times).collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::table::Table;
    use crate::report::fixtures::{drawn, network, places, well_formed};
    use crate::rng::{Purpose, stream};
    use rand::Rng;

    const MARKER: &str = "<g class=\"marker\" transform=\"translate(";

    fn picture(results: &[(Run, RunResult)]) -> String {
        let pictures = drawn("{}", results);
        pictures.into_iter().find(|picture| picture.name == "shuffles-unpruned.svg").expect("a picture").svg
    }

    /// Six conditions of five networks, of which one has many different p.
    fn results() -> Vec<(Run, RunResult)> {
        let mut rng = stream(0, Purpose::Shuffle, 6, 0);
        let mut one = |i: u64| {
            let mean = rng.gen_range(9.0..11.0);
            let ncuts: Vec<f64> = (0..20).map(|_| mean + rng.gen_range(-0.1..0.1)).collect();
            let condition = i / 5;
            let ncut = if condition == 0 { ncuts[i as usize % 5] } else { mean - rng.gen_range(0.5..1.0) };
            network(&format!("{{dropout: 0.{condition}}}"), i % 5, ncut, &ncuts)
        };
        (0..30).map(&mut one).collect()
    }

    #[test]
    fn each_network_has_a_marker_with_its_bar_where_the_axes_say() {
        let results = results();
        let svg = picture(&results);
        well_formed(&svg);
        assert_eq!(svg, picture(&results));
        let markers = places(&svg, MARKER);
        assert_eq!((markers.len(), svg.matches("<g class=\"point\"><title>").count()), (30, 30));
        let bars: Vec<_> = svg
            .split("class=\"point\">")
            .skip(1)
            .map(|point| places(point.split("<g").next().unwrap(), "d=\"M")[0])
            .collect();
        let null = |i: usize| results[i].1.unpruned.measurement.null.as_ref().unwrap();
        let ncut = |i: usize| results[i].1.unpruned.measurement.ncut;
        let scale = |of: &dyn Fn(usize) -> f64, at: &dyn Fn(usize) -> f64| {
            let slope = (at(0) - at(1)) / (of(0) - of(1));
            (0..30).for_each(|i| assert!((at(i) - at(0) - slope * (of(i) - of(0))).abs() < 0.3, "{i}"));
            slope
        };
        let (across, up) = (scale(&|i| null(i).mean, &|i| markers[i].0), scale(&ncut, &|i| markers[i].1));
        assert!(across > 0.0 && up < 0.0);
        // a bar begins one standard deviation to the left of its marker, and on its height
        for i in 0..30 {
            assert!((markers[i].0 - across * null(i).sd - bars[i].0).abs() < 0.2 && bars[i].1 == markers[i].1);
        }
        // the diagonal passes where both coordinates are the same
        let line = svg.split("<path class=\"diagonal\" d=\"M").nth(1).unwrap().split('"').next().unwrap();
        for end in line.split('L') {
            let (x, y) =
                end.split_once(' ').map(|(x, y)| (x.parse::<f64>().unwrap(), y.parse::<f64>().unwrap())).unwrap();
            let (shuffled, ncut) = (null(0).mean + (x - markers[0].0) / across, ncut(0) + (y - markers[0].1) / up);
            assert!((shuffled - ncut).abs() < 2e-3, "{shuffled} {ncut}");
        }
    }

    #[test]
    fn every_p_is_in_the_picture() {
        let svg = picture(&results());
        // one label for a condition whose networks have the same p, one each for the others
        assert_eq!(svg.matches(">p = .048 ×5</text>").count(), 5 + 5);
        let own = svg.split("class=\"labels\"").nth(1).unwrap();
        for (_, result) in &results()[..5] {
            let p = result.unpruned.measurement.p_value.map(p_text).unwrap();
            assert!(own.contains(&format!(">{p}</text>")), "{p}");
        }
        assert_eq!(listed(vec![0.04, 0.02, 0.02], 2), "p = .02 ×2, .04");
        assert_eq!(listed(vec![0.04, 0.02, 0.06], 2), "p = .02 to .06");
        assert_eq!(listed(vec![], 2), "no p");
    }

    #[test]
    fn odd_networks_break_nothing() {
        let one = network("{dropout: 0.5}", 0, 9.0, &[10.0, 10.2]);
        let far = network("{dropout: 0.5}", 1, 2.0, &[10.0, 10.001]);
        let nan = network("{}", 0, f64::NAN, &[10.0, 10.2]);
        let huge = network("{}", 1, 9.0, &[10.0, 1e300]);
        let same = network("{}", 2, 10.0, &[10.0, 10.0]);
        let evil = network("{dropout: 0.25}", 3, 9.5, &[10.0, 10.2]);
        let mut evil = evil;
        evil.0.experiment = "<script>&\"".into();
        for (results, points) in [
            (vec![one.clone()], 1),
            (vec![far.clone()], 1),
            (vec![nan.clone()], 0),
            (vec![one.clone(), far, nan, huge, same.clone()], 3),
            (vec![same; 90], 90),
            (vec![evil], 1),
            ((0..300).map(|i| network(&format!("{{dropout: 0.{i:03}}}"), 0, 9.0, &[10.0, 10.2])).collect(), 300),
        ] {
            let svg = picture(&results);
            well_formed(&svg);
            assert_eq!(places(&svg, MARKER).len(), points);
            assert_eq!(svg.contains("not shown"), points < results.len());
            assert!(!svg.contains("<script"));
        }
        // two conditions would lie in a heap, one is to be seen below the line
        let far = [2.0, 2.01].map(|ncut| network(&format!("{{dropout: {}}}", ncut - 1.9), 1, ncut, &[10.0, 10.001]));
        assert!(picture(&far).contains("The line n-cut = mean of shuffles is far above"));
        let alone = picture(&far[..1]);
        assert!(!alone.contains("far above") && alone.contains("class=\"diagonal\""), "{alone}");
        assert_eq!(drawn("{}", &[network("{}", 0, 9.0, &[])]), []);
        assert_eq!(drawn("{shuffles: none}", std::slice::from_ref(&one)), []);
        assert_eq!(drawn("{shuffles: pruned}", std::slice::from_ref(&one)), []);
        assert_eq!(Table::default().shuffles, None);
    }
}
