//! The page of one measurement.

use super::null_histogram::{null_histogram, p_and_z};
use super::{adjacency, clusters, escape, facts, flow, network, page, spectrum, table};
use crate::diagnosis::Diagnosis;
use crate::diagnosis::ladder::keeps;
use crate::graph::NeuronGraph;
use crate::measure::{Measurement, NullInfo};

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

/// What p and Z are of: `p = 0.0196, Z = -4.47 (50 shuffles, layer, seed 0)`.
fn against(m: &Measurement) -> String {
    let of = |null: &NullInfo| format!(" ({} shuffles, {}, seed {})", null.shuffles, null.kind.name(), m.settings.seed);
    p_and_z(m) + &m.null.as_ref().map_or(String::new(), of)
}

fn distribution(m: &Measurement) -> String {
    match null_histogram(m, &against(m)) {
        picture if picture.is_empty() => "<p>Fewer than two shuffles.</p>\n".into(),
        picture => picture,
    }
}

/// One measurement.
///
/// `graph` is what was measured, nodes that were dropped included.
pub fn measurement(m: &Measurement, diagnosis: Option<&Diagnosis>, graph: &NeuronGraph) -> String {
    let model = m.model.as_ref();
    let rows = [
        ("network", model.map(|model| model.describe()).unwrap_or_default()),
        ("nodes, edges", format!("{}, {} ({} nodes dropped)", m.graph.nodes, m.graph.edges, m.graph.dropped_nodes)),
        ("n-cut", format!("{:.4} of {} clusters ({:.4} each)", m.ncut, m.clusters, m.ncut_per_cluster)),
        ("against shuffles", against(m)),
        ("balance", format!("{:.2} effective clusters, Q = {:.3}", m.effective_clusters, m.modularity_q)),
    ];
    let choice = diagnosis.map(|diagnosis| &diagnosis.choice_of_k);
    let body = format!(
        "{}{}{}<h2>Null distribution</h2>\n{}<h2>Clusters</h2>\n{}<h2>The network in clusters</h2>\n{}\
         <h2>From layer to layer</h2>\n{}<h2>Where they are</h2>\n{}<h2>Who is joined to whom</h2>\n{}\
         <h2>Eigenvalues of L_sym</h2>\n{}<p>ncut {}</p>\n",
        facts(&rows),
        warnings(m),
        diagnosis.map_or(String::new(), believe),
        distribution(m),
        clusters::sizes(m),
        network::figure(graph, m),
        flow::figure(graph, m),
        clusters::by_layer(m),
        adjacency::figure(graph, m),
        spectrum::spectrum(m, choice),
        escape(&m.version)
    );
    page(&model.map_or("measurement".into(), |x| format!("Clusterability of {}", x.path)), &body)
}
