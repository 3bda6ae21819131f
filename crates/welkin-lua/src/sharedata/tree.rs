//! One version of the data under a name: tables that never change, in a few blocks of memory.
//!
//! A table is a number, the root's is 0; a value that is a table says its number. What the source had at 1
//! up to its length lies in a row (`items`); every other entry lies in the table's stretch of `fields`, and
//! is found by a stretch of `slots`, at least twice as long, that a key's hash points into. All texts lie
//! one behind the other, each once. So a version is a handful of allocations however large it is, and is
//! freed at once.
//!
//! A table knows its parent and its key there: by that it is found again in a newer version.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

/// Entries of a version at most: slots are numbered by 32 bits, and there are up to four for an entry.
const ENTRIES_MAX: usize = (u32::MAX / 4) as usize;

/// Where the bytes of a text lie.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Text {
    at: u32,
    len: u32,
}

/// A key of a table.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Key {
    /// Any integer.
    Integer(i64),
    /// A string.
    Text(Text),
}

/// A key that is looked for.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub enum Name<'a> {
    /// Any integer.
    Integer(i64),
    /// The bytes of a string.
    Text(&'a [u8]),
}

/// What a table has at a key.
#[derive(Copy, Clone, PartialEq, Debug)]
pub enum Value {
    /// Nothing: a hole between items.
    Nil,
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A string.
    Text(Text),
    /// The table of that number.
    Table(u32),
}

#[derive(Copy, Clone, Debug)]
struct Table {
    parent: u32,
    /// Its key in the parent.
    key: Key,
    /// What `#` says.
    length: i64,
    items: Stretch,
    fields: Stretch,
    slots: Stretch,
}

/// A part of a vector.
#[derive(Copy, Clone, Default, Debug)]
struct Stretch {
    from: u32,
    len: u32,
}

impl Stretch {
    fn of<T>(self, all: &[T]) -> &[T] {
        &all[self.from as usize..][..self.len as usize]
    }
}

/// A finished version. Numbers of tables that it has not given are answered as if they were not there.
#[derive(Debug)]
pub struct Tree {
    tables: Vec<Table>,
    items: Vec<Value>,
    fields: Vec<(Key, Value)>,
    /// Place in the table's fields, plus one; 0: free.
    slots: Vec<u32>,
    bytes: Vec<u8>,
    hashing: RandomState,
}

impl Tree {
    /// What the table has at `name`. `None`: there is no such table.
    #[inline]
    pub fn get(&self, table: u32, name: Name<'_>) -> Option<Value> {
        let table = self.tables.get(table as usize)?;
        if let Some(item) = item_place(table, name) {
            return Some(table.items.of(&self.items)[item]);
        }
        let found = self.find(table, name);
        Some(found.map_or(Value::Nil, |at| table.fields.of(&self.fields)[at].1))
    }

    /// The entry behind that of `after`, or the first one. `None`: there is none, or `after` is no key.
    #[inline]
    pub fn next(&self, table: u32, after: Option<Name<'_>>) -> Option<(Key, Value)> {
        let table = self.tables.get(table as usize)?;
        let from = match after {
            None => 0,
            Some(name) => match item_place(table, name) {
                Some(item) => item + 1,
                None => table.items.len as usize + self.find(table, name)? + 1,
            },
        };
        self.entries_from(table, from).next()
    }

    /// All entries of a table, in the order of [`Tree::next`].
    pub fn entries(&self, table: u32) -> impl Iterator<Item = (Key, Value)> {
        let table = self.tables.get(table as usize);
        table
            .into_iter()
            .flat_map(|table| self.entries_from(table, 0))
    }

    #[inline]
    fn entries_from(&self, table: &Table, from: usize) -> impl Iterator<Item = (Key, Value)> {
        let (items, fields) = (table.items.of(&self.items), table.fields.of(&self.fields));
        let (skipped, passed) = (from.min(items.len()), from.saturating_sub(items.len()));
        let numbered = items[skipped..].iter().zip(skipped as i64 + 1..);
        let numbered = numbered.filter(|(item, _)| **item != Value::Nil);
        numbered
            .map(|(item, key)| (Key::Integer(key), *item))
            .chain(fields[passed..].iter().copied())
    }

    /// What `#` says of the table.
    #[inline]
    pub fn length(&self, table: u32) -> Option<i64> {
        Some(self.tables.get(table as usize)?.length)
    }

    /// How many items and fields the table has room for in a copy.
    pub fn counts(&self, table: u32) -> (u32, u32) {
        let table = self.tables.get(table as usize);
        table.map_or((0, 0), |table| (table.items.len, table.fields.len))
    }

    /// The bytes of a text of this version.
    #[inline]
    pub fn text(&self, text: Text) -> &[u8] {
        &self.bytes[text.at as usize..][..text.len as usize]
    }

    /// The keys on the way from the root to the table, each behind a dot; of the root there are none.
    pub fn path(&self, table: u32) -> Vec<u8> {
        let mut path = match self.tables.get(table as usize) {
            Some(table) if table.parent != u32::MAX => self.path(table.parent),
            _ => return Vec::new(),
        };
        path.push(b'.');
        match self.name(self.tables[table as usize].key) {
            Name::Integer(key) => path.extend_from_slice(key.to_string().as_bytes()),
            Name::Text(key) => path.extend_from_slice(key),
        }
        path
    }

    /// The table at the same path in `newer`; `known` has what was found before. `None`: no table is there.
    pub fn successor(
        &self,
        table: u32,
        newer: &Self,
        known: &mut HashMap<u32, Option<u32>>,
    ) -> Option<u32> {
        let entry = self.tables.get(table as usize)?;
        if entry.parent == u32::MAX {
            return Some(0);
        }
        if let Some(found) = known.get(&table) {
            return *found;
        }
        let parent = self.successor(entry.parent, newer, known);
        let found = match parent.and_then(|parent| newer.get(parent, self.name(entry.key))) {
            Some(Value::Table(found)) => Some(found),
            _ => None,
        };
        known.insert(table, found);
        found
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + size_of_val(self.tables.as_slice())
            + size_of_val(self.items.as_slice())
            + size_of_val(self.fields.as_slice())
            + size_of_val(self.slots.as_slice())
            + self.bytes.len()
    }

    fn name(&self, key: Key) -> Name<'_> {
        match key {
            Key::Integer(key) => Name::Integer(key),
            Key::Text(key) => Name::Text(self.text(key)),
        }
    }

    /// Where among the table's fields the key is.
    #[inline]
    fn find(&self, table: &Table, name: Name<'_>) -> Option<usize> {
        let slots = table.slots.of(&self.slots);
        let fields = table.fields.of(&self.fields);
        let mask = slots.len().checked_sub(1)?;
        let mut at = self.hash(name) & mask;
        // Ends, as half of the slots are free.
        while slots[at] != 0 {
            let field = slots[at] as usize - 1;
            if self.name(fields[field].0) == name {
                return Some(field);
            }
            at = (at + 1) & mask;
        }
        None
    }

    #[inline]
    fn hash(&self, name: Name<'_>) -> usize {
        let mut hasher = self.hashing.build_hasher();
        match name {
            Name::Integer(key) => hasher.write_i64(key),
            Name::Text(key) => hasher.write(key),
        }
        hasher.finish() as usize
    }
}

/// Which of the table's items is meant.
#[inline]
fn item_place(table: &Table, name: Name<'_>) -> Option<usize> {
    let Name::Integer(key) = name else {
        return None;
    };
    let at = key.wrapping_sub(1).cast_unsigned();
    (at < u64::from(table.items.len)).then_some(at as usize)
}

/// There is more than a version can hold.
#[derive(Copy, Clone, Debug)]
pub struct TooMuch;

/// A version in the making: tables are added, told how many entries they have, and then filled.
#[derive(Debug)]
pub struct Builder {
    tree: Tree,
    texts: HashMap<Box<[u8]>, Text>,
    /// How many fields each table has got.
    filled: Vec<u32>,
}

impl Default for Builder {
    fn default() -> Self {
        let mut builder = Self {
            tree: Tree {
                tables: Vec::new(),
                items: Vec::new(),
                fields: Vec::new(),
                slots: Vec::new(),
                bytes: Vec::new(),
                hashing: RandomState::default(),
            },
            texts: HashMap::new(),
            filled: Vec::new(),
        };
        builder.push(u32::MAX, Key::Integer(0));
        builder
    }
}

impl Builder {
    /// Adds an empty table, which `parent` is to have at `key`.
    pub fn table(&mut self, parent: u32, key: Key) -> Result<u32, TooMuch> {
        if self.tree.tables.len() >= ENTRIES_MAX {
            return Err(TooMuch);
        }
        Ok(self.push(parent, key))
    }

    fn push(&mut self, parent: u32, key: Key) -> u32 {
        let number = self.tree.tables.len() as u32;
        self.tree.tables.push(Table {
            parent,
            key,
            length: 0,
            items: Stretch::default(),
            fields: Stretch::default(),
            slots: Stretch::default(),
        });
        self.filled.push(0);
        number
    }

    /// Makes room in a table: `length` is what `#` says; so many entries lie at 1 up to `items`, and so many
    /// elsewhere.
    pub fn reserve(
        &mut self,
        table: u32,
        length: i64,
        items: usize,
        fields: usize,
    ) -> Result<(), TooMuch> {
        let tree = &mut self.tree;
        let from = [tree.items.len(), tree.fields.len()];
        if from[0] + items > ENTRIES_MAX || from[1] + fields > ENTRIES_MAX {
            return Err(TooMuch);
        }
        tree.items.resize(from[0] + items, Value::Nil);
        let nothing = (Key::Integer(0), Value::Nil);
        tree.fields.resize(from[1] + fields, nothing);
        let table = &mut tree.tables[table as usize];
        table.length = length;
        table.items = Stretch {
            from: from[0] as u32,
            len: items as u32,
        };
        table.fields = Stretch {
            from: from[1] as u32,
            len: fields as u32,
        };
        Ok(())
    }

    /// Puts a value into a table, once for each key. More fields than there is room for are too much.
    pub fn put(&mut self, table: u32, key: Key, value: Value) -> Result<(), TooMuch> {
        let (number, tree) = (table as usize, &mut self.tree);
        let table = &tree.tables[number];
        if let Key::Integer(key) = key
            && let Some(item) = item_place(table, Name::Integer(key))
        {
            tree.items[table.items.from as usize + item] = value;
            return Ok(());
        }
        if self.filled[number] >= table.fields.len {
            return Err(TooMuch);
        }
        tree.fields[(table.fields.from + self.filled[number]) as usize] = (key, value);
        self.filled[number] += 1;
        Ok(())
    }

    /// Takes in a text.
    pub fn text(&mut self, bytes: &[u8]) -> Result<Text, TooMuch> {
        if let Some(text) = self.texts.get(bytes) {
            return Ok(*text);
        }
        let all = &mut self.tree.bytes;
        if all.len() + bytes.len() > u32::MAX as usize {
            return Err(TooMuch);
        }
        let text = Text {
            at: all.len() as u32,
            len: bytes.len() as u32,
        };
        all.extend_from_slice(bytes);
        self.texts.insert(bytes.into(), text);
        Ok(text)
    }

    /// The version.
    pub fn finish(self) -> Tree {
        let (mut tree, filled) = (self.tree, self.filled);
        for (number, filled) in filled.into_iter().enumerate() {
            let table = &mut tree.tables[number];
            table.fields.len = filled;
            if filled == 0 {
                continue;
            }
            table.slots = Stretch {
                from: tree.slots.len() as u32,
                len: (filled * 2).next_power_of_two(),
            };
            let table = *table;
            tree.slots
                .resize((table.slots.from + table.slots.len) as usize, 0);
            for field in 0..filled {
                let key = tree.fields[(table.fields.from + field) as usize].0;
                let mask = table.slots.len - 1;
                let mut at = tree.hash(tree.name(key)) as u32 & mask;
                while tree.slots[(table.slots.from + at) as usize] != 0 {
                    at = (at + 1) & mask;
                }
                tree.slots[(table.slots.from + at) as usize] = field + 1;
            }
        }
        tree.tables.shrink_to_fit();
        tree.items.shrink_to_fit();
        tree.fields.shrink_to_fit();
        tree.slots.shrink_to_fit();
        tree.bytes.shrink_to_fit();
        tree
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
