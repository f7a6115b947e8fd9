//! `ncut run` and `ncut report`: what lies in a run's directory, and what is done again and what is not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use safetensors::SafeTensors;
use serde_json::{Value, json};

use crate::harness::{BINARY, Work, assert_all_close, assert_close, keys, mean, names, number, numbers, sd, without};

const FIXED: &str =
    "{dataset: mnist-sample, hidden: [16], epochs: 2, pruning_epochs: 2, n_train: 256, shuffles: 5, clusters: 3}";

fn grid(experiment: &str, rest: &str) -> String {
    format!("  {experiment}:\n    fixed: {FIXED}\n{rest}")
}

fn work_with_grid(rest: &str) -> Work {
    let work = Work::new();
    work.write("grid.yaml", format!("experiments:\n{}", grid("tiny", rest)));
    work
}

/// Directories of runs, as `condition/replicate`, with the condition's hash left out.
fn runs(experiment: &Path) -> BTreeMap<String, PathBuf> {
    let conditions = names(experiment).into_iter().filter(|name| experiment.join(name).is_dir());
    conditions
        .flat_map(|condition| {
            let folder = experiment.join(&condition);
            let (readable, hash) = condition.rsplit_once('-').unwrap();
            assert!(hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{condition}");
            // every setting that is not at its default is named; of these grids only dropout varies
            assert!(readable.contains("clusters=3,dataset=mnist-sample"), "{condition}");
            let dropout = readable.split(',').find(|setting| setting.starts_with("dropout="));
            let readable = dropout.unwrap_or("dropout=0").to_string();
            names(&folder).into_iter().map(move |r| (format!("{readable}/{r}"), folder.join(r)))
        })
        .collect()
}

fn result(run: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(run.join("result.json")).unwrap()).unwrap()
}

fn modified(run: &Path) -> SystemTime {
    run.join("result.json").metadata().unwrap().modified().unwrap()
}

fn metrics(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Zeros of each matrix of a network, and its size.
fn zeros(file: &Path) -> Vec<(usize, usize)> {
    let bytes = std::fs::read(file).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut names: Vec<_> = tensors.names().into_iter().filter(|name| name.ends_with("weight")).collect();
    names.sort_unstable();
    let count = |name: &str| {
        let values = tensors.tensor(name).unwrap();
        let floats = values.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b));
        (floats.clone().filter(|x| *x == 0.0).count(), floats.count())
    };
    names.into_iter().map(count).collect()
}

/// What is generated is made where it is needed: nothing to fetch, nothing left behind.
#[test]
fn a_generated_data_set_is_there_at_once() {
    let work = Work::new();
    work.write(
        "grid.yaml",
        format!("experiments:\n  counting: {{fixed: {}}}\n", FIXED.replace("mnist-sample", "lines")),
    );
    work.ncut(&["run", "grid.yaml", "--data-dir", "data"]).ok();
    assert_eq!(work.names("."), ["grid.yaml", "runs"]);
    let list = work.ncut(&["data", "list", "--data-dir", "data"]).ok().stdout;
    let line = |name: &str| list.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap().to_string();
    assert!(line("lines").contains("generated") && line("lines-mnist").contains("needs mnist"), "{list}");
}

#[test]
fn a_run_leaves_the_files_of_the_contract() {
    let work = work_with_grid("");
    let output = work.ncut(&["run", "grid.yaml"]).ok();
    assert!(output.stdout.contains("tiny") && output.stdout.contains("runs/tiny/report.html"), "{output}");
    let found = runs(&work.path("runs/tiny"));
    assert_eq!(found.keys().collect::<Vec<_>>(), ["dropout=0/r0"]);
    let run = &found["dropout=0/r0"];
    let files =
        ["config.yaml", "log.txt", "metrics.jsonl", "pruned.safetensors", "result.json", "unpruned.safetensors"];
    assert_eq!(names(run), files);

    let result = result(run);
    assert_eq!(keys(&result), ["pruned", "replicate", "settings", "timing_s", "unpruned"]);
    assert_eq!(result["replicate"], 0);
    let settings = &result["settings"];
    for (name, value) in [
        ("dataset", json!("mnist-sample")),
        ("model", json!("mlp")),
        ("hidden", json!([16])),
        ("dropout", json!(0.0)),
        ("l1", json!(0.0)),
        ("l2", json!(0.0)),
        ("epochs", json!(2)),
        ("pruning_epochs", json!(2)),
        ("clusters", json!(3)),
        ("shuffles", json!(5)),
        ("n_train", json!(256)),
        ("batch_size", json!(128)),
        ("learning_rate", json!(1e-3)),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    let config: Value = serde_yaml::from_slice(&std::fs::read(run.join("config.yaml")).unwrap()).unwrap();
    assert_eq!(&config, settings);
    for name in settings.as_object().unwrap().keys() {
        assert!(include_str!("../../experiments.yaml").contains(name), "experiments.yaml does not explain {name}");
    }

    let metrics = metrics(run);
    assert_eq!(metrics.iter().map(|line| &line["epoch"]).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(metrics.iter().map(|line| &line["pruning"]).collect::<Vec<_>>(), [false, false, true, true]);
    for (state, epoch) in [("unpruned", &metrics[1]), ("pruned", &metrics[3])] {
        let end = &result[state];
        assert_eq!(
            (&end["clusters"], &end["null"]["kind"], &end["null"]["shuffles"]),
            (&json!(3), &json!("layer"), &json!(5))
        );
        assert_eq!((&end["train_accuracy"], &end["test_accuracy"]), (&epoch["accuracy"], &epoch["test_accuracy"]));
        assert_eq!((&end["train_loss"], &end["test_loss"]), (&epoch["loss"], &epoch["test_loss"]));
        assert!((0.0..=1.0).contains(&number(&end["test_accuracy"])));
        // the measurement is that of `measure` on the file, seeds apart
        let file = run.join(format!("{state}.safetensors")).display().to_string();
        let m = work.measured(&["measure", &file, "-k", "3", "--shuffles", "0"]);
        assert_eq!((&end["graph"], &end["model"]["sha256"]), (&m["graph"], &m["model"]["sha256"]));
        assert_all_close(&numbers(&end["eigenvalues"]), &numbers(&m["eigenvalues"]), 1e-8);
        assert_eq!(
            keys(&without(end, &["train_accuracy", "train_loss", "test_accuracy", "test_loss", "sparsity"])),
            keys(&m)
        );
    }
    assert_eq!(zeros(&run.join("unpruned.safetensors")), [(0, 784 * 16), (0, 160)]);
}

#[test]
fn training_learns_and_pruning_ends_at_its_sparsity() {
    let work = work_with_grid("");
    let set = ["--set", "batch_size=8", "--set", "pruning_every=1", "--set", "shuffles=0"];
    work.ncut(&[&["run", "grid.yaml"], &set[..]].concat()).ok();
    let run = &runs(&work.path("runs/tiny"))["dropout=0/r0"];
    assert_eq!(zeros(&run.join("pruned.safetensors")), [(12544 - 1254, 12544), (160 - 16, 160)]);
    let result = result(run);
    assert_close(number(&result["pruned"]["sparsity"]), 1.0 - 1270.0 / 12704.0, 1e-12);
    assert_eq!(result["unpruned"]["sparsity"], 0.0);
    assert_eq!(result["pruned"]["graph"]["edges"], 1270);
    assert_eq!((&result["pruned"]["null"], &result["pruned"]["p_value"]), (&Value::Null, &Value::Null));
    assert!(number(&result["unpruned"]["test_accuracy"]) > 0.4, "{}", result["unpruned"]["test_accuracy"]);
}

/// `final_sparsity` is the share pruned at the end, however few steps there are and whenever the last choice was due.
#[test]
fn pruning_ends_at_its_sparsity_in_few_steps_too() {
    let work = work_with_grid("");
    work.ncut(&["run", "grid.yaml"]).ok();
    let run = &runs(&work.path("runs/tiny"))["dropout=0/r0"];
    assert_close(number(&result(run)["pruned"]["sparsity"]), 0.9, 1e-3);
}

#[test]
fn without_pruning_there_is_one_end_state() {
    let work = work_with_grid("");
    work.ncut(&["run", "grid.yaml", "--set", "pruning_epochs=0"]).ok();
    let run = &runs(&work.path("runs/tiny"))["dropout=0/r0"];
    assert_eq!(names(run), ["config.yaml", "log.txt", "metrics.jsonl", "result.json", "unpruned.safetensors"]);
    assert_eq!(result(run)["pruned"], Value::Null);
    assert_eq!(metrics(run).len(), 2);
}

#[test]
fn what_is_done_is_not_done_again() {
    let work = work_with_grid("    grid: {dropout: [0]}\n");
    work.ncut(&["run", "grid.yaml"]).ok();
    let before = runs(&work.path("runs/tiny"));
    let first = &before["dropout=0/r0"];
    let (time, bytes) = (modified(first), std::fs::read(first.join("result.json")).unwrap());
    let again = work.ncut(&["run", "grid.yaml"]).ok();
    assert!(again.stderr.contains("1 of 1 runs are done already") && !again.stderr.contains("epoch"), "{again}");
    assert_eq!(modified(first), time);

    work.write("grid.yaml", format!("experiments:\n{}", grid("tiny", "    grid: {dropout: [0.5, 0]}\n")));
    let more = work.ncut(&["run", "grid.yaml"]).ok();
    assert!(more.stderr.contains("1 of 2 runs are done already"), "{more}");
    let after = runs(&work.path("runs/tiny"));
    assert_eq!(after.keys().collect::<Vec<_>>(), ["dropout=0.5/r0", "dropout=0/r0"]);
    assert_eq!(after["dropout=0/r0"], *first);
    assert_eq!((modified(first), std::fs::read(first.join("result.json")).unwrap()), (time, bytes));
}

#[test]
fn jobs_and_folders_do_not_change_results() {
    let work = work_with_grid("    grid: {dropout: [0, 0.5]}\n    seeds: 2\n");
    for (jobs, threads, out) in [("1", "2", "one"), ("2", "1", "two")] {
        work.ncut(&["run", "grid.yaml", "--jobs", jobs, "--threads", threads, "--out", out]).ok();
    }
    let [one, two] = ["one/tiny", "two/tiny"].map(|out| runs(&work.path(out)));
    assert_eq!(one.keys().collect::<Vec<_>>(), ["dropout=0.5/r0", "dropout=0.5/r1", "dropout=0/r0", "dropout=0/r1"]);
    for (name, run) in &one {
        let other = &two[name];
        assert_eq!(without(&result(run), &["timing_s"]), without(&result(other), &["timing_s"]), "{name}");
        for file in ["config.yaml", "metrics.jsonl", "unpruned.safetensors", "pruned.safetensors"] {
            assert!(
                std::fs::read(run.join(file)).unwrap() == std::fs::read(other.join(file)).unwrap(),
                "{name}/{file}"
            );
        }
    }
    // replicates and conditions are different networks
    let mut hashes: Vec<String> =
        one.values().map(|run| result(run)["unpruned"]["model"]["sha256"].to_string()).collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), 4);
}

/// Two threads and three runs: one would be alone for half of the time.
#[test]
fn the_last_runs_take_turns() {
    let work = Work::new();
    let fixed =
        "{dataset: random, hidden: [64], epochs: 8, pruning_epochs: 0, n_train: 20000, shuffles: 0, clusters: 3}";
    work.write("grid.yaml", format!("experiments:\n  turns:\n    fixed: {fixed}\n    seeds: 3\n"));
    work.ncut(&["run", "grid.yaml", "--jobs", "1", "--out", "one"]).ok();
    let turns = work.ncut(&["run", "grid.yaml", "--jobs", "2", "--out", "two"]).ok();
    let condition = |out: &str| work.path(out).join("turns").read_dir().unwrap().map(|entry| entry.unwrap().path());
    let [one, two] = ["one", "two"].map(|out| condition(out).find(|path| path.is_dir()).unwrap());
    let mut made_room = 0;
    for r in ["r0", "r1", "r2"] {
        let [one, two] = [&one, &two].map(|condition| condition.join(r));
        for file in ["metrics.jsonl", "unpruned.safetensors"] {
            assert!(std::fs::read(one.join(file)).unwrap() == std::fs::read(two.join(file)).unwrap(), "{r}/{file}");
        }
        let log = |run: &Path| std::fs::read_to_string(run.join("log.txt")).unwrap();
        assert!(!log(&one).contains("making room"), "{}", log(&one));
        let log = log(&two);
        made_room += log.matches("making room").count();
        assert_eq!(log.matches("making room").count(), log.matches("going on after epoch").count(), "{log}");
    }
    assert!(made_room >= 2, "{made_room} turns");
    let shown = &turns.stderr;
    assert!(!shown.contains("going on after") && shown.matches("done in").count() == 3, "{shown}");
}

#[test]
fn replicates_trained_in_one_pass_are_runs_like_others() {
    let work = work_with_grid("    grid: {dropout: [0, 0.5]}\n    seeds: 3\n");
    work.ncut(&["run", "grid.yaml", "--out", "alone"]).ok();
    // of the first condition one is done already, and another is on its own: its group is cut off
    work.ncut(&["run", "grid.yaml", "--out", "together", "--seeds", "1", "--where", "dropout==0"]).ok();
    work.ncut(&["run", "grid.yaml", "--out", "together", "--together", "8"]).ok();
    let [alone, together] = ["alone/tiny", "together/tiny"].map(|out| runs(&work.path(out)));
    assert_eq!(alone.keys().collect::<Vec<_>>(), together.keys().collect::<Vec<_>>());
    for (name, run) in &alone {
        let [expected, found] = [result(run), result(&together[name])];
        assert_eq!(names(run), names(&together[name]));
        assert_eq!((&found["settings"], &found["replicate"]), (&expected["settings"], &expected["replicate"]));
        for (expected, found) in metrics(run).iter().zip(&metrics(&together[name])) {
            for figure in ["loss", "test_loss"] {
                let [expected, found] = [expected, found].map(|record| record[figure].as_f64().unwrap());
                assert!((expected - found).abs() < 2e-3, "{name}: {figure} {expected}, {found}");
            }
        }
        let log = std::fs::read_to_string(together[name].join("log.txt")).unwrap();
        let trained_together = name != "dropout=0/r1";
        assert_eq!(log.matches("starting").count(), 1, "{log}");
        assert_eq!(log.contains("going on after"), trained_together, "{log}");
    }
    // and not two of them the same network
    let hash = |run: &PathBuf| result(run)["unpruned"]["model"]["sha256"].to_string();
    let hashes: std::collections::BTreeSet<String> = together.values().map(hash).collect();
    assert_eq!(hashes.len(), 6);
}

#[test]
fn selections_take_what_they_name() {
    let work = Work::new();
    let text = format!("experiments:\n{}{}", grid("first", "    seeds: 2\n"), grid("second", ""));
    work.write("grid.yaml", text);
    let args =
        ["run", "grid.yaml", "--only", "first", "--seeds", "5,3", "--set", "epochs=1", "--set", "pruning_epochs=0"];
    work.ncut(&args).ok();
    assert_eq!(work.names("runs"), [".networks", "first"]);
    let found = runs(&work.path("runs/first"));
    assert_eq!(found.keys().collect::<Vec<_>>(), ["dropout=0/r3", "dropout=0/r5"]);
    let result = result(&found["dropout=0/r3"]);
    assert_eq!((&result["settings"]["epochs"], &result["replicate"]), (&json!(1), &json!(3)));
    // other settings are another condition: nothing of this counts as done
    let report = work.measured(&["report", "grid.yaml"]);
    let counts = |c: &Value| (c["experiment"].clone(), c["n"].clone(), c["missing"].clone());
    let counts: Vec<_> = report.as_array().unwrap().iter().map(counts).collect();
    assert_eq!(counts, [(json!("first"), json!(0), json!(2)), (json!("second"), json!(0), json!(1))]);
}

#[test]
fn a_setting_that_may_be_null_can_be_set_back_to_it() {
    let work = work_with_grid("");
    let set = ["n_train=null", "hidden=[4]", "epochs=1", "pruning_epochs=0", "shuffles=0"];
    let set: Vec<&str> = set.iter().flat_map(|value| ["--set", value]).collect();
    work.ncut(&[&["run", "grid.yaml"], &set[..]].concat()).ok();
    let run = &runs(&work.path("runs/tiny"))["dropout=0/r0"];
    assert_eq!(result(run)["settings"]["n_train"], Value::Null);
}

#[test]
fn the_report_has_an_object_a_condition() {
    let work = work_with_grid("    grid: {dropout: [0, 0.5]}\n    seeds: 3\n");
    work.ncut(&["run", "grid.yaml"]).ok();
    let report = work.measured(&["report", "grid.yaml"]);
    let conditions = report.as_array().unwrap();
    let runs = runs(&work.path("runs/tiny"));
    assert_eq!(conditions.len(), 2);
    for (condition, dropout) in conditions.iter().zip([0.0, 0.5]) {
        assert_eq!(condition["settings"], json!({"dropout": dropout}));
        assert_eq!(
            (&condition["experiment"], &condition["n"], &condition["missing"]),
            (&json!("tiny"), &json!(3), &json!(0))
        );
        for state in ["unpruned", "pruned"] {
            let results: Vec<Value> =
                (0..3).map(|r| result(&runs[&format!("dropout={dropout}/r{r}")])[state].clone()).collect();
            for (name, path) in [
                ("ncut", "/ncut"),
                ("null_mean", "/null/mean"),
                ("null_sd", "/null/sd"),
                ("z_score", "/z_score"),
                ("p_value", "/p_value"),
                ("train_accuracy", "/train_accuracy"),
                ("test_accuracy", "/test_accuracy"),
            ] {
                let wanted: Vec<f64> = results.iter().map(|result| number(result.pointer(path).unwrap())).collect();
                let figure = &condition[state][name];
                assert_all_close(&numbers(&figure["values"]), &wanted, 1e-12);
                assert_close(number(&figure["mean"]), mean(&wanted), 1e-12);
                assert_close(number(&figure["sd"]), sd(&wanted, 1), 1e-12);
            }
        }
    }
    let states = conditions.iter().flat_map(|condition| [&condition["unpruned"], &condition["pruned"]]);
    let networks = states.flat_map(|state| numbers(&state["p_value"]["values"])).count();
    let all = work.ncut(&["report", "grid.yaml", "--markdown", "-"]).ok().stdout;
    assert!(all.contains(&format!("\n{networks} networks have too few shuffles for p < 0.05")), "{all}");
    // one replicate has no standard deviation
    let report = work.measured(&["report", "grid.yaml", "--seeds", "1"]);
    assert_eq!((&report[0]["n"], &report[0]["pruned"]["ncut"]["sd"]), (&json!(1), &Value::Null));
    let markdown = work.ncut(&["report", "grid.yaml", "--markdown", "-"]).ok().stdout;
    assert!(markdown.contains(&format!("{:.3}", number(&conditions[0]["pruned"]["ncut"]["mean"]))), "{markdown}");
    work.ncut(&["report", "grid.yaml", "--html", "page.html"]).ok();
    let page = String::from_utf8(work.read("page.html")).unwrap();
    // twelve null distributions, and the networks against their shuffles before and after pruning
    let loads = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "").contains("http:") || page.contains("https:");
    assert_eq!((page.matches("<svg").count(), loads), (14, false));
}

#[test]
fn a_damaged_result_is_named() {
    let work = work_with_grid("");
    work.ncut(&["run", "grid.yaml"]).ok();
    let run = &runs(&work.path("runs/tiny"))["dropout=0/r0"];
    std::fs::write(run.join("result.json"), "{").unwrap();
    // the others are reported
    let report = work.ncut(&["report", "grid.yaml"]).ok();
    assert!(
        report.stderr.contains("r0/result.json") && report.stderr.contains("; do the run once more: --rerun failed"),
        "{report}"
    );
    assert!(report.stdout.contains("1 of 1 runs are not done (1 failed)"), "{report}");
    // and done once more by name
    let again = work.ncut(&["run", "grid.yaml", "--rerun", "failed"]).ok();
    assert!(!again.stderr.contains("is cut off") && run.join("result.json").metadata().unwrap().len() > 1, "{again}");
    let nothing = work.ncut(&["run", "grid.yaml", "--rerun", "where dropout == 0.7"]);
    assert!(nothing.code == Some(1) && nothing.stderr.contains("--rerun where: none of 1 runs"), "{nothing}");
    std::fs::write(run.join("result.json"), "{").unwrap();
    // and the others are run
    let others = grid("tiny", "") + &grid("other", "");
    work.write("grid.yaml", format!("experiments:\n{others}"));
    let output = work.ncut(&["run", "grid.yaml"]);
    assert!(output.code == Some(1) && output.stderr.contains("r0/result.json: is cut off"), "{output}");
    let other = runs(&work.path("runs/other"))["dropout=0/r0"].join("result.json");
    assert!(other.exists());
    // nor is that of another run taken for its own
    let text = std::fs::read_to_string(&other).unwrap();
    let moved = text.replace("\"replicate\": 0", "\"replicate\": 3").replace("\"replicate\":0", "\"replicate\":3");
    std::fs::write(&other, moved).unwrap();
    let report = work.ncut(&["report", "grid.yaml"]).ok();
    assert!(report.stderr.contains("/r3, not of the run that it lies with; put it back there"), "{report}");
    std::fs::write(&other, text).unwrap();
    // a checkpoint that is none is no obstacle, and is not believed
    std::fs::remove_file(run.join("result.json")).unwrap();
    std::fs::write(run.join("checkpoint.safetensors"), "{").unwrap();
    work.ncut(&["run", "grid.yaml"]).ok();
    assert!(std::fs::read_to_string(run.join("log.txt")).unwrap().contains("starting again"));
    assert_eq!(metrics(run).len(), 4);
}

/// Each cluster beside random sets; nothing else of the result changes.
#[test]
fn lesions_are_added_to_a_result() {
    let work = work_with_grid("");
    work.ncut(&["run", "grid.yaml", "--out", "plain"]).ok();
    let plain = runs(&work.path("plain/tiny"))["dropout=0/r0"].clone();
    for (threads, out) in [("1", "one"), ("2", "two")] {
        let output = work.ncut(&["run", "grid.yaml", "--set", "lesions=5", "--threads", threads, "--out", out]).ok();
        assert!(output.stderr.contains("silencing clusters of pruned beside 5 random sets"), "{output}");
    }
    let [one, two] = ["one/tiny", "two/tiny"].map(|out| runs(&work.path(out))["dropout=0/r0"].clone());
    let result_of = |run: &Path| without(&result(run), &["timing_s", "settings"]);
    let found = result_of(&one);
    assert_eq!(found, result_of(&two));
    assert_eq!(without(&found, &["lesions"]), result_of(&plain));
    assert_eq!(result(&plain)["pruned"].get("lesions"), None);
    for state in ["unpruned", "pruned"] {
        let (end, lesions) = (&found[state], &found[state]["lesions"]);
        assert_eq!((&lesions["accuracy"], &lesions["random_sets"]), (&end["test_accuracy"], &json!(5)));
        let labels = &end["labels"].as_array().unwrap()[784..800];
        let clusters = lesions["clusters"].as_array().unwrap();
        assert_eq!((clusters.len(), numbers(&lesions["by_class"]).len()), (3, 10));
        for (c, lesion) in clusters.iter().enumerate() {
            assert_eq!(lesion["neurons"], json!([labels.iter().filter(|label| **label == json!(c)).count()]));
            assert_close(number(&lesion["drop"]), number(&lesions["accuracy"]) - number(&lesion["accuracy"]), 1e-12);
            let rank = 6.0 * number(&lesion["p_value"]);
            assert!((rank - rank.round()).abs() < 1e-9 && (1.0..=6.0).contains(&rank), "{lesion}");
        }
        // with one hidden layer, all of them is that one
        let there = clusters.iter().filter(|lesion| lesion["neurons"] != json!([0])).cloned().collect::<Vec<_>>();
        assert_eq!(lesions["layers"], json!([there]));
    }
    // results of before have no such setting, and are read
    let mut before = result(&plain);
    before["settings"].as_object_mut().unwrap().remove("lesions").unwrap();
    std::fs::write(plain.join("result.json"), before.to_string()).unwrap();
    let report = work.measured(&["report", "grid.yaml", "--out", "plain"]);
    assert_eq!((&report[0]["n"], report[0]["pruned"].get("functional_clusters")), (&json!(1), None));
    let report = work.measured(&["report", "grid.yaml", "--set", "lesions=5", "--out", "one"]);
    let functional = number(&found["pruned"]["lesions"]["functional"]);
    assert_eq!(number(&report[0]["pruned"]["functional_clusters"]["mean"]), functional);
}

/// Weights between tags that are zero leave a component a tag, which clusters then are; and no network without tags has any to agree with.
#[test]
fn clusters_are_compared_with_tags() {
    let work = Work::new();
    let tagged = "dataset: mnist-sample, epochs: 0, pruning_epochs: 0, shuffles: 0, clusters: 4, clusterable_init: true, \
                  clusterable_init_layers: all, clusterable_init_beta: 0, tags: 4, tag_sizes: equal";
    let models = ["hidden: [40, 20]", "model: cnn, channels: 16", "model: cnn, channels: 16, graph_layers: all"];
    let experiment = |(i, model): (usize, &&str)| format!("  e{i}: {{fixed: {{{tagged}, {model}}}}}\n");
    let experiments: String = models.iter().enumerate().map(experiment).collect();
    work.write("grid.yaml", format!("experiments:\n{experiments}"));
    let report = |more: &[&str]| {
        work.ncut(&[&["run", "grid.yaml"], more].concat()).ok();
        work.measured(&[&["report", "grid.yaml"], more].concat())
    };
    let agreement =
        |condition: &Value| condition["unpruned"].get("tag_agreement").map(|figure| number(&figure["mean"]));
    let found = report(&[]);
    assert_eq!(found.as_array().unwrap().iter().map(agreement).collect::<Vec<_>>(), [Some(1.0); 3]);
    // the tags matter and not their number alone
    let faint = report(&["--set", "clusterable_init_beta=0.999", "--only", "e0"]);
    assert!(agreement(&faint[0]).unwrap().abs() < 0.1, "{faint}");
    assert_eq!(agreement(&report(&["--set", "clusterable_init=false", "--only", "e0"])[0]), None);
}

/// As with `ncut run … 2>&1 | head -1`: who watches does not decide.
#[test]
fn runs_go_on_when_nobody_reads_their_progress() {
    let work = work_with_grid("");
    let mut command = work.command(BINARY, &["run", "grid.yaml"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    let code = child.wait().unwrap().code();
    let run = &runs(&work.path("runs/tiny"))["dropout=0/r0"];
    assert_eq!((code, run.join("result.json").exists()), (Some(0), true));
}

/// Three processes on one grid, of which one is killed: every run is done once, and none fails.
#[test]
fn processes_share_a_grid() {
    let work = work_with_grid("    seeds: 6\n");
    let start = || {
        let mut command = work.command(BINARY, &["run", "grid.yaml", "--jobs", "2"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut children: Vec<_> = (0..3).map(|_| start()).collect();
    std::thread::sleep(std::time::Duration::from_millis(700));
    let mut killed = children.remove(0);
    killed.kill().unwrap();
    killed.wait().unwrap();
    for mut child in children {
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
    let runs = runs(&work.path("runs/tiny"));
    assert_eq!(runs.len(), 6);
    for (name, run) in runs {
        let log = std::fs::read_to_string(run.join("log.txt")).unwrap();
        assert!(log.matches(" done in ").count() <= 1, "{name}: {log}");
        assert!(names(&run).iter().all(|name| !name.starts_with("attempt-") && !name.starts_with('.')), "{name}");
    }
}

/// Experiments that train alike share networks; those that are the same runs share results.
#[test]
fn networks_are_trained_once_and_results_made_once() {
    let work = Work::new();
    let fixed = FIXED.trim_end_matches('}');
    let text = format!(
        "experiments:\n  first:\n    fixed: {FIXED}\n  other-k:\n    fixed: {fixed}, clusters: 4}}\n  again:\n    fixed: {FIXED}\n"
    )
    .replace("clusters: 3, clusters: 4", "clusters: 4");
    work.write("grid.yaml", text);
    work.ncut(&["run", "grid.yaml", "--jobs", "1"]).ok();
    let of = |experiment: &str| -> PathBuf {
        let experiment = work.path("runs").join(experiment);
        let condition = names(&experiment).into_iter().find(|name| experiment.join(name).is_dir()).unwrap();
        experiment.join(condition).join("r0")
    };
    let [first, other, again] = ["first", "other-k", "again"].map(of);
    for run in [&other, &again] {
        for file in ["unpruned.safetensors", "pruned.safetensors", "metrics.jsonl"] {
            assert_eq!(std::fs::read(run.join(file)).unwrap(), std::fs::read(first.join(file)).unwrap(), "{file}");
        }
    }
    let log = |run: &Path| std::fs::read_to_string(run.join("log.txt")).unwrap();
    assert!(log(&other).contains("the networks of first/"), "{}", log(&other));
    assert!(log(&again).contains("the result of first/"), "{}", log(&again));
    assert_eq!(result(&again), result(&first));
    assert_eq!(result(&other)["unpruned"]["clusters"], 4);
    assert_eq!(number(&result(&other)["timing_s"]["train"]), 0.0);

    // a result has its shuffles; one that wants more, or fewer, computes what is missing
    work.ncut(&["run", "grid.yaml", "--only", "first", "--out", "anew", "--set", "shuffles=8"]).ok();
    let only = |path: PathBuf| path.read_dir().unwrap().map(|e| e.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let anew = result(&only(work.path("anew/first")).join("r0"));
    for (shuffles, kept) in [(8, 5), (3, 3)] {
        let set = format!("shuffles={shuffles}");
        let shown = work.ncut(&["run", "grid.yaml", "--only", "first", "--set", &set]).ok();
        let run = Path::new(shown.stderr.split("in ").last().unwrap().trim()).to_path_buf();
        let run = if run.is_absolute() { run } else { work.path(run.to_str().unwrap()) };
        let (log, found) = (log(&run), result(&run));
        for state in ["unpruned", "pruned"] {
            assert!(log.contains(&format!("{kept} shuffles of {state} are those of first/")), "{log}");
            let expected = &numbers(&anew[state]["null"]["ncuts"])[..shuffles];
            assert_eq!(numbers(&found[state]["null"]["ncuts"]), expected);
        }
        if shuffles == 8 {
            assert_eq!(without(&found, &["timing_s"]), without(&anew, &["timing_s"]));
        }
    }

    // what another had is not needed any more
    std::fs::remove_dir_all(work.path("runs/first")).unwrap();
    let before = modified(&again);
    work.ncut(&["run", "grid.yaml", "--jobs", "1"]).ok();
    assert_eq!(modified(&again), before);
    assert_eq!(without(&result(&of("first")), &["timing_s"])["unpruned"]["ncut"], result(&again)["unpruned"]["ncut"]);
}
