//! Types and protocols, as encoding and decoding look them up.
//!
//! All fields of a schema have numbers that count through its types, so that whoever keeps something
//! for each field (its name in another form, say) needs one plain array.

/// What one value of a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 64 bits, signed.
    Integer,
    /// A number kept as an integer, times this power of ten. It is computed in 32 bits, so from ten
    /// digits on it is another number, the same on both sides.
    Decimal(i32),
    /// True or false.
    Boolean,
    /// IEEE, 64 bits.
    Double,
    /// Bytes that are text.
    String,
    /// Bytes; on the wire as text.
    Binary,
    /// A message of the type with this index.
    Struct(usize),
}

/// How many values a field has, and how a program sees them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One.
    Single,
    /// Any number, in a row.
    Array,
    /// An array of messages, which programs see by the value of one of their fields.
    Keyed {
        /// Tag of that field.
        tag: u16,
        /// Its place in the element's type, if it has one.
        key: Option<usize>,
    },
    /// An array of messages with two fields, which programs see as keys and values.
    Pairs {
        /// Place of the key in the element's type, whose other field is the value.
        key: usize,
    },
}

/// A field of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, as the schema has it.
    pub name: Box<[u8]>,
    /// Unique in the type.
    pub tag: u16,
    /// What it holds.
    pub kind: Kind,
    /// How often.
    pub shape: Shape,
}

/// A type of message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// The full name.
    pub name: Box<[u8]>,
    /// Ascending by tag.
    pub fields: Vec<Field>,
    /// Number of the first field, counted through the schema.
    pub first_field: usize,
    /// Entries that a message of this type can have.
    pub entries_max: usize,
}

impl Type {
    pub(super) fn new(name: Box<[u8]>, fields: Vec<Field>) -> Self {
        let mut entries_max = 0;
        let mut next = 0;
        for field in &fields {
            entries_max += 1 + usize::from(field.tag > next);
            next = field.tag + 1;
        }
        Self {
            name,
            fields,
            first_field: 0,
            entries_max,
        }
    }

    /// The place of the field with this tag.
    pub fn place(&self, tag: u16) -> Option<usize> {
        self.fields
            .binary_search_by_key(&tag, |field| field.tag)
            .ok()
    }
}

/// A request and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// The name.
    pub name: Box<[u8]>,
    /// Unique in the schema.
    pub tag: u16,
    /// Index of the request's type.
    pub request: Option<usize>,
    /// Index of the answer's type.
    pub response: Option<usize>,
    /// There is an answer, without contents.
    pub confirm: bool,
}

/// All that a bundle describes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// In the order of the bundle.
    pub types: Vec<Type>,
    /// Ascending by tag.
    pub protocols: Vec<Protocol>,
}

impl Schema {
    /// The index of the type with this full name.
    pub fn type_index(&self, name: &[u8]) -> Option<usize> {
        self.types.iter().position(|ty| *ty.name == *name)
    }

    /// The protocol with this name.
    pub fn protocol_by_name(&self, name: &[u8]) -> Option<&Protocol> {
        self.protocols.iter().find(|p| *p.name == *name)
    }

    /// The protocol with this tag.
    pub fn protocol_by_tag(&self, tag: u16) -> Option<&Protocol> {
        let at = self.protocols.binary_search_by_key(&tag, |p| p.tag).ok()?;
        Some(&self.protocols[at])
    }

    /// All fields, in the order of their numbers.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.types.iter().flat_map(|ty| &ty.fields)
    }
}
