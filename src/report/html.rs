//! Self-contained pages: no scripts, no requests, light and dark.

use super::Condition;
use super::adjacency;
use super::clusters;
use super::pictures::Picture;
use super::pivot::Pivot;
use super::text;
use crate::diagnosis::Diagnosis;
use crate::diagnosis::ladder::keeps;
use crate::experiment::grid::Run;
use crate::experiment::run::RunResult;
use crate::graph::NeuronGraph;
use crate::measure::Measurement;
use std::fmt::Write;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: light-dark(#1c1c1c, #e8e8e8); --soft: light-dark(#6b6b6b, #a0a0a0);
        --line: light-dark(#d8d8d8, #444); --bar: light-dark(#9db4cc, #4f6b88); --mark: light-dark(#b3400a, #ff9a5c); }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
.plots { display: flex; flex-wrap: wrap; gap: 1.5rem; } figure { margin: 0; } figcaption { color: var(--soft); font-size: .85rem; max-width: 22rem; }
figure svg text { fill: var(--soft); font-size: 11px; } .picture svg { max-width: 100%; height: auto; } .warning { border-left: 3px solid var(--mark); padding-left: .7rem; }
.share { text-align: right; padding: .25rem .5rem; } .adjacency { width: min(36rem, 100%); background: #fff; }
.incomplete td:nth-child(3) { color: var(--mark); font-weight: 600; }
";

/// Text with nothing in it that HTML or XML would read as markup, or refuse.
pub(super) fn escape(text: &str) -> String {
    let text = text.replace(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'), " ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<h1>{title}</h1>\n{body}</html>\n"
    )
}

/// `marked` says by a row's number whether it stands out.
fn table(header: &[&str], rows: &[Vec<String>], marked: impl Fn(usize) -> bool) -> String {
    let mut html = String::from("<div class=\"scroll\"><table>\n<tr>");
    header.iter().for_each(|cell| html.push_str(&format!("<th>{}</th>", escape(cell))));
    html.push_str("</tr>\n");
    for (r, row) in rows.iter().enumerate() {
        html.push_str(if marked(r) { "<tr class=\"incomplete\">" } else { "<tr>" });
        row.iter().for_each(|cell| html.push_str(&format!("<td>{}</td>", escape(cell))));
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    html
}

/// The null distribution as a histogram with the network's n-cut as a line; nothing without a null distribution.
fn null_histogram(m: &Measurement, caption: &str) -> String {
    const WIDTH: f64 = 340.0;
    const HEIGHT: f64 = 120.0;
    const BINS: usize = 15;
    let Some(null) = m.null.as_ref().filter(|null| null.shuffles > 1) else { return String::new() };
    let (least, most) = null.ncuts.iter().fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(*x), b.max(*x)));
    let (from, to) = (least.min(m.ncut), most.max(m.ncut));
    let margin = (0.05 * (to - from)).max(1e-9);
    let x = |value: f64| WIDTH * (value - from + margin) / (to - from + 2.0 * margin);
    let bin_width = (most - least).max(1e-12) / BINS as f64;
    let mut counts = [0usize; BINS];
    null.ncuts.iter().for_each(|value| counts[(((value - least) / bin_width) as usize).min(BINS - 1)] += 1);
    let tallest = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let mut svg = format!(
        "<figure><svg viewBox=\"0 0 {WIDTH} {}\" width=\"{WIDTH}\" role=\"img\" aria-label=\"{}\">",
        HEIGHT + 34.0,
        escape(caption)
    );
    for (b, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (left, height) = (x(least + b as f64 * bin_width), 100.0 * *count as f64 / tallest);
        let width = (x(least + (b + 1) as f64 * bin_width) - left).max(1.0);
        let top = HEIGHT - height;
        let _ = write!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"var(--bar)\"/>"
        );
    }
    let (place, mean) = (x(m.ncut), x(null.mean));
    let _ = write!(
        svg,
        "<line x1=\"0\" x2=\"{WIDTH}\" y1=\"{HEIGHT}\" y2=\"{HEIGHT}\" stroke=\"var(--line)\"/>\
         <line x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"8\" y2=\"{HEIGHT}\" stroke=\"var(--mark)\" stroke-width=\"2\"/>"
    );
    // the two labels stand on lines of their own, so that they never overlap
    for (at, y, text) in [
        (place, 14.0, format!("network {:.3}", m.ncut)),
        (mean, 28.0, format!("shuffles {:.3} ± {:.3}", null.mean, null.sd)),
    ] {
        let (anchor, at) = match at {
            at if at < 80.0 => ("start", at.max(2.0) - 2.0),
            at if at > WIDTH - 80.0 => ("end", at.min(WIDTH - 2.0) + 2.0),
            at => ("middle", at),
        };
        let _ = write!(svg, "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{text}</text>", HEIGHT + y);
    }
    let _ = writeln!(svg, "</svg><figcaption>{}</figcaption></figure>", escape(caption));
    svg
}

fn p_and_z(m: &Measurement) -> String {
    let z = m.z_score.map_or("no Z".into(), |z| format!("Z = {z:+.2}"));
    m.p_value.map_or("no shuffles".into(), |p| format!("p = {p:.4}, {z}"))
}

fn warnings(m: &Measurement) -> String {
    m.warnings.iter().map(|w| format!("<p class=\"warning\">{}</p>\n", escape(&w.message))).collect()
}

/// Whether to believe it.
fn believe(diagnosis: &Diagnosis) -> String {
    let number = |z: Option<f64>| z.map_or("none".into(), |z| format!("{z:+.2}"));
    let ladder: Vec<Vec<String>> = diagnosis
        .ladder
        .iter()
        .map(|rung| {
            let shuffled = format!("{:.3} ± {:.3}", rung.mean, rung.sd);
            let p = format!("{:.4}", rung.p_value);
            vec![rung.kind.name().into(), keeps(rung.kind).into(), shuffled, p, number(rung.z_score)]
        })
        .collect();
    let choice = &diagnosis.choice_of_k;
    let clusters: Vec<Vec<String>> = choice
        .candidates
        .iter()
        .map(|k| {
            vec![
                if choice.recommended == Some(k.clusters) {
                    format!("{} ◄", k.clusters)
                } else {
                    k.clusters.to_string()
                },
                format!("{:.4}", k.ncut_per_cluster),
                number(k.z_score),
                format!("{:.3}", k.eigengap.exp()),
                format!("{:.3}", k.null_eigengap.exp()),
                format!("{:.2}", k.agreement),
            ]
        })
        .collect();
    let verdict = &diagnosis.verdict;
    let significance = diagnosis.significance().map_or(String::new(), |line| format!("<p>{}</p>\n", escape(&line)));
    let advice = verdict.advice.iter().map(|advice| format!("<p>{}</p>\n", escape(advice))).collect::<String>();
    format!(
        "<h2>Should I believe it?</h2>\n<p class=\"{}\"><strong>{}</strong></p>\n{advice}{significance}{}<h2>How many clusters?</h2>\n<p>{}</p>\n{}",
        if verdict.believable { "" } else { "warning" },
        escape(&verdict.message),
        table(&["null model", "keeps", "shuffled", "p", "Z"], &ladder, |_| false),
        escape(&choice.reason),
        table(&["k", "n-cut / k", "Z", "next λ ÷ λ", "in shuffles", "starts agree"], &clusters, |_| false),
    )
}

/// One measurement.
///
/// `graph` is what was measured, nodes that were dropped included.
pub fn measurement(m: &Measurement, diagnosis: Option<&Diagnosis>, graph: &NeuronGraph) -> String {
    let model = m.model.as_ref();
    let rows = vec![
        vec!["network".into(), model.map(|model| model.describe()).unwrap_or_default()],
        vec![
            "nodes, edges".into(),
            format!("{}, {} ({} nodes dropped)", m.graph.nodes, m.graph.edges, m.graph.dropped_nodes),
        ],
        vec!["n-cut".into(), format!("{:.4} of {} clusters ({:.4} each)", m.ncut, m.clusters, m.ncut_per_cluster)],
        vec!["against shuffles".into(), p_and_z(m)],
        vec!["balance".into(), format!("{:.2} effective clusters, Q = {:.3}", m.effective_clusters, m.modularity_q)],
    ];
    let table_of_clusters: Vec<Vec<String>> = (0..m.clusters)
        .map(|c| vec![c.to_string(), m.sizes[c].to_string(), format!("{:.1} %", 100.0 * m.volumes[c])])
        .collect();
    let eigenvalues: Vec<String> = m.eigenvalues.iter().map(|x| format!("{x:.4}")).collect();
    let body = format!(
        "{}{}{}<h2>Null distribution</h2>\n{}<h2>Clusters</h2>\n{}<h2>Where they are</h2>\n{}\
         <h2>Who is joined to whom</h2>\n{}<h2>Eigenvalues of L_sym</h2>\n{}<p>{}</p>\n<p>ncut {}</p>\n",
        table(&["", ""], &rows, |_| false),
        warnings(m),
        diagnosis.map_or(String::new(), believe),
        null_histogram(m, &p_and_z(m)),
        table(&["cluster", "nodes", "share of the volume"], &table_of_clusters, |_| false),
        clusters::by_layer(m),
        adjacency::figure(graph, m),
        clusters::spectrum(m),
        eigenvalues.join(", "),
        escape(&m.version)
    );
    page(&model.map_or("measurement".into(), |x| format!("Clusterability of {}", x.path)), &body)
}

/// The settings that the experiment varies, or its name.
fn varied(run: &Run) -> String {
    let given: Vec<String> = run.condition.given().map(|(name, value)| format!("{name}={value}")).collect();
    if given.is_empty() { run.experiment.to_string() } else { given.join(" ") }
}

/// A grid's conditions, the tables and pictures of its `report` sections, and the null distributions of its runs.
pub fn grid(
    conditions: &[Condition],
    tables: &[Pivot],
    pictures: &[Picture],
    results: &[(&Run, &RunResult)],
) -> String {
    let (incomplete, rows): (Vec<bool>, Vec<Vec<String>>) =
        text::rows(conditions).into_iter().map(|row| (row.incomplete, row.cells.to_vec())).unzip();
    let mut body = table(&text::HEADER, &rows, |r| incomplete[r]);
    if let Some(line) = text::not_done(conditions) {
        body.push_str(&format!("<p class=\"warning\">{}</p>\n", escape(&line)));
    }
    body.push_str(
        "<p>n-cut: lower is more clusterable. Shuffled: mean n-cut of the same weights shuffled within each layer. \
         ± is the standard deviation over replicates; se: standard errors of the difference of means.</p>\n",
    );
    if let Some(line) = text::discoveries(conditions) {
        body.push_str(&format!("<p>{line}.</p>\n"));
    }
    for Pivot { title, header, rows } in tables {
        let header: Vec<&str> = header.iter().map(String::as_str).collect();
        body.push_str(&format!("<h2>{}</h2>\n{}", escape(title), table(&header, rows, |_| false)));
    }
    if !pictures.is_empty() {
        body.push_str("<h2>Figures against each other</h2>\n");
        pictures.iter().for_each(|picture| body.push_str(&format!("<p class=\"picture\">{}</p>\n", picture.svg)));
    }
    body.push_str("<h2>Networks against their shuffles</h2>\n<div class=\"plots\">\n");
    for (run, result) in results {
        for (state, end) in [("unpruned", Some(&result.unpruned)), ("pruned", result.pruned.as_ref())] {
            if let Some(end) = end {
                let m = &end.measurement;
                let caption = format!("{} r{}, {state}: {}", varied(run), run.replicate, p_and_z(m));
                body.push_str(&null_histogram(m, &caption));
            }
        }
    }
    body.push_str("</div>\n");
    let mut warned: Vec<String> = Vec::new();
    for (run, result) in results {
        for (state, end) in [("unpruned", Some(&result.unpruned)), ("pruned", result.pruned.as_ref())] {
            for warning in end.iter().flat_map(|end| &end.measurement.warnings) {
                warned.push(format!("{} r{}, {state}: {}", varied(run), run.replicate, warning.message));
            }
        }
    }
    if !warned.is_empty() {
        body.push_str("<h2>Before you believe it</h2>\n");
        warned.iter().for_each(|line| body.push_str(&format!("<p class=\"warning\">{}</p>\n", escape(line))));
    }
    let mut names: Vec<&str> = conditions.iter().map(|c| c.experiment.as_str()).collect();
    names.dedup();
    page(&names.join(", "), &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_text() {
        let page = page("<script>alert('x')</script>", &table(&["a"], &[vec!["\"&<b>".into()]], |_| true));
        assert!(!page.contains("<script>") && !page.contains("<b>"));
        assert!(page.contains("&quot;&amp;&lt;b&gt;"));
    }
}
