//! Columns as a Parquet file, which data frames read with their types.

use super::columns::{Cell, Column, Kind};
use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use std::sync::Arc;

/// A file of one row group. Every column is optional; an empty cell is null.
///
/// # Errors
///
/// None that is known; the library's.
pub fn parquet(columns: &[Column]) -> Result<Vec<u8>> {
    let fields = columns.iter().map(|column| field(column).map(Arc::new)).collect::<Result<_>>()?;
    let schema = Arc::new(Type::group_type_builder("runs").with_fields(fields).build()?);
    // the library's own name and version would change the bytes with it
    let properties = Arc::new(WriterProperties::builder().set_created_by("ncut".into()).build());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    let mut group = file.next_row_group()?;
    for column in columns {
        let Some(writer) = group.next_column()? else { break };
        let cells = &column.cells;
        match column.kind {
            Kind::Text => write::<ByteArrayType>(writer, cells, |cell| match cell {
                Cell::Text(text) => Some(ByteArray::from(text.as_bytes().to_vec())),
                _ => None,
            })?,
            Kind::Whole => write::<Int64Type>(writer, cells, |cell| match cell {
                Cell::Whole(n) => Some(*n),
                _ => None,
            })?,
            Kind::Real => write::<DoubleType>(writer, cells, |cell| match cell {
                Cell::Real(x) => Some(*x),
                _ => None,
            })?,
            Kind::Flag => write::<BoolType>(writer, cells, |cell| match cell {
                Cell::Flag(flag) => Some(*flag),
                _ => None,
            })?,
        }
    }
    group.close()?;
    file.into_inner()
}

fn field(column: &Column) -> Result<Type> {
    let (physical, logical) = match column.kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Whole => (Physical::INT64, None),
        Kind::Real => (Physical::DOUBLE, None),
        Kind::Flag => (Physical::BOOLEAN, None),
    };
    let builder = Type::primitive_type_builder(&column.name, physical);
    builder.with_repetition(Repetition::OPTIONAL).with_logical_type(logical).build()
}

fn write<T: DataType>(
    mut writer: SerializedColumnWriter<'_>,
    cells: &[Cell],
    value: fn(&Cell) -> Option<T::T>,
) -> Result<()> {
    let values: Vec<Option<T::T>> = cells.iter().map(value).collect();
    let present: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    writer.typed::<T>().write_batch(&values, Some(&present), None)?;
    writer.close()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::columns::columns;
    use crate::report::fixtures::records;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    use std::io::Write;

    #[test]
    fn the_librarys_reader_finds_the_same_cells_and_types() {
        let mut columns = columns(&records());
        let flags = [Cell::Flag(true), Cell::Empty, Cell::Flag(false), Cell::Empty, Cell::Empty, Cell::Flag(true)];
        columns.push(Column { name: "flag".into(), kind: Kind::Flag, cells: flags.to_vec() });
        let bytes = parquet(&columns).unwrap();
        assert!(bytes == parquet(&columns).unwrap());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        assert_eq!(reader.metadata().file_metadata().created_by(), Some("ncut"));
        let schema = reader.metadata().file_metadata().schema_descr();
        for (column, found) in columns.iter().zip(schema.columns()) {
            assert_eq!(found.physical_type(), field(column).unwrap().get_physical_type(), "{}", column.name);
            assert_eq!(found.logical_type_ref().is_some(), column.kind == Kind::Text);
            assert_eq!(found.max_def_level(), 1);
        }
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), 6);
        for (r, row) in rows.iter().enumerate() {
            let found: Vec<(&String, &Field)> = row.get_column_iter().collect();
            assert_eq!(found.len(), columns.len());
            for ((name, field), column) in found.into_iter().zip(&columns) {
                let cell = match field {
                    Field::Null => Cell::Empty,
                    Field::Str(text) => Cell::Text(text.clone()),
                    Field::Long(n) => Cell::Whole(*n),
                    Field::Double(x) => Cell::Real(*x),
                    Field::Bool(flag) => Cell::Flag(*flag),
                    other => panic!("{other:?}"),
                };
                assert_eq!((name, &cell), (&column.name, &column.cells[r]));
            }
        }
    }
}
