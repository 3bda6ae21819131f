//! Versions against what went into them.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;

/// A table as tests write it: integers and texts as keys.
#[derive(Clone, Debug, Default, PartialEq)]
struct Source {
    length: i64,
    integers: BTreeMap<i64, Leaf>,
    texts: BTreeMap<Vec<u8>, Leaf>,
}

#[derive(Clone, Debug, PartialEq)]
enum Leaf {
    Plain(i64),
    Text(Vec<u8>),
    Table(Source),
}

fn fill(builder: &mut Builder, table: u32, source: &Source) {
    let items = 1..=source.length;
    let inside = source
        .integers
        .keys()
        .filter(|key| items.contains(key))
        .count();
    let outside = source.integers.len() - inside + source.texts.len();
    builder
        .reserve(table, source.length, source.length as usize, outside)
        .unwrap();
    let mut entries: Vec<(Key, &Leaf)> = Vec::new();
    for (key, leaf) in &source.integers {
        entries.push((Key::Integer(*key), leaf));
    }
    for (key, leaf) in &source.texts {
        entries.push((Key::Text(builder.text(key).unwrap()), leaf));
    }
    for (key, leaf) in entries {
        let value = match leaf {
            Leaf::Plain(value) => Value::Integer(*value),
            Leaf::Text(bytes) => Value::Text(builder.text(bytes).unwrap()),
            Leaf::Table(below) => {
                let number = builder.table(table, key).unwrap();
                fill(builder, number, below);
                Value::Table(number)
            }
        };
        builder.put(table, key, value).unwrap();
    }
}

fn made(source: &Source) -> Tree {
    let mut builder = Builder::default();
    fill(&mut builder, 0, source);
    builder.finish()
}

/// Reads a table back by `next`, and sees to it that `get` says the same.
fn read(tree: &Tree, table: u32) -> Source {
    let mut source = Source {
        length: tree.length(table).unwrap(),
        ..Source::default()
    };
    let mut last = None;
    while let Some((key, value)) = tree.next(table, last) {
        let name = tree.name(key);
        assert_eq!(tree.get(table, name), Some(value));
        let leaf = match value {
            Value::Integer(value) => Leaf::Plain(value),
            Value::Text(text) => Leaf::Text(tree.text(text).to_vec()),
            Value::Table(below) => Leaf::Table(read(tree, below)),
            other => panic!("{other:?}"),
        };
        let double = match name {
            Name::Integer(key) => source.integers.insert(key, leaf),
            Name::Text(key) => source.texts.insert(key.to_vec(), leaf),
        };
        assert_eq!(double, None);
        last = Some(name);
    }
    source
}

fn sources() -> impl Strategy<Value = Source> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Leaf::Plain),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Leaf::Text),
    ];
    let keys = || prop_oneof![-3..20_i64, any::<i64>()];
    let table = move |leaf: BoxedStrategy<Leaf>| {
        let texts = prop::collection::vec(any::<u8>(), 0..4);
        (
            0..8_i64,
            prop::collection::btree_map(keys(), leaf.clone(), 0..12),
            prop::collection::btree_map(texts, leaf, 0..12),
        )
            .prop_map(|(length, integers, texts)| Source {
                length,
                integers,
                texts,
            })
    };
    let leaves = leaf.prop_recursive(3, 60, 8, move |inner| {
        table(inner.boxed()).prop_map(Leaf::Table)
    });
    (
        0..5_i64,
        prop::collection::btree_map("[a-c]{1,2}".prop_map(String::into_bytes), leaves, 0..6),
    )
        .prop_map(|(length, texts)| Source {
            length,
            integers: BTreeMap::new(),
            texts,
        })
}

proptest! {
    #[test]
    fn what_went_in_comes_out(source in sources()) {
        prop_assert_eq!(read(&made(&source), 0), source);
    }

    #[test]
    fn a_successor_is_the_table_at_the_same_path(old in sources(), new in sources()) {
        let (old, new) = (made(&old), made(&new));
        let mut known = HashMap::new();
        let paths: HashMap<Vec<u8>, u32> = (0..new.tables.len() as u32)
            .map(|table| (new.path(table), table))
            .collect();
        for table in 0..old.tables.len() as u32 {
            let found = old.successor(table, &new, &mut known);
            if let Some(found) = found {
                prop_assert_eq!(new.path(found), old.path(table));
            } else {
                // Keys with dots in them may read alike.
                let path = old.path(table);
                prop_assert!(!paths.contains_key(&path) || path.iter().filter(|&&b| b == b'.').count() > 1);
            }
        }
    }
}

#[test]
fn the_root_is_found_again_and_its_path_is_empty() {
    let (old, new) = (made(&Source::default()), made(&Source::default()));
    assert_eq!(old.successor(0, &new, &mut HashMap::new()), Some(0));
    assert_eq!(old.path(0), b"");
    assert_eq!(old.next(0, None), None);
}

#[test]
fn a_path_names_each_key_behind_a_dot() {
    let mut builder = Builder::default();
    builder.reserve(0, 0, 0, 1).unwrap();
    let key = Key::Text(builder.text(b"sub").unwrap());
    let sub = builder.table(0, key).unwrap();
    builder.put(0, key, Value::Table(sub)).unwrap();
    let five = builder.table(sub, Key::Integer(-5)).unwrap();
    assert_eq!(builder.finish().path(five), b".sub.-5");
}

#[test]
fn numbers_that_are_no_table_have_nothing() {
    let tree = made(&Source::default());
    assert_eq!(tree.get(7, Name::Integer(1)), None);
    assert_eq!(tree.next(7, None), None);
    assert_eq!(tree.length(u32::MAX), None);
    assert_eq!(tree.get(0, Name::Text(b"x")), Some(Value::Nil));
}

#[test]
fn more_than_was_told_is_refused() {
    let mut builder = Builder::default();
    builder.reserve(0, 1, 1, 1).unwrap();
    let put = |builder: &mut Builder, key| builder.put(0, Key::Integer(key), Value::Boolean(true));
    assert!(put(&mut builder, 1).is_ok());
    assert!(put(&mut builder, 2).is_ok());
    assert!(put(&mut builder, 3).is_err());
}
