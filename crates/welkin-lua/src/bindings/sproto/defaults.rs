//! `default`: a table that shows a type by the values its fields have when nothing was set.

use welkin_codec::sproto::{Field, Kind, Schema, Shape};

use crate::state::State;

/// Pushes the table of the type with this index.
pub fn push(state: State, schema: &Schema, ty: usize) {
    let fields = &schema.types[ty].fields;
    state.create_table(0, fields.len() as i32);
    for field in fields {
        state.push_bytes(&field.name);
        push_value(state, schema, field);
        state.raw_set(-3);
    }
}

fn push_value(state: State, schema: &Schema, field: &Field) {
    let is_array = field.shape != Shape::Single;
    let is_struct = matches!(field.kind, Kind::Struct(_));
    if is_array || is_struct {
        state.create_table(0, 1);
        state.push_lit(if is_array { c"__array" } else { c"__type" });
    }
    match field.kind {
        Kind::Integer => state.push_int(0),
        Kind::Decimal(_) | Kind::Double => state.push_num(0.0),
        Kind::Boolean => state.push_bool(false),
        Kind::String | Kind::Binary => state.push_lit(c""),
        Kind::Struct(ty) => state.push_bytes(&schema.types[ty].name),
    }
    if is_array || is_struct {
        state.raw_set(-3);
    }
}
