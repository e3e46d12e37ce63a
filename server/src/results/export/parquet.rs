//! Apache Parquet: typed columns, nulls for what is missing.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical},
    data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::Type,
};

use super::{
    Export,
    fields::{Field, Kind, Scalar},
    program,
};

/// Rows of a group, whose columns lie in memory until it is written.
const GROUP: usize = 50_000;

/// Writes the fields as optional columns. Times are timestamps in UTC; the file's metadata have the origin of the table and
/// the units of its columns.
pub(super) fn write(
    export: &Export<'_>,
    out: &mut (impl Write + Send),
) -> Result<(), ParquetError> {
    let fields = export.fields();
    let columns =
        fields.iter().map(|field| column(field).map(Arc::new)).collect::<Result<_, _>>()?;
    let schema = Type::group_type_builder("results").with_fields(columns).build()?;
    let units = fields.iter().filter(|field| !field.unit.is_empty());
    let units = units
        .map(|field| KeyValue::new(format!("maskdoor.unit.{}", field.name), field.unit.to_owned()));
    let origin = KeyValue::new("maskdoor.origin".to_owned(), export.origin());
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(program())
        .set_key_value_metadata(Some([origin].into_iter().chain(units).collect()))
        .build();
    let mut writer = SerializedFileWriter::new(out, schema.into(), properties.into())?;
    for from in (0..export.rows()).step_by(GROUP) {
        let rows = from..(from + GROUP).min(export.rows());
        let mut group = writer.next_row_group()?;
        for field in &fields {
            let Some(mut column) = group.next_column()? else { break };
            let values: Vec<_> = rows.clone().map(|row| field.value(row)).collect();
            write_column(field.kind, &values, &mut column)?;
            column.close()?;
        }
        group.close()?;
    }
    writer.close()?;
    Ok(())
}

fn column(field: &Field<'_>) -> Result<Type, ParquetError> {
    let (physical, logical) = match field.kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Switch => (Physical::BOOLEAN, None),
        Kind::Number => (Physical::DOUBLE, None),
        Kind::Whole => (Physical::INT64, None),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
    };
    Type::primitive_type_builder(&field.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

fn write_column(
    kind: Kind,
    values: &[Scalar<'_>],
    column: &mut SerializedColumnWriter<'_>,
) -> Result<(), ParquetError> {
    // Of an optional column at the top, level 1 is a value and 0 a null.
    let levels: Vec<i16> =
        values.iter().map(|value| i16::from(*value != Scalar::Missing)).collect();
    let levels = Some(levels.as_slice());
    match kind {
        Kind::Text => {
            let texts: Vec<ByteArray> = values.iter().filter_map(text).collect();
            column.typed::<ByteArrayType>().write_batch(&texts, levels, None)?
        }
        Kind::Switch => {
            let switches: Vec<bool> = values.iter().filter_map(switch).collect();
            column.typed::<BoolType>().write_batch(&switches, levels, None)?
        }
        Kind::Number => {
            let numbers: Vec<f64> = values.iter().filter_map(number).collect();
            column.typed::<DoubleType>().write_batch(&numbers, levels, None)?
        }
        Kind::Whole | Kind::Time => {
            let numbers: Vec<i64> = values.iter().filter_map(whole).collect();
            column.typed::<Int64Type>().write_batch(&numbers, levels, None)?
        }
    };
    Ok(())
}

fn text(value: &Scalar<'_>) -> Option<ByteArray> {
    if let Scalar::Text(text) = value { Some(text.as_ref().into()) } else { None }
}

fn switch(value: &Scalar<'_>) -> Option<bool> {
    if let Scalar::Switch(on) = value { Some(*on) } else { None }
}

fn number(value: &Scalar<'_>) -> Option<f64> {
    if let Scalar::Number(number) = value { Some(*number) } else { None }
}

fn whole(value: &Scalar<'_>) -> Option<i64> {
    if let Scalar::Whole(number) = value { Some(*number) } else { None }
}
