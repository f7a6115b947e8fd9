//! Lesions of runs as a table: a row a run, end state and silenced cluster, in all hidden layers at once and in each alone.

use super::columns::{Cell, Column, Kind, count, real, whose};
use super::record::RunRecord;
use crate::lesion::{Lesion, Lesions};

/// A silenced cluster.
struct Row<'a> {
    record: &'a RunRecord,
    state: &'static str,
    of: &'a Lesions,
    /// Number of the hidden layer, from 1; `None` for all at once.
    layer: Option<usize>,
    lesion: &'a Lesion,
}

type Figure = (&'static str, fn(&Row) -> Option<f64>);

const FIGURES: [Figure; 6] = [
    ("accuracy", |row| Some(row.lesion.accuracy)),
    ("drop", |row| Some(row.lesion.drop)),
    ("random_mean", |row| Some(row.lesion.random_mean)),
    ("random_sd", |row| Some(row.lesion.random_sd)),
    ("p_value", |row| Some(row.lesion.p_value)),
    ("z_score", |row| row.lesion.z_score),
];

/// The lesions of all runs that are done and have any, in the order of `records`; only the names where there are none.
///
/// The last columns are `drop_class_0`, …: what is lost of the accuracy on the examples of each class, in `[−1, 1]`;
/// `random_drop_class_0`, …: what random sets lose of it on average; `p_class_0`, …: its p-values. The last two are empty for results of
/// versions that did not compare classes.
pub fn columns(records: &[RunRecord]) -> Vec<Column> {
    let rows: Vec<Row> = records.iter().flat_map(rows).collect();
    let column =
        |name: String, kind, cell: &dyn Fn(&Row) -> Cell| Column { name, kind, cells: rows.iter().map(cell).collect() };
    let mut columns = whose(&rows, |row| row.record);
    columns.extend([
        column("state".into(), Kind::Text, &|row| Cell::Text(row.state.into())),
        column("layer".into(), Kind::Whole, &|row| row.layer.map_or(Cell::Empty, count)),
        column("cluster".into(), Kind::Whole, &|row| count(row.lesion.cluster)),
        column("neurons".into(), Kind::Whole, &|row| count(row.lesion.neurons.iter().sum())),
    ]);
    columns.extend(FIGURES.map(|(name, figure)| column(name.into(), Kind::Real, &|row| real(figure(row)))));
    let classes = rows.iter().map(|row| row.of.by_class.len()).max().unwrap_or(0);
    type OfClass = fn(&Row, usize) -> Option<f64>;
    let of_classes: [(&str, OfClass); 3] = [
        ("drop", |row, class| row.lesion.drops(row.of).nth(class)),
        ("random_drop", |row, class| row.lesion.random_drops(row.of).nth(class)),
        ("p", |row, class| row.lesion.p_by_class.get(class).copied()),
    ];
    for (name, figure) in of_classes {
        let of_class = |class| column(format!("{name}_class_{class}"), Kind::Real, &|row| real(figure(row, class)));
        columns.extend((0..classes).map(of_class));
    }
    columns
}

fn rows(record: &RunRecord) -> Vec<Row<'_>> {
    let Some(result) = &record.result else { return Vec::new() };
    let states = [("unpruned", Some(&result.unpruned)), ("pruned", result.pruned.as_ref())];
    let lesions = states.into_iter().filter_map(|(state, end)| Some((state, end?.lesions.as_ref()?)));
    lesions
        .flat_map(|(state, of)| {
            let row = move |layer, lesion| Row { record, state, of, layer, lesion };
            let alone = of.layers.iter().enumerate();
            let alone = alone.flat_map(move |(i, layer)| layer.iter().map(move |lesion| row(Some(i + 1), lesion)));
            of.clusters.iter().map(move |lesion| row(None, lesion)).chain(alone)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::csv::csv;
    use super::super::fixtures::{network, record};
    use super::*;

    #[test]
    fn each_lesion_is_a_row_with_what_each_class_loses() {
        let lesion = |cluster, neurons: &[usize], accuracy, by_class: &[f64]| Lesion {
            cluster,
            neurons: neurons.to_vec(),
            accuracy,
            drop: 0.75 - accuracy,
            by_class: by_class.to_vec(),
            random_mean: 0.625,
            random_sd: 0.0,
            p_value: 0.5,
            z_score: None,
            random_by_class: if cluster == 0 { vec![0.5, 0.25] } else { vec![] },
            p_by_class: if cluster == 0 { vec![0.5, 1.0] } else { vec![] },
        };
        let lesions = Lesions {
            random_sets: 1,
            accuracy: 0.75,
            by_class: vec![1.0, 0.5],
            clusters: vec![lesion(0, &[3, 1], 0.5, &[0.25, 0.75]), lesion(1, &[0, 2], 0.75, &[1.0, 0.5])],
            layers: vec![vec![lesion(0, &[3], 0.625, &[0.75, 0.5])], vec![]],
            functional: 1,
        };
        let mut of = network("{}", 4, 10.0, &[]);
        of.1.unpruned.lesions = Some(lesions);
        let none = network("{}", 5, 10.0, &[]);
        let head = "experiment,condition,settings,replicate,state,layer,cluster,neurons,accuracy,drop,random_mean,random_sd,p_value,z_score";
        let name = &of.0.condition.name;
        let expected = [
            format!("{head},drop_class_0,drop_class_1,random_drop_class_0,random_drop_class_1,p_class_0,p_class_1"),
            format!("e,{name},,4,unpruned,,0,4,0.5,0.25,0.625,0.0,0.5,,0.75,-0.25,0.5,0.25,0.5,1.0"),
            format!("e,{name},,4,unpruned,,1,2,0.75,0.0,0.625,0.0,0.5,,0.0,0.0,,,,"),
            format!("e,{name},,4,unpruned,1,0,3,0.625,0.125,0.625,0.0,0.5,,0.25,0.0,0.5,0.25,0.5,1.0"),
        ];
        let found = csv(&columns(&[record(&of), record(&none)])).unwrap();
        assert_eq!(found.lines().collect::<Vec<_>>(), expected);
        assert_eq!(csv(&columns(&[record(&none)])).unwrap().trim_end(), head);
    }
}
