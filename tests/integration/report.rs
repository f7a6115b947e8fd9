//! What `ncut report` writes of runs in every state. What the figures of a condition are is in `run`.

use std::fs::File;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;

use crate::harness::{Work, number};

const FIXED: &str =
    "{dataset: mnist-sample, hidden: [16, 8], epochs: 2, pruning_epochs: 1, n_train: 256, shuffles: 3, clusters: 3}";

/// Rows of `report --csv -`, with their header.
fn rows(work: &Work) -> (csv::StringRecord, Vec<csv::StringRecord>) {
    let text = work.ncut(&["report", "grid.yaml", "--csv", "-"]).ok().stdout;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    (reader.headers().unwrap().clone(), reader.records().map(Result::unwrap).collect())
}

/// Of the runs of two conditions, two are done and one is missing; one failed, one is partial and one another's.
fn work() -> Work {
    let work = Work::new();
    let grid = format!("experiments:\n  tiny:\n    fixed: {FIXED}\n    grid: {{dropout: [0, 0.5]}}\n    seeds: 3\n");
    work.write("grid.yaml", grid);
    work.ncut(&["run", "grid.yaml", "--where", "dropout==0", "--seeds", "0,1"]).ok();
    let (_, rows) = rows(&work);
    let folder = |row: usize| format!("runs/{}/{}/r{}", &rows[row][0], &rows[row][1], &rows[row][2]);
    for row in [3, 4, 5] {
        std::fs::create_dir_all(work.path(&folder(row))).unwrap();
    }
    work.write(&format!("{}/error.json", folder(3)), r#"{"message": "no"}"#);
    let metrics = work.read(&format!("{}/metrics.jsonl", folder(0)));
    work.write(&format!("{}/metrics.jsonl", folder(4)), &metrics[..metrics.len() - 20]);
    let owner = r#"{"host": "far", "machine": "another", "pid": 7, "started": 1}"#;
    work.write(&format!("{}/attempt-1.json", folder(5)), owner);
    work
}

#[test]
fn pictures_stand_beside_runs_and_in_pages() {
    let work = work();
    let grid = String::from_utf8(work.read("grid.yaml")).unwrap();
    let report = "report: {scatter: {x: pruned.test_accuracy, y: [pruned.ncut, ms_per_step], series: dropout}}";
    work.write("grid.yaml", format!("{grid}    {report}\n"));
    let text = |path: &str| String::from_utf8(work.read(path)).unwrap();
    work.ncut(&["run", "grid.yaml", "--where", "dropout==0", "--seeds", "0,1"]).ok();
    let second = text("runs/tiny/scatter-2.svg");
    assert!(text("runs/tiny/report.html").contains(&second) && second.contains("ms of training per step"));
    let report = work.ncut(&["report", "grid.yaml", "--html", "page.html"]).ok();
    assert!(report.stderr.contains("picture: runs/tiny/scatter-1.svg"), "{report}");
    let first = text("runs/tiny/scatter-1.svg");
    assert!(text("page.html").contains(&first));
    // each as PNG too, and the same bytes again
    let names = ["scatter-1", "scatter-2", "shuffles-pruned", "shuffles-unpruned"];
    let files = || names.map(|name| ["svg", "png"].map(|form| work.read(&format!("runs/tiny/{name}.{form}"))));
    let before = files();
    let report = work.ncut(&["report", "grid.yaml"]).ok();
    assert!(before == files() && report.stderr.matches("picture: ").count() == names.len(), "{report}");
    for [svg, png] in before {
        let svg = String::from_utf8(svg).unwrap();
        let side = |name: &str| {
            svg.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap().parse::<u32>().unwrap()
        };
        let info = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
        assert_eq!(info.info().size(), (2 * side("width"), 2 * side("height")));
    }
    let shuffles = text("runs/tiny/shuffles-unpruned.svg");
    assert_eq!(shuffles.matches("class=\"marker\"").count(), 2);
    // dropout 0.5 has no result
    assert_eq!(first.matches("class=\"marker\"").count(), 1);
    assert!(first.contains("Conditions without both figures, not shown: 1"));
}

#[test]
fn a_row_a_run_in_every_state() {
    let work = work();
    let (header, rows) = rows(&work);
    let column = |name: &str| header.iter().position(|column| column == name).unwrap_or_else(|| panic!("no {name}"));
    let of = |name: &str| rows.iter().map(|row| row[column(name)].to_string()).collect::<Vec<_>>();
    assert_eq!(of("status"), ["done", "done", "missing", "failed", "partial", "running"]);
    assert_eq!(of("replicate"), ["0", "1", "2", "0", "1", "2"]);
    assert_eq!(of("epochs_done"), ["3", "3", "0", "0", "2", "0"]);
    assert_eq!((of("hidden")[0].as_str(), of("dropout")[3].as_str(), of("restarts")[0].as_str()), ("16-8", "0.5", ""));
    for (row, replicate) in [(0, 0), (1, 1)] {
        let path = format!("runs/tiny/{}/r{replicate}/result.json", &rows[row][1]);
        let result = work.json(&path);
        for (state, name, pointer) in [
            ("unpruned", "ncut", "/ncut"),
            ("pruned", "ncut", "/ncut"),
            ("pruned", "null_mean", "/null/mean"),
            ("pruned", "null_sd", "/null/sd"),
            ("unpruned", "z_score", "/z_score"),
            ("unpruned", "p_value", "/p_value"),
            ("pruned", "train_accuracy", "/train_accuracy"),
            ("pruned", "test_loss", "/test_loss"),
            ("pruned", "effective_clusters", "/effective_clusters"),
            ("pruned", "largest_share", "/volumes/0"),
            ("pruned", "modularity_q", "/modularity_q"),
            ("pruned", "sparsity", "/sparsity"),
            ("pruned", "nodes", "/graph/nodes"),
            ("pruned", "edges", "/graph/edges"),
            ("pruned", "components", "/graph/components"),
        ] {
            let found: f64 = rows[row][column(&format!("{state}_{name}"))].parse().unwrap();
            assert_eq!(found.to_bits(), number(result[state].pointer(pointer).unwrap()).to_bits(), "{state} {name}");
        }
        assert_eq!(rows[row][column("seconds")].parse::<f64>().unwrap(), number(&result["timing_s"]["total"]));
        assert_eq!(rows[row][column("version")], result["pruned"]["version"]);
    }
    assert_eq!(of("pruned_ncut")[2..], ["", "", "", ""]);

    // the same table with types, and the same bytes again
    for name in ["one.parquet", "two.parquet"] {
        work.ncut(&["report", "grid.yaml", "--parquet", name]).ok();
    }
    assert!(work.read("one.parquet") == work.read("two.parquet"));
    let reader = SerializedFileReader::new(File::open(work.path("one.parquet")).unwrap()).unwrap();
    let found: Vec<Row> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(found.len(), 6);
    for (found, row) in found.iter().zip(&rows) {
        assert_eq!(found.len(), header.len());
        for ((name, found), (column, text)) in found.get_column_iter().zip(header.iter().zip(row)) {
            let same = match found {
                Field::Null => text.is_empty(),
                Field::Str(found) => found == text,
                Field::Bool(found) => text.parse() == Ok(*found),
                Field::Long(found) => text.parse() == Ok(*found),
                Field::Double(found) => text.parse() == Ok(*found),
                _ => false,
            };
            assert!(same && name == column, "{name}: {found:?} and {text}");
        }
    }
}

#[test]
fn tables_say_what_is_not_done() {
    let work = work();
    let line = "4 of 6 runs are not done (1 failed, 1 running, 1 partial, 1 missing); `ncut run grid.yaml --only tiny` makes them";
    let text = work.ncut(&["report", "grid.yaml"]).ok().stdout;
    assert!(text.contains("  2/3  ") && text.contains("none done  0/3"), "{text}");
    assert!(text.ends_with(&format!("{line}\n")), "{text}");
    let markdown = work.ncut(&["report", "grid.yaml", "--markdown", "-"]).ok().stdout;
    assert!(markdown.contains("| 2/3 |") && markdown.ends_with(&format!("\n\n{line}\n")), "{markdown}");
    work.ncut(&["report", "grid.yaml", "--html", "page.html"]).ok();
    let page = String::from_utf8(work.read("page.html")).unwrap();
    assert!(page.matches("<tr class=\"incomplete\">").count() == 3 && page.contains(line), "{page}");
    let conditions = work.measured(&["report", "grid.yaml"]);
    let counts = |c: &Value| ["n", "missing", "running", "failed", "partial"].map(|name| c[name].as_u64().unwrap());
    assert_eq!((counts(&conditions[0]), counts(&conditions[1])), ([2, 1, 0, 0, 0], [0, 3, 1, 1, 1]));
    // of those that are done nothing is said
    let text = work.ncut(&["report", "grid.yaml", "--where", "dropout==0", "--seeds", "0,1"]).ok().stdout;
    assert!(!text.contains("not done") && !text.contains("2/3"), "{text}");
    // the command is the one that was given
    let asked = ["report", "grid.yaml", "--where", "dropout>0", "--seeds", "0,2", "--out", "./runs"];
    let command = "`ncut run grid.yaml --where 'dropout>0' --seeds 0,2 --out ./runs --only tiny` makes them";
    let text = work.ncut(&asked).ok().stdout;
    assert!(text.contains(command), "{text}");
}

#[test]
fn a_row_an_end_state_with_what_was_published() {
    let work = Work::new();
    let grid =
        "experiments:\n  none:\n    fixed: {epochs: 0, pruning_epochs: 0, shuffles: 3, n_train: 256}\n    seeds: 2\n";
    work.write("grid.yaml", grid.replace("shuffles", "restarts: 1, dataset: mnist-sample, shuffles"));
    work.ncut(&["run", "grid.yaml"]).ok();
    let text = work.ncut(&["report", "grid.yaml", "--conditions", "-"]).ok().stdout;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let figures = &work.measured(&["report", "grid.yaml"])[0]["unpruned"];
    assert_eq!(rows.len(), 1);
    let cell = |name: &str| &rows[0][header.iter().position(|column| column == name).unwrap()];
    for (name, wanted) in [
        ("ncut", &figures["ncut"]["mean"]),
        ("ncut_sd", &figures["ncut"]["sd"]),
        ("null_mean", &figures["null_mean"]["mean"]),
    ] {
        assert_eq!(cell(name).parse::<f64>().unwrap(), number(wanted), "{name}");
    }
    assert_eq!(
        (cell("state"), cell("n"), cell("at_minimum")),
        ("unpruned", "2", figures["at_minimum"]["count"].to_string().as_str())
    );
    assert!(!header.iter().any(|name| name.ends_with("_published")));
}

#[test]
fn event_files_are_of_every_run_that_began_and_do_not_change() {
    let work = work();
    let write = || {
        let output = work.ncut(&["report", "grid.yaml", "--tensorboard", "board"]).ok();
        assert!(
            output.stdout.is_empty() && output.stderr.starts_with("board: event files of 3 of 6 runs\n"),
            "{output}"
        );
        let mut files = Vec::new();
        for condition in work.names("board/tiny") {
            for run in work.names(&format!("board/tiny/{condition}")) {
                let folder = format!("board/tiny/{condition}/{run}");
                assert_eq!(work.names(&folder), ["events.out.tfevents.0.ncut"]);
                files.push((format!("{condition}/{run}"), work.read(&format!("{folder}/events.out.tfevents.0.ncut"))));
            }
        }
        files
    };
    let files = write();
    let (_, rows) = rows(&work);
    let mut wanted: Vec<String> = [0, 1, 4].map(|row: usize| format!("{}/r{}", &rows[row][1], &rows[row][2])).into();
    wanted.sort();
    assert_eq!(files.iter().map(|(name, _)| name).collect::<Vec<_>>(), wanted.iter().collect::<Vec<_>>());
    assert!(files == write());
    work.write("file", "");
    work.expect_input_error(&["report", "grid.yaml", "--tensorboard", "file"], &["file/tiny/"]);
}

/// Random initialisations without shuffles, and one experiment with two null models of the same networks.
#[test]
fn densities_and_null_distributions() {
    let work = Work::new();
    let small = "dataset: mnist-sample, hidden: [16, 8], epochs: 0, pruning_epochs: 0, clusters: 3";
    work.write(
        "grid.yaml",
        format!(
            "experiments:\n  start:\n    fixed: {{{small}, shuffles: 0}}\n    grid: {{clusterable_init: [false, true]}}\n    seeds: 10\n  \
             nulls:\n    fixed: {{{small}, shuffles: 3}}\n    grid: {{null_model: [layer, degrees]}}\n    seeds: 2\n    \
             report: {{title: '<T>', shuffles: none, nulls: [unpruned, pruned]}}\n"
        ),
    );
    work.ncut(&["run", "grid.yaml"]).ok();
    let pictures = |experiment: &str| {
        let names = work.names(&format!("runs/{experiment}"));
        names.into_iter().filter(|name| name.ends_with(".svg") || name.ends_with(".png")).collect::<Vec<_>>()
    };
    assert_eq!(pictures("start"), ["density-unpruned.png", "density-unpruned.svg"]);
    assert_eq!(pictures("nulls"), ["nulls-unpruned.png", "nulls-unpruned.svg"]);
    let text = |path: &str| String::from_utf8(work.read(path)).unwrap();
    assert_eq!(text("runs/start/density-unpruned.svg").matches("class=\"curve\"").count(), 2);
    let nulls = text("runs/nulls/nulls-unpruned.svg");
    let count = |part: &str| nulls.matches(part).count();
    assert_eq!((count("class=\"panel\""), count("class=\"null\""), count(">&lt;T&gt;, unpruned</text>")), (2, 4, 1));
    work.write("grid.yaml", text("grid.yaml").replace("nulls: [", "nulls: [prune, "));
    work.expect_input_error(&["report", "grid.yaml"], &["grid.yaml:", "did you mean 'pruned'?"]);
}

/// A picture that cannot be written costs an exit code and a line, and none of the rest.
#[test]
fn what_cannot_be_written_comes_last() {
    let work = work();
    std::fs::remove_file(work.path("runs/tiny/shuffles-unpruned.svg")).unwrap();
    std::fs::create_dir(work.path("runs/tiny/shuffles-unpruned.svg")).unwrap();
    let output = work.ncut(&["report", "grid.yaml", "--json", "-"]);
    let conditions: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!((output.code, conditions.as_array().unwrap().len()), (Some(1), 2), "{output}");
    assert!(
        output.stderr.contains("runs/tiny/shuffles-unpruned.svg") && output.stderr.lines().count() == 1,
        "{output}"
    );
}
