//! Pictures of null distributions: a panel a network, with the histograms of its shuffles and its own n-cut as a line. Null
//! models of the same network share its panel.

use super::axis::Axis;
use super::chart::across;
use super::histogram::Histogram;
use super::labels::{At, Rect};
use super::networks::{Network, networks, p_text};
use super::svg::{MARGIN, SMALL, SMALL_LINE, TITLE, TITLE_LINE, begin, hatched, line, text, wrapped};
use crate::experiment::grid::Run;
use crate::experiment::run::RunResult;
use crate::experiment::settings::Settings;
use crate::report::page::escape;
use crate::stats::shuffle::NullModel;
use std::fmt::Write;

/// Panels of a picture.
const MOST_PANELS: usize = 24;
/// Panels beside each other.
const COLUMNS: usize = 4;
/// Size of a plot in its panel.
const WIDTH: f64 = 250.0;
const HEIGHT: f64 = 110.0;
/// Between panels.
const GAP: f64 = 22.0;
/// The axis below a plot.
const AXIS: f64 = 20.0;
/// Of the network's line.
const NETWORK: &str = " stroke=\"#000\" stroke-width=\"2.4\"";

/// The picture of the networks of `results`; `None` if none has shuffles.
pub(super) fn nulls(title: &str, state: &str, results: &[(&Run, &RunResult)]) -> Option<String> {
    let (networks, lacking) = networks(results, state);
    let mut panels = panels(&networks);
    if panels.is_empty() {
        return None;
    }
    let left_out = panels.len().saturating_sub(MOST_PANELS);
    panels.truncate(MOST_PANELS);
    Some(draw(title, state, &panels, left_out, lacking))
}

/// A network with a null distribution for each null model.
struct Panel<'a> {
    name: String,
    settings: Settings,
    nulls: Vec<Network<'a>>,
}

/// The networks whose settings differ in more than the null model, first replicates first.
fn panels<'a>(networks: &[Network<'a>]) -> Vec<Panel<'a>> {
    let mut panels: Vec<Panel> = Vec::new();
    for network in networks {
        let settings = Settings { null_model: NullModel::default(), ..network.run.settings().clone() };
        let same = |panel: &&mut Panel| {
            let run = panel.nulls[0].run;
            run.replicate == network.run.replicate && panel.settings == settings
        };
        match panels.iter_mut().find(same) {
            Some(panel) => panel.nulls.push(*network),
            None => {
                let name = format!("{} r{}", network.condition("null_model"), network.run.replicate);
                panels.push(Panel { name, settings, nulls: vec![*network] });
            }
        }
    }
    panels.sort_by_key(|panel| panel.nulls[0].run.replicate);
    panels
}

/// The null models of the panels, in the order in which they come.
fn kinds(panels: &[Panel]) -> Vec<NullModel> {
    let mut kinds = Vec::new();
    for null in panels.iter().flat_map(|panel| &panel.nulls) {
        if !kinds.contains(&null.null.kind) {
            kinds.push(null.null.kind);
        }
    }
    kinds
}

fn draw(title: &str, state: &str, panels: &[Panel], left_out: usize, lacking: usize) -> String {
    let kinds = kinds(panels);
    let columns = columns(panels);
    let width = 2.0 * MARGIN + columns as f64 * (WIDTH + GAP) - GAP;
    let title_lines = wrapped(title, 1.08 * TITLE, width - 2.0 * MARGIN);
    let notes = wrapped(&notes(state, left_out, lacking).join(" "), SMALL, width - 2.0 * MARGIN);
    let top = MARGIN + TITLE_LINE * title_lines.len() as f64 + 10.0;
    let heads: Vec<Vec<String>> = panels.iter().map(|panel| wrapped(&panel.name, SMALL, WIDTH)).collect();
    let head = heads.iter().map(Vec::len).max().unwrap_or(1) as f64 * SMALL_LINE;
    let texts = panels.iter().map(|panel| panel.nulls.len() + 1).max().unwrap_or(1) as f64;
    let height = head + HEIGHT + AXIS + texts * SMALL_LINE + GAP;
    let bottom = top + height * panels.len().div_ceil(columns) as f64;

    let mut svg = begin(title, width, bottom + SMALL_LINE * notes.len() as f64 + MARGIN);
    svg.push_str("<g fill=\"#222\">\n");
    for (i, line) in title_lines.iter().enumerate() {
        let more = format!(" font-size=\"{TITLE}\" font-weight=\"bold\"");
        text(&mut svg, (MARGIN, MARGIN + 12.0 + TITLE_LINE * i as f64), &more, line);
    }
    let _ = writeln!(svg, "<g font-size=\"{SMALL}\" fill=\"#555\">");
    for (i, line) in notes.iter().enumerate() {
        text(&mut svg, (MARGIN, bottom + 8.0 + SMALL_LINE * i as f64), "", line);
    }
    svg.push_str("</g>\n");
    for (i, (panel, lines)) in panels.iter().zip(&heads).enumerate() {
        let left = MARGIN + (i % columns) as f64 * (WIDTH + GAP);
        let y = top + (i / columns) as f64 * height;
        let _ = writeln!(svg, "<g class=\"panel\" font-size=\"{SMALL}\"><title>{}</title>", escape(&panel.name));
        // heads of one line stand as near to their plot as those of several
        let first = y + head - SMALL_LINE * (lines.len() as f64 - 1.0) - 5.0;
        for (i, line) in lines.iter().enumerate() {
            text(&mut svg, (left, first + SMALL_LINE * i as f64), " font-weight=\"bold\"", line);
        }
        panel.draw(&mut svg, &kinds, (left, y + head));
        svg.push_str("</g>\n");
    }
    svg + "</g>\n</svg>\n"
}

/// A column a condition, where that makes rows of replicates.
fn columns(panels: &[Panel]) -> usize {
    let replicate = |panel: &Panel| panel.nulls[0].run.replicate;
    let first = panels.iter().filter(|panel| replicate(panel) == replicate(&panels[0])).count();
    let even = panels
        .chunks(first)
        .all(|row| row.len() == first && row.iter().all(|panel| replicate(panel) == replicate(&row[0])));
    match even && (2..=COLUMNS).contains(&first) {
        true => first,
        false => panels.len().min(COLUMNS),
    }
}

fn notes(state: &str, left_out: usize, lacking: usize) -> Vec<String> {
    let mut notes = vec![format!("Black line: the network's n-cut, {state}. Bars: numbers of shuffles by n-cut.")];
    if left_out > 0 {
        notes.push(format!("Networks not shown: {left_out} more."));
    }
    if lacking > 0 {
        notes.push(format!("Networks with values beyond any axis, not shown: {lacking}."));
    }
    notes
}

impl Panel<'_> {
    /// Its plot, with the top left at `at`, and below it what is in it.
    fn draw(&self, svg: &mut String, kinds: &[NullModel], (left, top): At) {
        let all: Vec<&[f64]> = self.nulls.iter().map(|null| null.null.ncuts.as_slice()).collect();
        let histograms = Histogram::together(&all);
        let bins = histograms.iter().flat_map(Histogram::bins).flat_map(|(from, to, _)| [from, to]);
        let mut ncuts: Vec<f64> = self.nulls.iter().map(|null| null.measurement.ncut).collect();
        ncuts.dedup();
        let x_axis = across(bins.chain(ncuts.iter().copied()), (0.0, f64::INFINITY), WIDTH);
        let y_axis = Axis::upwards(histograms.iter().map(Histogram::tallest).max().unwrap_or(1).max(1) as f64);
        let bottom = top + HEIGHT;
        let x = |value: f64| left + WIDTH * x_axis.place(value);
        self.axis(svg, &x_axis, (left, top));
        for (null, histogram) in self.nulls.iter().zip(&histograms) {
            let kind = kinds.iter().position(|kind| *kind == null.null.kind).unwrap_or(0);
            let _ = writeln!(svg, "<g class=\"null\">");
            for (from, to, count) in histogram.bins() {
                let top = bottom - HEIGHT * y_axis.place(count as f64);
                hatched(svg, Rect { left: x(from), top, right: x(to), bottom }, kind);
            }
            svg.push_str("</g>\n");
        }
        for ncut in &ncuts {
            let _ =
                writeln!(svg, "<path class=\"network\" d=\"{}\"{NETWORK}/>", line((x(*ncut), top), (x(*ncut), bottom)));
        }
        self.texts(svg, kinds, (left, bottom + AXIS));
    }

    fn axis(&self, svg: &mut String, axis: &Axis, (left, top): At) {
        let bottom = top + HEIGHT;
        svg.push_str("<g fill=\"#555\">\n");
        for (value, label) in &axis.ticks {
            let x = left + WIDTH * axis.place(*value);
            let _ = writeln!(svg, "<path d=\"{}\" stroke=\"#e4e4e4\"/>", line((x, top), (x, bottom + 4.0)));
            text(svg, (x, bottom + 15.0), " text-anchor=\"middle\"", label);
        }
        let _ = writeln!(svg, "</g>\n<path d=\"{}\" stroke=\"#888\"/>", line((left, bottom), (left + WIDTH, bottom)));
    }

    /// The network's n-cut, and a line a null model.
    fn texts(&self, svg: &mut String, kinds: &[NullModel], (left, top): At) {
        const INDENT: f64 = 20.0;
        let _ = writeln!(svg, "<path d=\"{}\"{NETWORK}/>", line((left + 7.0, top + 2.0), (left + 7.0, top + 13.0)));
        let ncut = format!("n-cut {:.4}", self.nulls[0].measurement.ncut);
        text(svg, (left + INDENT, top + 11.0), "", &ncut);
        for (i, Network { measurement, null, .. }) in self.nulls.iter().enumerate() {
            let y = top + SMALL_LINE * (i + 1) as f64;
            let kind = kinds.iter().position(|kind| *kind == null.kind).unwrap_or(0);
            hatched(svg, Rect { left, top: y + 2.0, right: left + 14.0, bottom: y + 12.0 }, kind);
            let z = measurement.z_score.map_or("no Z".into(), |z| format!("Z = {z:.2}").replace('-', "−"));
            let p = measurement.p_value.map_or("no p".into(), p_text);
            text(svg, (left + INDENT, y + 11.0), "", &format!("{}: {z}, {p}", null.kind.name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::{drawn, network, well_formed};

    fn picture(results: &[(Run, RunResult)]) -> Option<String> {
        let pictures = drawn("{nulls: unpruned, shuffles: none}", results);
        pictures.into_iter().find(|picture| picture.name == "nulls-unpruned.svg").map(|picture| picture.svg)
    }

    fn both(dropout: &str, replicate: u64) -> [(Run, RunResult); 2] {
        let of = |kind: &str, ncuts: &[f64]| {
            network(&format!("{{dropout: {dropout}, null_model: {kind}}}"), replicate, 9.0, ncuts)
        };
        [of("layer", &[10.0, 10.25, 10.5, 10.5]), of("layer-nonzero", &[9.5, 9.625])]
    }

    #[test]
    fn null_models_of_a_network_share_its_panel() {
        let results: Vec<_> = (0..6).flat_map(|i| both(["0", "0.5"][i as usize % 2], i / 2)).collect();
        let svg = picture(&results).unwrap();
        well_formed(&svg);
        assert_eq!(Some(&svg), picture(&results).as_ref());
        let panels: Vec<&str> = svg.split("<g class=\"panel\"").skip(1).collect();
        assert_eq!(panels.len(), 6);
        for panel in panels {
            assert_eq!((panel.matches("class=\"null\"").count(), panel.matches("class=\"network\"").count()), (2, 1));
            assert!(
                panel.contains(">layer: Z = ")
                    && panel.contains(">layer-nonzero: Z = ")
                    && panel.contains(">n-cut 9.0000<")
            );
            // the tallest bar is of two shuffles, the others half as high; the line is left of all
            let attribute = |bar: &str, name: &str| -> f64 {
                bar.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
            };
            let nulls: Vec<Vec<(f64, f64)>> = panel
                .split("<g class=\"null\">")
                .skip(1)
                .map(|null| null.split("</g>").next().unwrap())
                .map(|null| {
                    null.split("<rect").skip(1).map(|bar| (attribute(bar, "x"), attribute(bar, "height"))).collect()
                })
                .collect();
            let tallest = nulls[0].iter().map(|bar| bar.1).fold(0.0, f64::max);
            assert!(
                nulls[0].iter().chain(&nulls[1]).all(|bar| bar.1 == tallest || (bar.1 - tallest / 2.0).abs() < 0.11)
            );
            assert_eq!(nulls[1].len(), 2);
            let network = panel.split("class=\"network\" d=\"M").nth(1).unwrap().split(' ').next().unwrap();
            let network: f64 = network.parse().unwrap();
            assert!(nulls[0].iter().all(|bar| nulls[1].iter().all(|other| network < other.0 && other.0 < bar.0)));
        }
    }

    #[test]
    fn of_many_networks_it_says_how_many_are_left_out_and_odd_ones_break_nothing() {
        let many: Vec<_> = (0..40).map(|i| network("{}", i, 9.0, &[10.0, 10.5])).collect();
        let svg = picture(&many).unwrap();
        assert_eq!(svg.matches("<g class=\"panel\"").count(), 24);
        assert!(svg.contains("Networks not shown: 16 more."));
        let mut evil = network("{dropout: 0.25}", 3, 9.5, &[10.0]);
        evil.0.experiment = "<script>&\"".into();
        let same = network("{}", 2, 10.0, &[10.0, 10.0, 10.0]);
        let nan = network("{}", 0, f64::NAN, &[10.0, 10.2]);
        assert_eq!(picture(std::slice::from_ref(&nan)), None);
        for results in [vec![same.clone(), nan], vec![evil], vec![same]] {
            for svg in drawn("{nulls: [unpruned, pruned]}", &results).into_iter().map(|picture| picture.svg) {
                well_formed(&svg);
                assert!(!svg.contains("<script"));
            }
        }
        assert_eq!(picture(&[network("{}", 0, 9.0, &[])]), None);
    }
}
