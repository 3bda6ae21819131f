//! A schema as a text for people: `dumpproto` prints it.

use std::borrow::Cow;
use std::fmt::{self, Display};

use super::schema::{Field, Kind, Schema, Shape};

fn text(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name)
}

impl Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "=== {} types ===", self.types.len())?;
        for ty in &self.types {
            writeln!(f, "{}", text(&ty.name))?;
            ty.fields.iter().try_for_each(|field| self.line(f, field))?;
        }
        writeln!(f, "=== {} protocol ===", self.protocols.len())?;
        for protocol in &self.protocols {
            let name = |index: usize| text(&self.types[index].name);
            let request = protocol.request.map_or("(null)".into(), name);
            write!(
                f,
                "\t{} ({}) request:{request}",
                text(&protocol.name),
                protocol.tag
            )?;
            match protocol.response {
                Some(response) => writeln!(f, " response:{}", name(response))?,
                None if protocol.confirm => writeln!(f, " response nil")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

impl Schema {
    fn line(&self, f: &mut fmt::Formatter<'_>, field: &Field) -> fmt::Result {
        let array = if field.shape == Shape::Single {
            ""
        } else {
            "*"
        };
        write!(f, "\t{} ({}) {array}", text(&field.name), field.tag)?;
        match field.kind {
            Kind::Integer => f.write_str("integer")?,
            Kind::Decimal(scale) => write!(f, "decimal({})", scale.cast_unsigned())?,
            Kind::Boolean => f.write_str("boolean")?,
            Kind::Double => f.write_str("double")?,
            Kind::String => f.write_str("string")?,
            Kind::Binary => f.write_str("binary")?,
            Kind::Struct(index) => f.write_str(&text(&self.types[index].name))?,
        }
        match (field.shape, field.kind) {
            (Shape::Keyed { tag, .. }, _) => writeln!(f, " key[{tag}]"),
            (Shape::Pairs { key }, Kind::Struct(element)) => {
                let tag = |place: usize| self.types[element].fields[place].tag;
                writeln!(f, " key[{}] value[{}]", tag(key), tag(1 - key))
            }
            _ => writeln!(f),
        }
    }
}
