//! Columns as comma-separated values, quoted where needed. Numbers are the shortest that read back as the same.

use super::columns::{Cell, Column};
use std::io;

/// A line of names and a line a row. An empty cell is empty, as an empty text is.
///
/// # Errors
///
/// None that is known; the library's.
pub fn csv(columns: &[Column]) -> io::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(columns.iter().map(|column| &column.name))?;
    for row in 0..columns.first().map_or(0, |column| column.cells.len()) {
        writer.write_record(columns.iter().map(|column| text(&column.cells[row])))?;
    }
    let bytes = writer.into_inner().map_err(|e| e.into_error())?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => text.clone(),
        Cell::Whole(n) => n.to_string(),
        Cell::Real(x) => format!("{x:?}"), // 1e-5 and not 0.00001, 1.0 and not 1
        Cell::Flag(flag) => flag.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::columns::{Kind, columns};
    use crate::report::fixtures::records;

    #[test]
    fn cells_read_back_as_they_were() {
        let column = |name: &str, kind, cells: &[Cell]| Column { name: name.into(), kind, cells: cells.to_vec() };
        let reals = [0.1 + 0.2, 1e-7, 1e300, -0.0, 10.0];
        let texts = ["plain", "with, comma", "with \"quotes\"", "two\nlines", ""];
        let table = [
            column("real", Kind::Real, &reals.map(Cell::Real)),
            column("text, odd", Kind::Text, &texts.map(|text| Cell::Text(text.into()))),
            column("whole", Kind::Whole, &[-1, 0, 1, i64::MAX, 7].map(Cell::Whole)),
            column("flag", Kind::Flag, &[Cell::Flag(true), Cell::Flag(false), Cell::Empty, Cell::Empty, Cell::Empty]),
        ];
        let text = csv(&table).unwrap();
        let golden = "real,\"text, odd\",whole,flag\n\
            0.30000000000000004,plain,-1,true\n\
            1e-7,\"with, comma\",0,false\n\
            1e300,\"with \"\"quotes\"\"\",1,\n\
            -0.0,\"two\nlines\",9223372036854775807,\n\
            10.0,,7,\n";
        assert_eq!(text, golden);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        for (row, record) in reader.records().enumerate() {
            let record = record.unwrap();
            assert_eq!(record[0].parse::<f64>().unwrap().to_bits(), reals[row].to_bits());
            assert_eq!(&record[1], texts[row]);
        }
    }

    /// Runs in every state. Columns of settings are left out: their number grows. 1 s of training is 40 epochs of 469 steps.
    #[test]
    fn a_row_a_run() {
        let settings = crate::experiment::settings::NAMES;
        let kept: Vec<Column> = columns(&records())
            .into_iter()
            .filter(|c| !settings.contains(&c.name.as_str()) || c.name == "hidden")
            .collect();
        let golden = "experiment,condition,replicate,status,hidden,epochs_done,\
            unpruned_ncut,unpruned_ncut_per_cluster,unpruned_null_mean,unpruned_null_sd,unpruned_z_score,unpruned_p_value,unpruned_train_accuracy,\
            unpruned_test_accuracy,unpruned_train_loss,unpruned_test_loss,unpruned_effective_clusters,\
            unpruned_largest_share,unpruned_modularity_q,unpruned_functional_clusters,unpruned_tag_agreement,unpruned_lambda_2,unpruned_lambda_3,unpruned_lambda_4,\
            unpruned_sparsity,unpruned_nodes,unpruned_edges,unpruned_components,unpruned_warnings,\
            pruned_ncut,pruned_ncut_per_cluster,pruned_null_mean,pruned_null_sd,pruned_z_score,pruned_p_value,pruned_train_accuracy,\
            pruned_test_accuracy,pruned_train_loss,pruned_test_loss,pruned_effective_clusters,\
            pruned_largest_share,pruned_modularity_q,pruned_functional_clusters,pruned_tag_agreement,pruned_lambda_2,pruned_lambda_3,pruned_lambda_4,\
            pruned_sparsity,pruned_nodes,pruned_edges,pruned_components,pruned_warnings,ms_per_step,seconds,version\n\
            e,default-44136fa3,0,done,256-256-256-256,40,\
            10.0,0.8333333333333334,10.25,0.25,-1.0,0.3333333333333333,0.875,0.75,1e-7,0.5,10.5,0.75,0.30000000000000004,,,0.25,0.5,,0.0,1818,40000,1,,\
            8.333333333333332,0.6944444444444443,,,,,0.875,0.75,1e-7,0.5,10.5,0.75,0.30000000000000004,,,0.25,0.5,,0.0,1818,40000,1,disconnected no-layers,\
            0.053304904051172705,1.5,0.1.0 (abc)\n\
            e,default-44136fa3,1,done,256-256-256-256,,\
            10.0,0.8333333333333334,,,,,0.875,0.75,1e-7,0.5,10.5,0.75,0.30000000000000004,,,0.25,0.5,,0.0,1818,40000,1,,\
            ,,,,,,,,,,,,,,,,,,,,,,,0.053304904051172705,1.5,0.1.0 (abc)\n\
            e,\"dropout=0.5,…-00000000\",0,running,64-32,3,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n\
            e,\"dropout=0.5,…-00000000\",1,failed,64-32,1,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n\
            e,\"dropout=0.5,…-00000000\",2,partial,64-32,1,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n\
            e,\"dropout=0.5,…-00000000\",3,missing,64-32,0,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n";
        assert_eq!(csv(&kept).unwrap(), golden);
    }
}
