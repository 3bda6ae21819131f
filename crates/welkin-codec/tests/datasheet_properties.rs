//! Sheets: no bytes whatever do harm, nor does a sheet with some of its bytes changed.

#[path = "support/datasheet.rs"]
mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::check_any_bytes;
use welkin_codec::datasheet::{Key, Sheet, Value};

/// A sheet of `n` tables, each with the items, and each but the last with the next one as its field `k`.
fn chain(n: u32, items: &[i32]) -> Vec<u8> {
    let mut starts: Vec<u32> = Vec::new();
    let mut tables: Vec<u8> = Vec::new();
    for number in 0..n {
        starts.push(tables.len() as u32);
        let fields = u32::from(number + 1 < n);
        tables.extend((items.len() as u32).to_le_bytes());
        tables.extend(fields.to_le_bytes());
        tables.extend(items.iter().map(|_| 1));
        tables.extend((0..fields).map(|_| 4));
        tables.resize(tables.len().next_multiple_of(4), 0);
        for item in items {
            tables.extend(item.to_le_bytes());
        }
        if fields == 1 {
            tables.extend(0_u32.to_le_bytes());
            tables.extend((number + 1).to_le_bytes());
        }
    }
    let strings = 8 + 4 * n + tables.len() as u32;
    let mut bytes = strings.to_le_bytes().to_vec();
    bytes.extend(n.to_le_bytes());
    bytes.extend(starts.iter().flat_map(|start| start.to_le_bytes()));
    bytes.extend(tables);
    bytes.extend(b"k\0");
    bytes
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200)) {
        check_any_bytes(&bytes);
    }

    #[test]
    fn what_was_written_is_read(n in 1..6_u32, items in vec(any::<i32>(), 0..9)) {
        let bytes = chain(n, &items);
        let sheet = Sheet::new(&bytes).unwrap();
        for number in 0..n {
            let read: Vec<_> = sheet.table(number).unwrap().collect();
            let mut want: Vec<_> = items.iter().zip(1..).map(|(item, at)| (Key::Item(at), Value::Integer(*item))).collect();
            if number + 1 < n {
                want.push((Key::Field(b"k"), Value::Table(number + 1)));
            }
            prop_assert_eq!(read, want);
        }
    }

    #[test]
    fn changed_bytes(n in 1..6_u32, items in vec(any::<i32>(), 0..9), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let mut bytes = chain(n, &items);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check_any_bytes(&bytes);
    }
}
