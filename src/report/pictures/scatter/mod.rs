//! Pictures of one figure against another: a point a condition, told apart by series, with the Pareto front.

mod front;
mod layout;

use crate::experiment::figure::{self, FigureInfo};
use crate::experiment::grid::{listed, readable};
use crate::experiment::settings::{NAMES, Settings};
use crate::experiment::table::Scatter;
use crate::report::Condition;
use crate::report::pictures::networks::is_shown;
use layout::draw;
use serde_json::Value;

/// The picture of `y` against the figure across; `None` if there is no such figure.
pub(super) fn scatter(title: &str, scatter: &Scatter, y: &str, conditions: &[&Condition]) -> Option<String> {
    plot(title, scatter, y, conditions).map(|plot| draw(&plot))
}

/// What a picture shows.
struct Plot {
    title: String,
    x: Coordinate,
    y: Coordinate,
    /// The settings of the series; empty if there are none.
    series_by: String,
    /// Their values in each series.
    series: Vec<String>,
    /// The settings whose values labels are, where those are without names.
    labels_by: Option<String>,
    points: Vec<Point>,
    /// Conditions that lack one of the figures.
    lacking: usize,
}

/// What lies on an axis.
struct Coordinate {
    /// `n-cut, pruned`.
    name: String,
    info: &'static FigureInfo,
}

/// A mean, and the standard deviation where there is one.
type Estimate = (f64, Option<f64>);

struct Point {
    x: Estimate,
    y: Estimate,
    series: usize,
    label: String,
    /// What is told of it where the pointer is.
    about: Vec<String>,
}

/// `None` if there is no such figure.
fn plot(title: &str, scatter: &Scatter, y: &str, conditions: &[&Condition]) -> Option<Plot> {
    let coordinate = |name: &str| {
        figure::find(name).map(|(state, info)| {
            let state = state.map(|state| format!(", {state}")).unwrap_or_default();
            Coordinate { name: format!("{}{state}", info.label), info }
        })
    };
    let (across, up) = (coordinate(&scatter.x)?, coordinate(y)?);
    let mut series: Vec<String> = Vec::new();
    let mut points = Vec::new();
    let (labels, labels_by) = labels_of(conditions, &scatter.series);
    for (condition, label) in conditions.iter().zip(labels) {
        // also of a condition without a point, so that all pictures of an experiment have the same colours
        let values = values(condition, &scatter.series).join(", ");
        let of = series.iter().position(|known| *known == values).unwrap_or(series.len());
        if of == series.len() {
            series.push(values);
        }
        let value = |name: &str| {
            let figure = condition.figure(name)?;
            (is_shown(figure.mean) && figure.sd.is_none_or(is_shown)).then_some((figure.mean, figure.sd))
        };
        let (Some(x), Some(y)) = (value(&scatter.x), value(y)) else { continue };
        let settings = listed(&condition.given);
        let line = |coordinate: &Coordinate, (mean, sd): Estimate| {
            let sd = sd.map(|sd| format!(" ± {}", number(sd))).unwrap_or_default();
            format!("{}: {}{sd}", coordinate.name, number(mean))
        };
        let replicates = match condition.missing {
            0 => format!("n = {}", condition.n),
            missing => format!("n = {} of {}", condition.n, condition.n + missing),
        };
        let name = if settings.is_empty() { condition.experiment.clone() } else { settings };
        points.push(Point { x, y, series: of, label, about: vec![name, line(&across, x), line(&up, y), replicates] });
    }
    Some(Plot {
        title: format!("{title}: {} against {}", up.info.label, across.info.label),
        lacking: conditions.len() - points.len(),
        x: across,
        y: up,
        series_by: scatter.series.join(", "),
        series,
        labels_by,
        points,
    })
}

/// Four digits after the point, or of a small or large number four in all.
fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        1e-2..1e6 => format!("{x:.4}"),
        _ => format!("{x:.3e}"),
    }
}

fn values(condition: &Condition, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| readable(condition.all_settings.get(*name).unwrap_or(&Value::Null))).collect()
}

/// A label a condition, of the settings in which the conditions differ, but for those of the series. It says what
/// differs from the defaults; or, where that is twice as long, all values without names, which then are returned once.
fn labels_of(conditions: &[&Condition], series: &[&str]) -> (Vec<String>, Option<String>) {
    let differs =
        |name: &str| conditions.windows(2).any(|pair| pair[0].all_settings.get(name) != pair[1].all_settings.get(name));
    let names: Vec<&str> = NAMES.iter().copied().filter(|name| !series.contains(name) && differs(name)).collect();
    if names.is_empty() {
        return (vec![String::new(); conditions.len()], None);
    }
    let defaults = Settings::default().values();
    let plain: Vec<String> = conditions.iter().map(|condition| values(condition, &names).join(", ")).collect();
    let named = |condition: &&Condition| {
        let given = names.iter().filter(|name| condition.all_settings.get(**name) != defaults.get(**name));
        let given: Vec<String> = given.map(|name| format!("{name}={}", values(condition, &[name]).concat())).collect();
        if given.is_empty() { "default".to_string() } else { given.join(" ") }
    };
    let named: Vec<String> = conditions.iter().map(named).collect();
    let length = |labels: &[String]| labels.iter().map(|label| label.chars().count()).sum::<usize>();
    match names.len() == 1 || 2 * length(&plain) <= length(&named) {
        true => (plain, Some(names.join(", "))),
        false => (named, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::table::Table;
    use crate::experiment::yaml::parse;
    use crate::report::fixtures::{places, records, well_formed};
    use crate::report::pictures::{Picture, pictures};
    use crate::report::{Figure, conditions};
    use crate::rng::{Purpose, stream};
    use rand::Rng;
    use serde_json::json;

    /// A condition at `x` = `pruned.test_accuracy`, `y` = `pruned.ncut`, over two replicates with these differences.
    fn condition(kind: &str, l1: f64, (x, y): (f64, f64), (dx, dy): (f64, f64)) -> Condition {
        let mut condition = conditions(&records()).swap_remove(0);
        for (name, value) in [("loop_penalty_kind", json!(kind)), ("l1", json!(l1))] {
            condition.settings.insert(name.into(), value.clone());
            condition.all_settings.insert(name.into(), value);
        }
        let figures = condition.pruned.as_mut().unwrap();
        figures.test_accuracy = Some(Figure::new(vec![x - dx, x + dx], None));
        figures.ncut = Figure::new(vec![y - dy, y + dy], None);
        condition
    }

    fn pictures_of(section: &str, conditions: &[Condition]) -> Vec<Picture> {
        let table = Table::read(&parse("f", section).unwrap()).unwrap();
        pictures(&[("e".into(), table)], conditions, &[]).0
    }

    fn picture(conditions: &[Condition]) -> String {
        let section = "{title: T, scatter: {x: pruned.test_accuracy, y: pruned.ncut, series: loop_penalty_kind}}";
        pictures_of(section, conditions).remove(0).svg
    }

    const MARKER: &str = "<g class=\"marker\" transform=\"translate(";

    #[test]
    fn each_condition_has_a_marker_on_axes_that_cover_it() {
        let mut rng = stream(0, Purpose::Shuffle, 3, 0);
        let kinds = ["loops", "butterflies", "trace-s4"];
        let conditions: Vec<Condition> = (0..24)
            .map(|i| {
                let (at, sd) = ((rng.gen_range(0.9..1.0), rng.gen_range(4.0..11.0)), (0.02, rng.gen_range(0.0..1.0)));
                condition(kinds[i % 3], i as f64, at, sd)
            })
            .collect();
        let svg = picture(&conditions);
        well_formed(&svg);
        assert_eq!(svg, picture(&conditions));
        let markers = places(&svg, MARKER);
        assert_eq!((markers.len(), svg.matches("<g class=\"point\"><title>").count()), (24, 24));
        let frame: Vec<f64> = svg
            .split("<rect x=\"")
            .nth(1)
            .map(|rest| rest.split('"').step_by(2).take(4).map(|x| x.parse().unwrap()).collect())
            .unwrap();
        let inside = |(x, y): &(f64, f64)| {
            (frame[0]..frame[0] + frame[2]).contains(x) && (frame[1]..frame[1] + frame[3]).contains(y)
        };
        // markers, and the ends of bars behind the points' titles
        let bars =
            svg.split("class=\"point\">").skip(1).flat_map(|point| places(point.split("<g").next().unwrap(), "d=\"M"));
        assert!(markers.iter().chain(&bars.collect::<Vec<_>>()).all(inside));
        // a line through the values and the places, in both directions
        let value = |i: usize| {
            let figures = conditions[i].pruned.as_ref().unwrap();
            (figures.test_accuracy.as_ref().unwrap().mean, figures.ncut.mean)
        };
        for i in 2..24 {
            let ratio = |of: fn((f64, f64)) -> f64, f: &dyn Fn(usize) -> (f64, f64)| {
                (of(f(i)) - of(f(0))) / (of(f(1)) - of(f(0)))
            };
            for of in [|p: (f64, f64)| p.0, |p: (f64, f64)| p.1] {
                let (wanted, found) = (ratio(of, &value), ratio(of, &|i| markers[i]));
                assert!((wanted - found).abs() < 0.01 * (1.0 + wanted.abs()), "{wanted} {found}");
            }
        }
        for text in [">loops</text>", ">loop_penalty_kind</text>", "Labels: l1.", ">23</text>", "(higher is better)"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn the_front_joins_the_best_points() {
        let at = [(0.9, 5.0), (0.95, 6.0), (0.94, 7.0), (0.99, 9.0), (0.91, 9.0)];
        let svg = picture(&at.map(|at| condition("loops", at.1, at, (0.0, 0.0))));
        let markers = places(&svg, MARKER);
        let path = svg.split("<path class=\"front\" d=\"M").nth(1).unwrap().split('"').next().unwrap();
        let wanted = [0, 1, 3].map(|i| format!("{:.1} {:.1}", markers[i].0, markers[i].1)).join("L");
        assert_eq!((path, svg.matches("on the Pareto front").count()), (wanted.as_str(), 3));
    }

    #[test]
    fn odd_points_break_nothing() {
        let one = condition("loops", 0.0, (0.9, 5.0), (0.0, 0.0));
        let mut without = condition("butterflies", 1.0, (0.9, 5.0), (0.0, 0.0));
        without.pruned.as_mut().unwrap().test_accuracy = None;
        let mut infinite = one.clone();
        infinite.pruned.as_mut().unwrap().ncut.mean = f64::NAN;
        let huge = condition("loops", 0.0, (0.9, 1e300), (0.0, 0.0));
        let mut single = one.clone();
        single.pruned.as_mut().unwrap().ncut.sd = None;
        let not_done = conditions(&records()).swap_remove(1);
        for (conditions, points) in [
            (vec![one.clone()], 1),
            (vec![without.clone()], 0),
            (vec![one.clone(); 3], 3),
            (vec![one.clone(), without, infinite, huge, single, not_done.clone()], 2),
            (vec![condition("loops", 0.0, (0.0, 0.0), (0.0, 0.0)); 300], 300),
            ((0..70).map(|i| condition(&"k".repeat(i), 0.0, (i as f64, 1e-9), (0.0, 0.0))).collect(), 70),
        ] {
            let svg = picture(&conditions);
            well_formed(&svg);
            assert_eq!(places(&svg, MARKER).len(), points);
            assert_eq!(svg.contains("no condition has both figures"), points == 0);
            assert_eq!(svg.contains("not shown"), points < conditions.len());
        }
        assert_eq!(pictures_of("{scatter: {x: pruned.ncut, y: pruned.ncut}}", &[not_done]), []);
    }

    #[test]
    fn names_are_escaped_and_files_numbered() {
        let evil = condition("<script>&\"'\u{7}", 0.0, (0.9, 5.0), (0.0, 0.1));
        let other = condition("loops", 0.5, (0.8, 5.0), (0.0, 0.1));
        let scatter = "{x: pruned.ncut, y: [unpruned.ncut, ms_per_step], series: loop_penalty_kind}, {x: pruned.null_mean, y: pruned.ncut}";
        let section = format!("{{title: '<b>\"&', scatter: [{scatter}]}}");
        let pictures = pictures_of(&section, &[evil, other]);
        let names: Vec<&str> = pictures.iter().map(|picture| picture.name.as_str()).collect();
        assert_eq!(names, ["scatter-1.svg", "scatter-2.svg", "scatter-3.svg"]);
        for Picture { svg, .. } in &pictures {
            well_formed(svg);
            assert!(!svg.contains("<script") && !svg.contains("<b>") && !svg.contains('\u{7}'));
        }
        assert!(pictures[0].svg.contains("&lt;script&gt;&amp;&quot;&#39;"));
        // the mean of the shuffles is not better at either end
        assert!(!pictures[2].svg.contains("front") && pictures[1].svg.contains(">0.05"));
    }

    #[test]
    fn labels_are_short() {
        let label = |of: &[(&str, f64)], series: &[&str]| {
            let conditions: Vec<Condition> =
                of.iter().map(|(kind, l1)| condition(kind, *l1, (0.9, 5.0), (0.0, 0.0))).collect();
            labels_of(&conditions.iter().collect::<Vec<_>>(), series)
        };
        let mixed = [("loops", 0.0), ("loops", 5e-5), ("butterflies", 0.0)];
        let text = |labels: [&str; 3]| labels.map(str::to_string).to_vec();
        assert_eq!(label(&mixed, &["loop_penalty_kind"]), (text(["0", "5e-5", "0"]), Some("l1".into())));
        let named = text(["default", "l1=5e-5", "loop_penalty_kind=butterflies"]);
        assert_eq!(label(&mixed, &[]), (named, None));
        let all = [("as-coded", 0.5), ("trace-s4", 5e-5), ("as-coded", 1e-5)];
        let plain = text(["0.5, as-coded", "5e-5, trace-s4", "1e-5, as-coded"]);
        assert_eq!(label(&all, &[]), (plain, Some("l1, loop_penalty_kind".into())));
        assert_eq!(label(&mixed, &["loop_penalty_kind", "l1"]), (text(["", "", ""]), None));
    }
}
