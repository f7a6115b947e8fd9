//! Pages in a real browser: what they show, what they do, and that they fetch nothing.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Work, number, random_network};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// From a telephone's to a 4K screen's.
const WIDTHS: [usize; 5] = [360, 768, 1280, 1920, 3840];

/// A Chromium, which CI installs where there is none; `None`, said on standard error, elsewhere.
fn browser() -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let find =
        || NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.exists());
    let in_ci = std::env::var("CI").is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"));
    if find().is_none() && in_ci {
        for words in ["update -qq", "install -y -qq --no-install-recommends chromium"] {
            let _ = Command::new("apt-get")
                .args(words.split(' '))
                .env("DEBIAN_FRONTEND", "noninteractive")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .status();
        }
    }
    let found = find();
    if found.is_none() {
        eprintln!("skipped: no Chromium in PATH (Debian's package chromium; CI installs it)");
    }
    found
}

/// For what stands in an attribute.
fn quoted(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;")
}

/// What `pages.js` finds of a page, one entry a width. Anything on the browser's console is a failure.
fn looked_at(work: &Work, browser: &PathBuf, page: &str) -> Vec<Value> {
    let page = String::from_utf8(work.read(page)).unwrap();
    let frames: String = WIDTHS
        .iter()
        .map(|width| {
            format!(
                "<iframe width=\"{width}\" height=\"800\" style=\"border: 0\" srcdoc=\"{}\"></iframe>\n",
                quoted(&page)
            )
        })
        .collect();
    let script = include_str!("pages.js");
    let wrapped = format!(
        "<!doctype html>\n<meta charset=\"utf-8\">\n{frames}<pre id=\"result\"></pre>\n\
         <script>addEventListener(\"load\", () => {{\n{script}\n}});</script>\n"
    );
    work.write("wrapped.html", wrapped);
    let profile = work.path("profile");
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--virtual-time-budget=20000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", work.path("wrapped.html").display()))
        .env_remove("LD_LIBRARY_PATH")
        .env("HOME", work.path("."))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let complaints: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let found = dom.rsplit_once("<pre id=\"result\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let found = found.unwrap_or_else(|| panic!("the browser ended early: {log}")).0;
    let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", "\u{a0}").replace("&amp;", "&");
    serde_json::from_str(&found).unwrap_or_else(|error| panic!("{error}: {found}"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|cell| cell.as_str().unwrap()).collect()
}

/// As people read it: the first number of a cell, or its text.
fn leading_number(cell: &str) -> Option<f64> {
    let cell = cell.replace('−', "-");
    let end = cell.find(|c: char| !matches!(c, '0'..='9' | '.' | '-' | '+' | 'e' | ',')).unwrap_or(cell.len());
    cell[..end].replace(',', "").parse().ok()
}

/// Nothing reaches beyond the page or a picture, nothing overlaps, nothing is fetched, and tables are sorted by a click.
fn assert_sound(found: &Value) {
    let width = number(&found["width"]);
    assert!(number(&found["overflow"]) <= 0.0, "{width} px: wider by {}", found["overflow"]);
    assert_eq!(found["fetched"], serde_json::json!([]), "{width} px");
    for what in ["cut", "overlapping"] {
        assert_eq!(found["texts"][what], serde_json::json!([]), "{width} px: {what}");
    }
    let columns = found["sorted"].as_array().unwrap();
    assert!(!columns.is_empty());
    for column in columns {
        let [up, down] = &column["states"].as_array().unwrap()[..] else { panic!("{column}") };
        assert_eq!((&up["sort"], &down["sort"]), (&"ascending".into(), &"descending".into()));
        let (up, down) = (texts(&up["cells"]), texts(&down["cells"]));
        let filled = |cells: &[&str]| {
            cells.iter().filter(|cell| !cell.is_empty()).map(|cell| cell.to_string()).collect::<Vec<_>>()
        };
        assert!(
            up[filled(&up).len()..].iter().chain(&down[filled(&down).len()..]).all(|cell| cell.is_empty()),
            "{column}"
        );
        let numbers: Option<Vec<f64>> = filled(&up).iter().map(|cell| leading_number(cell)).collect();
        if let Some(numbers) = numbers {
            assert!(numbers.is_sorted(), "{column}");
            let fallen: Vec<f64> = filled(&down).iter().filter_map(|cell| leading_number(cell)).collect();
            assert!(fallen.iter().rev().is_sorted(), "{column}");
        }
    }
}

#[test]
fn the_page_of_a_measurement_answers_pointer_and_keys() {
    let Some(browser) = browser() else { return };
    let work = Work::new();
    let mut network = random_network(&[120, 90, 90, 10], 1);
    // a neuron without weights
    network[0].row_mut(3).fill(0.0);
    network[1].column_mut(3).fill(0.0);
    work.network("<b>&\"'.safetensors", &network);
    let args = [
        "measure",
        "<b>&\"'.safetensors",
        "-k",
        "4",
        "--shuffles",
        "20",
        "--diagnose",
        "--json",
        "m.json",
        "--html",
        "m.html",
    ];
    work.ncut(&args).ok();
    let labels = work.json("m.json")["labels"].clone();
    let firsts = [0, 120, 210, 300];
    for found in looked_at(&work, &browser, "m.html") {
        assert_sound(&found);
        let picked = &found["picked"];
        assert!(number(&picked["during"]) > 0.0, "{picked}");
        assert_eq!((&picked["wrong"], &picked["after"], &picked["pressed"]), (&0.into(), &0.into(), &"true".into()));
        let neurons = &found["neurons"];
        let hovered = neurons["hovered"].as_array().unwrap();
        let mut alone = 0;
        for neuron in hovered {
            let node = neuron["node"].as_u64().unwrap() as usize;
            let layer = firsts.partition_point(|first| *first <= node) - 1;
            let within = node - firsts[layer];
            let about = neuron["about"].as_str().unwrap();
            let wanted = match labels[node].as_i64().unwrap() {
                -1 => format!("neuron {within}: no weights, in no cluster"),
                label => format!("neuron {within}: cluster {label},"),
            };
            assert!(about.contains(&wanted), "{neuron}, not {wanted}");
            alone += usize::from(about.contains("in no cluster"));
        }
        assert!(hovered.len() > 8 && alone == 1, "{neurons}");
        // from the last of the last layer
        let [left, down, up, right] = &texts(&neurons["keys"])[..] else { panic!("{neurons}") };
        assert!(left.starts_with("layers.1.weight") && right.starts_with("layers.2.weight"), "{neurons}");
        assert!(left == up && left != down && neurons["focused"] == true, "{neurons}");
    }
}

#[test]
fn the_page_of_a_grid_is_sorted_and_searched() {
    let Some(browser) = browser() else { return };
    let work = Work::new();
    let fixed = "{dataset: mnist-sample, hidden: [16, 8], epochs: 1, pruning_epochs: 1, n_train: 256, shuffles: 3, clusters: 3, lesions: 2}";
    let report = "{title: 'A <title> & \"more\"', rows: dropout, cols: l1, values: [unpruned.ncut, pruned.ncut], \
                  scatter: {x: pruned.test_accuracy, y: pruned.ncut, series: dropout}}";
    let grid = format!(
        "experiments:\n  tiny:\n    fixed: {fixed}\n    grid: {{dropout: [0, 0.1, 0.2, 0.5], l1: [0, 1e-5, 5e-5, 1e-4]}}\n    report: {report}\n"
    );
    work.write("grid.yaml", grid);
    work.ncut(&["run", "grid.yaml"]).ok();
    assert!(
        String::from_utf8(work.read("runs/tiny/report.html"))
            .unwrap()
            .contains("of 3 clusters cost more than random sets on average")
    );
    for found in looked_at(&work, &browser, "runs/tiny/report.html") {
        assert_sound(&found);
        let searched = &found["searched"];
        let (words, left) = (searched["words"].as_str().unwrap(), texts(&searched["left"]));
        assert!(
            !left.is_empty() && left.iter().all(|row| words.split(' ').all(|word| row.contains(word))),
            "{searched}"
        );
    }
}
