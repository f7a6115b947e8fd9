"""Writes the tables of README.md and src/report/results/README.md anew, from the CSV files of src/report/results.

    tables.py [--check]    (Python 3.9 or newer, nothing else)

A table stands between `<!-- table: NAME -->` and `<!-- end -->`; NAME is a function of `TABLES`. Means ± standard deviations (ddof = 1) over
replicates; *se* as in `ncut report`: (ours - published) / √(sd² / n + published sd² / published n). --check writes nothing and fails where a table is not what
the files say.
"""
import argparse
import csv
import math
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "src/report/results"
DOCUMENTS = [ROOT / "README.md", RESULTS / "README.md"]
STATES = ["unpruned", "pruned"]
# what a published figure is found without, as in src/report/published.rs; of least weights, those of at most TOO_SMALL
NOT_TRAINING = {"shuffles", "restarts", "solver", "lesions", "measure_at"}
TOO_SMALL = 1e-6
DATASETS = {
    "mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "mnist-7x7": "7×7 MNIST", "random": "random images", "lines": "lines",
    "lines-mnist": "lines and digits", "lines-mnist-sep": "lines and digits, separate classes", "polynomials": "polynomials",
    "halves-same-mnist": "halves of MNIST, same class", "halves-diff-mnist": "halves of MNIST, different classes",
    "halves-same-fashion": "halves of Fashion-MNIST, same class", "halves-diff-fashion": "halves of Fashion-MNIST, different classes",
    "cifar-10": "CIFAR-10",
}
# defaults of settings that the files of MLPs do not have, and what a row means by its omission
OTHER_DEFAULTS = {
    "model": "mlp", "channels": "64", "convention": "paper", "fold_batch_norm": "true", "augmentation": "none", "precision": "f32",
    "penalty_layers": "all", "penalty_step": "adam", "data_seed": "42", "n_train": "", "loop_penalty_target": "", "block_share_pruning": "", "restarts": "",
}
CLASSES = {
    "mnist": [str(digit) for digit in range(10)],
    "fashion-mnist": ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"],
}


def runs(name):
    """Rows of a results file that are done."""
    with open(RESULTS / f"{name}.csv", newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row.get("status", "done") == "done"]


def conditions(name):
    """Lists of the replicates of a condition, in the file's order."""
    found = {}
    for row in runs(name):
        found.setdefault(row["condition"], []).append(row)
    return [sorted(rows, key=lambda row: int(row["replicate"])) for rows in found.values()]


DEFAULTS = conditions("table-a5")[0][0]  # the paper's MLP on MNIST


def number(row, name):
    return float(row.get(name) or 0)


def is_same(a, b):
    try:
        return float(a) == float(b)
    except ValueError:
        return a == b


def settings(row):
    """Those that are not the defaults, of what decides which published figure is the network's."""
    end = list(row).index("epochs_done")
    names = [name for name in list(row)[4:end] if row[name] and name not in NOT_TRAINING]
    default = lambda name: DEFAULTS[name] if DEFAULTS.get(name) else OTHER_DEFAULTS[name]
    differs = lambda name: float(row[name]) > TOO_SMALL if name == "least_weight" else not is_same(row[name], default(name))
    return {name: row[name] for name in names if differs(name)}


def published():
    """`(settings, row)` of published.csv."""
    with open(ROOT / "src/report/published.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            of = dict(pair.split("=") for pair in row["settings"].split())
            yield {name: value for name, value in of.items() if (name, value) != ("dataset", DEFAULTS["dataset"])}, row


PUBLISHED = list(published())


def find(row, state):
    """What is published of this state of this network."""
    ours = settings(row)
    for theirs, found in PUBLISHED:
        same = theirs.keys() == ours.keys() and all(is_same(theirs[name], ours[name]) for name in theirs)
        if same and found["state"] == state:
            return found
    return None


def figures(rows, name):
    return [float(row[name]) for row in rows if row.get(name)]


def text(value, digits, sign=""):
    """0 has no sign."""
    signed = f"{value:{sign}.{digits}f}"
    return signed if float(signed) else signed.lstrip("+-")


def shown(values, digits, sign="", of=None):
    """Mean ± sd; the sd is left out where it rounds to 0. It is said where not all `of` the networks have a value."""
    if not values:
        return "–"
    mean = text(statistics.mean(values), digits, sign)
    sd = f"{statistics.stdev(values):.{digits}f}" if len(values) > 1 else "0"
    lacking = f" ({len(values)} of {of})" if of and len(values) < of else ""
    return (f"{mean} ± {sd}" if float(sd) else mean) + lacking


def beside(values, found, name, digits):
    """The published figure, and how far ours is from it."""
    if not found or not found.get(name):
        return ""
    there = float(found[name])
    if not found.get(f"{name}_sd") or len(values) < 2:
        return f"{there:.{digits}f}"
    error = math.sqrt(statistics.variance(values) / len(values) + float(found[f"{name}_sd"]) ** 2 / float(found["runs"]))
    return f"{there:.{digits}f} ({text((statistics.mean(values) - there) / error, 1, '+')} se)"


def table(header, rows):
    line = lambda cells: "| " + " | ".join(str(cell) for cell in cells) + " |"
    return "\n".join([line(header), "|" + "---|" * len(header)] + [line(row) for row in rows])


def strength(row, name):
    """As a grid file has it: 0.3, 5e-5."""
    return f"{number(row, name):g}".replace("e-0", "e-")


def penalty(row):
    """The regularisation of a network, in a few words."""
    words = []
    if number(row, "dropout"):
        words.append(f"dropout {number(row, 'dropout'):g}")
    for name in ("l1", "l2"):
        if number(row, name):
            words.append(f"`{name}: {strength(row, name)}`" + (", as the authors have it" if name == "l2" and row["l2_convention"] == "authors" else ""))
    if row.get("hold_pruned") == "true":
        words.append("`hold_pruned: true`")
    if number(row, "least_weight"):
        words.append(f"`least_weight: {row['least_weight']}`")
    if row["normalize_neurons"] == "true":
        words.append("normalised")
    if number(row, "eigen_penalty"):
        words.append(f"λ₂ + λ₃ + λ₄ × {strength(row, 'eigen_penalty')}")
    if number(row, "l4"):
        words.append(f"`l4: {strength(row, 'l4')}`")
    kind, target = row["loop_penalty_kind"], number(row, "loop_penalty_target")
    if number(row, "loop_penalty"):
        name = {
            "loops": "loops", "as-coded": "loops as coded", "readme-literal": "AI-RG's README to the letter", "loops-abs": "loops of \\|w\\|",
            "loops-nondegenerate": "loops without j = k", "loops-abs-nondegenerate": "loops of \\|w\\| without j = k", "butterflies": "butterflies",
        }.get(kind, f"`{kind}`")
        words.append(f"{name} × {strength(row, 'loop_penalty')}" + (f", target {target:g}" if target else ""))
    if number(row, "block_share"):
        words.append(f"`block_share: {strength(row, 'block_share')}`")
        words += [said for name, value, said in [
            ("block_share_total", "constant", "constant total"), ("block_share_power", "square", "square"), ("block_share_layers", "hidden", "hidden layers"),
        ] if row[name] == value]
    words += [f"`{name}: {strength(row, name)}`" for name in ("soft_ncut", "soft_modularity") if number(row, name)]
    if row["clusterable_init"] == "true":
        words.append({"all": "tagged initialisation"}.get(row["clusterable_init_layers"], "clusterable initialisation"))
    if row.get("learning_rate_schedule", "constant") != "constant":
        words.append("falling learning rate")
    if row.get("penalty_step") == "decoupled":
        words.append("beside Adam")
    return ", ".join(words)


def network(row):
    """Data set, model and training, in a few words."""
    words = [DATASETS[row["dataset"]]]
    words += [said for name, value, said in [("model", "cnn", "small CNN"), ("model", "vgg", "VGG-16"), ("epochs", "0", "as initialised"), ("restarts", "25", "25 starts of k-means")]
              if row.get(name) == value]
    words += [f"{row['channels']} channels"] if row.get("model") == "cnn" else []
    words += [f"k = {row['clusters']}"] if number(row, "clusters") != 12 else []
    words += ["memorised labels"] if number(row, "n_train") == 3000 else []
    words += ["zeros stay in shuffles"] if row["null_model"] == "layer-nonzero" else []
    return ", ".join(words + [said for said in [penalty(row)] if said])


def compared(name, of_table=None, without=()):
    """A condition a pair of rows: ours, published, shuffles, accuracies; of those that are published, or all where `of_table` names them."""
    found = list(compare(name, of_table, without))
    return found or sys.exit(f"tables.py: {name}.csv: nothing published is found for any of its networks; see OTHER_DEFAULTS")


def compare(name, of_table, without):
    """The rows of `compared`."""
    for rows in conditions(name):
        found = {state: find(rows[0], state) for state in STATES}
        words = network(rows[0])
        for state in STATES:
            ncut = figures(rows, f"{state}_ncut")
            if not ncut or not (found[state] or of_table) or (found[state] or {}).get("source") in without:
                continue
            there, null = found[state], figures(rows, f"{state}_null_mean")
            score = "loss" if rows[0]["dataset"] == "polynomials" else "accuracy"
            test = figures(rows, f"{state}_test_{score}")
            yield [
                there["source"] if there else of_table, words, state, len(rows), shown(ncut, 3), beside(ncut, there, "ncut", 3),
                f"{statistics.mean(null):.3f}" if null else "", beside(null, there, "null_mean", 3), shown(figures(rows, f"{state}_z_score"), 1, "+") if null else "",
                shown(test, 3) + (" (loss)" if score == "loss" else "") if test else "", beside(test, there, f"test_{score}", 3),
            ]


COMPARED = ["table", "condition", "state", "n", "n-cut", "published", "shuffled", "published", "Z", "test acc.", "published"]


def main_tables():
    """Without the networks with L2 as a textbook has it, of which nothing is published."""
    keep = [0, 1, 2, 3, 4, 5, 8, 9, 10]
    names = [("table-a5", "A.5"), ("table-a6", "A.6"), ("table-1", "1"), ("table-a13", "A.13")]
    rows = [row for name, source in names for row in compared(name, source) if not row[1].endswith("`l2: 5e-5`")]
    return table([COMPARED[i] for i in keep], [[row[i] for i in keep] for row in rows])


def other_tables():
    files = ["figure-a1", "table-a1", "table-a2", "table-a3", "table-a4", "figure-a6", "table-a7", "table-a16", "table-a18", "table-a19", "table-a20", "table-a21", "figure-a2", "figure-a3"]
    return table(COMPARED, [row for name in files for row in compared(name, without=["A.5", "A.6"])])


PARTS = ["n-cut", "Z", "effective clusters", "largest share", "Q", "functional", "test acc."]


def parts(rows, state):
    of = lambda name: figures(rows, f"{state}_{name}")
    return [
        shown(of("ncut"), 2), shown(of("z_score"), 0, "+", len(rows)), shown(of("effective_clusters"), 1), shown(of("largest_share"), 2), shown(of("modularity_q"), 2),
        " ".join(f"{value:.0f}" for value in of("functional_clusters")), shown(of("test_accuracy"), 4),
    ]


def pairs(groups):
    """Two rows a condition, of `(words, rows)`."""
    for words, rows in groups:
        for state in STATES:
            yield [words if state == "unpruned" else "", state, len(rows) if state == "unpruned" else ""] + parts(rows, state)


def balanced_parts(dataset):
    def words(row):
        return "**parts**" if number(row, "block_share") else penalty(row) or "control"
    first = ["control", "falling learning rate", "**parts**"]
    order = lambda group: first.index(group[0]) if group[0] in first else len(first)
    trained = conditions("balanced-parts") + conditions("eigenvalues-decoupled")
    groups = [(words(rows[0]), rows) for rows in trained if rows[0]["dataset"] == dataset]
    return table([DATASETS[dataset], "state", "n"] + PARTS, pairs(sorted(groups, key=order)))


# settings of the recipe for parts, and what it is called where a network is trained without it
INGREDIENTS = {
    "dropout": "dropout", "l4": "`l4`", "learning_rate_schedule": "a falling learning rate", "block_share_pruning": "a smaller share while pruning",
    "clusterable_init": "tagged initialisation", "tag_sizes": "tags of equal numbers", "block_share": "block share",
}


def ingredients(dataset):
    """The recipe for parts, and without each of its ingredients."""
    is_own = lambda rows: rows[0]["dataset"] == dataset
    recipe = next(rows for rows in conditions("balanced-parts") if is_own(rows) and number(rows[0], "block_share"))
    def words(row):
        without = {name: said for name, said in INGREDIENTS.items() if not is_same(row[name] or "0", recipe[0][name] or "0")}
        if "block_share" in without:
            without.pop("block_share_pruning", None)
        if "l4" in without and "clusterable_init" in without:
            return "dropout and a falling learning rate alone"
        return "without " + " and ".join(without.values())
    groups = [("**parts**", recipe)] + [(words(rows[0]), rows) for rows in conditions("balanced-parts-without") if is_own(rows)]
    return table([DATASETS[dataset], "state", "n"] + PARTS, pairs(groups))


def bench(dataset):
    order = [penalty(rows[0]) for rows in conditions("penalties-mnist")]
    groups = [(penalty(rows[0]), rows) for rows in conditions(f"penalties-{dataset}")]
    return table([DATASETS[dataset], "state", "n"] + PARTS, pairs(sorted(groups, key=lambda group: order.index(group[0]))))


def family(row):
    """What kind of penalty a network was trained with; none: not one of them alone."""
    on = lambda name: number(row, name) > 0
    tagged, target = row["clusterable_init"] == "true", " towards a target" if row["loop_penalty_target"] else ""
    if on("block_share_pruning") and row.get("learning_rate_schedule") != "constant":
        return "block share as above (**parts**)"
    if on("block_share"):
        return "`block_share`, other forms and strengths"
    if on("soft_ncut") or on("soft_modularity"):
        return "`soft_ncut`, `soft_modularity`"
    if on("loop_penalty"):
        kind = row["loop_penalty_kind"]
        if kind in ("loops-normalised", "trace-s4"):
            return f"`{kind}`{target}" if target else "closed walks (`loops-normalised`, `trace-s4`)"
        if kind == "volume-modules":
            return f"`volume-modules`{target}"
        return "AI-RG's and other four-node loops, with its `l4`" if on("l4") else "AI-RG's loops without `l4`"
    if on("l4"):
        return "`l4: 0.05`"
    if on("eigen_penalty"):
        beside = ", beside Adam" if row.get("penalty_step") == "decoupled" else ""
        return "the paper's eigenvalues" + (f", normalised (its penalty){beside}" if row["normalize_neurons"] == "true" else beside)
    if row["normalize_neurons"] == "true":
        return "normalised alone"
    if tagged:
        return "clusterable initialisation of every matrix" if row["clusterable_init_layers"] == "all" else "clusterable initialisation (the paper's)"
    for name in ("dropout", "l1", "l2"):
        if on(name):
            return f"`{name}: {strength(row, name)}`"
    return "control" if row.get("learning_rate_schedule", "constant") == "constant" else None


FAMILIES = [
    "control", "`dropout: 0.5`", "`l1: 5e-5`", "`l2: 5e-5`", "clusterable initialisation (the paper's)", "clusterable initialisation of every matrix", "normalised alone",
    "the paper's eigenvalues, normalised (its penalty)", "the paper's eigenvalues, normalised (its penalty), beside Adam", "the paper's eigenvalues", "`l4: 0.05`", "AI-RG's and other four-node loops, with its `l4`", "AI-RG's loops without `l4`",
    "closed walks (`loops-normalised`, `trace-s4`)", "`trace-s4` towards a target", "`volume-modules`", "`volume-modules` towards a target",
    "`soft_ncut`, `soft_modularity`", "`block_share`, other forms and strengths", "block share as above (**parts**)",
]


def between(values, digits, sign=""):
    """The least and the greatest."""
    if not values:
        return "–"
    low, high = (text(value, digits, sign) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def answers(dataset):
    """Of the networks of balanced-parts and the bench with a kind of penalty, at any strength: ranges; accuracies in points above the control's mean."""
    found = {name: [] for name in FAMILIES}
    for row in runs("balanced-parts") + runs("eigenvalues-decoupled") + runs(f"penalties-{dataset}"):
        if row["dataset"] == dataset and family(row):
            found[family(row)].append(row)
    control = {state: statistics.mean(figures(found["control"], f"{state}_test_accuracy")) for state in STATES}
    def cells(rows):
        for state in STATES:
            of = lambda name: figures(rows, f"{state}_{name}")
            yield from [between(of("ncut"), 1), between(of("z_score"), 0, "+"), between(of("largest_share"), 2), between(of("functional_clusters"), 0)]
            yield between([100 * (value - control[state]) for value in of("test_accuracy")], 1, "+")
    columns = ["n-cut", "Z", "largest share", "functional", "accuracy"]
    header = [DATASETS[dataset], "networks"] + columns + ["pruned: n-cut"] + columns[1:]
    return table(header, [[name, len(rows), *cells(rows)] for name, rows in found.items() if rows])


def small_bench(name):
    mean = lambda rows, name, digits, sign="": text(statistics.mean(figures(rows, name)), digits, sign)
    def cells(rows):
        for state in STATES:
            yield f"{mean(rows, f'{state}_ncut', 2)} ({mean(rows, f'{state}_z_score', 0, '+')})"
            yield mean(rows, f"{state}_effective_clusters", 1)
            if state == "pruned":
                yield mean(rows, "pruned_largest_share", 2)
            yield mean(rows, f"{state}_functional_clusters", 1)
            yield mean(rows, f"{state}_test_accuracy", 3)
    header = ["penalty", "n-cut (Z)", "effective clusters", "functional", "test acc.", "pruned: n-cut (Z)", "effective clusters", "largest share", "functional", "test acc."]
    return table(header, [[penalty(rows[0]) or "control", *cells(rows)] for rows in conditions(name)])


def lesions(dataset):
    """What each part of the first network with balanced parts does, pruned, in points of accuracy; bold what every random set costs less."""
    trained = {rows[0]["condition"]: rows[0] for rows in conditions("balanced-parts")}
    point = lambda text: f"{100 * float(text):.1f}" if abs(100 * float(text)) >= 0.05 else "0"
    def of_class(row, label):
        shown, is_least = point(row[f"drop_class_{label}"]), float(row[f"p_class_{label}"]) < 0.05
        return f"**{shown}**" if is_least else shown
    def cells(row):
        whole = float(row["accuracy"]) + float(row["drop"])
        random = f"{100 * (whole - float(row['random_mean'])):.1f} ± {100 * float(row['random_sd']):.1f}"
        return [row["cluster"], row["neurons"], point(row["drop"]), random] + [of_class(row, label) for label in range(10)]
    wanted = [
        row for row in runs("balanced-parts-lesions")
        if number(trained[row["condition"]], "block_share") and trained[row["condition"]]["dataset"] == dataset and (row["replicate"], row["state"]) == ("0", "pruned")
    ]
    return table(["cluster", "neurons", "all", "random sets"] + CLASSES[dataset], [cells(row) for row in wanted])


def four_node_loops(name):
    """AI-RG's network; of figures that vary much, the range."""
    def cells(rows):
        of = lambda name: figures(rows, f"unpruned_{name}")
        return [
            penalty(rows[0]) or "none", len(rows), shown(of("test_accuracy"), 4), shown(of("ncut"), 3), f"{statistics.mean(of('null_mean')):.3f}",
            between(of("z_score"), 1, "+"), between(of("largest_share"), 2), between(of("modularity_q"), 3),
        ]
    return table(["penalty", "n", "test acc.", "n-cut", "shuffled", "Z", "largest share", "Q"], [cells(rows) for rows in conditions(name)])


TABLES = {
    "four-node loops": lambda: four_node_loops("airg"), "four-node loops, 20,000 steps": lambda: four_node_loops("airg-20000"), "compared": main_tables, "compared, others": other_tables, "small bench": lambda: small_bench("penalties-7x7"), "small bench, beside Adam": lambda: small_bench("penalties-decoupled"),
    "parts, MNIST": lambda: balanced_parts("mnist"), "parts, Fashion-MNIST": lambda: balanced_parts("fashion-mnist"),
    "answers, MNIST": lambda: answers("mnist"), "answers, Fashion-MNIST": lambda: answers("fashion-mnist"),
    "ingredients, MNIST": lambda: ingredients("mnist"), "ingredients, Fashion-MNIST": lambda: ingredients("fashion-mnist"),
    "bench, MNIST": lambda: bench("mnist"), "bench, Fashion-MNIST": lambda: bench("fashion-mnist"),
    "lesions, MNIST": lambda: lesions("mnist"), "lesions, Fashion-MNIST": lambda: lesions("fashion-mnist"),
}


def main():
    arguments = argparse.ArgumentParser(description="Writes the tables of the documents anew.")
    arguments.add_argument("--check", action="store_true", help="write nothing; fail where a table is not what the files say")
    check = arguments.parse_args().check
    stale, named = [], []
    for document in DOCUMENTS:
        old = document.read_text(encoding="utf-8")
        named += re.findall(r"<!-- table: ([^>]+) -->\n.*?<!-- end -->", old, flags=re.DOTALL)
        new = re.sub(
            r"(<!-- table: ([^>]+) -->\n).*?(<!-- end -->)", lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n\n{found[3]}", old, flags=re.DOTALL
        )
        if new != old:
            stale.append(str(document.relative_to(ROOT)))
            if not check:
                document.write_text(new, encoding="utf-8")
    if sorted(named) != sorted(TABLES):
        sys.exit(f"tables.py: the documents should have each of {', '.join(TABLES)} once; they have {', '.join(named)}")
    if stale and check:
        sys.exit(f"tables.py: {', '.join(stale)}: tables are not those of src/report/results; `python3 scripts/tables.py` writes them")


if __name__ == "__main__":
    main()
