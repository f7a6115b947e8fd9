//! Self-contained pages: no requests, light and dark, printable; what they do with scripts, they say without them too.
//!
//! ```text
//! measurement ─► null_histogram, network, flow, clusters, adjacency, spectrum ─┐
//! conditions, tables, pictures, results ─► grid ──────────────────────────────┴─► page: style.css, script.js
//! ```

mod adjacency;
mod clusters;
mod flow;
mod grid;
mod lesions;
mod measurement;
mod network;
mod null_histogram;
mod spectrum;

pub use grid::grid;
pub use measurement::measurement;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Of clusters, in turn: Okabe and Ito's palette, and as many more that differ from it in lightness.
const COLOURS: [&str; 12] = [
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#7A5195", "#999933", "#882255", "#44AA99",
    "#C2A800", "#A6761D",
];

fn colour(cluster: usize) -> &'static str {
    COLOURS[cluster % COLOURS.len()]
}

/// Text with nothing in it that HTML or XML would read as markup, or refuse.
pub(super) fn escape(text: &str) -> String {
    let text = text.replace(|c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'), " ");
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// The most letters of a layer's name in a picture.
const MOST_LETTERS: usize = 26;

/// A name, or its ends where it is long.
fn shortened(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    match letters.len() > MOST_LETTERS {
        false => name.into(),
        true => {
            let end = MOST_LETTERS / 2;
            let ends = (&letters[..MOST_LETTERS - 1 - end], &letters[letters.len() - end..]);
            format!("{}…{}", ends.0.iter().collect::<String>(), ends.1.iter().collect::<String>())
        }
    }
}

/// A layer's name below its middle, turned where it does not fit beside others.
fn layer_name(name: &str, (x, y): (f64, f64), turned: bool) -> String {
    let turn = match turned {
        true => format!("text-anchor=\"end\" transform=\"rotate(-40 {x:.1} {y:.1})\""),
        false => "text-anchor=\"middle\"".into(),
    };
    let (short, whole) = (escape(&shortened(name)), escape(name));
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" {turn}>{short}<title>{whole}</title></text>\n")
}

/// The whole of a page. `body` may have a `script` of data, but nothing is fetched: the policy forbids it.
fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n<body>\n<h1>{title}</h1>\n{body}<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// What a test of a page's contents looks at.
#[cfg(test)]
pub(super) fn without_style_and_script(page: &str) -> String {
    page.replace(STYLE, "").replace(SCRIPT, "")
}

/// A table that people can sort. `marked` says by a row's number whether it stands out.
fn table(header: &[&str], rows: &[Vec<String>], marked: impl Fn(usize) -> bool) -> String {
    let mut html = String::from("<div class=\"scroll\"><table class=\"sortable\">\n<tr>");
    header.iter().for_each(|cell| html.push_str(&format!("<th scope=\"col\">{}</th>", escape(cell))));
    html.push_str("</tr>\n");
    for (r, row) in rows.iter().enumerate() {
        html.push_str(if marked(r) { "<tr class=\"incomplete\">" } else { "<tr>" });
        row.iter().for_each(|cell| html.push_str(&format!("<td>{}</td>", escape(cell))));
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    html
}

/// What there is to say, and its name before it.
fn facts(rows: &[(&str, String)]) -> String {
    let row = |(name, value): &(&str, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escape(name), escape(value))
    };
    format!("<table class=\"facts\">\n{}</table>\n", rows.iter().map(row).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_text() {
        let page = page("<script>alert('x')</script>", &table(&["a"], &[vec!["\"&<b>".into()]], |_| true));
        assert!(!page.contains("<script>alert") && !page.contains("<b>"));
        assert!(page.contains("&quot;&amp;&lt;b&gt;"));
    }
}
