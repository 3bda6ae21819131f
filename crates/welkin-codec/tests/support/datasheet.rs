//! What must hold of any bytes that are taken for a sheet.

use welkin_codec::datasheet::{Sheet, Value};

/// They are refused, or every table can be read to its end and leads to tables that have a number.
pub fn check_any_bytes(bytes: &[u8]) {
    let Ok(sheet) = Sheet::new(bytes) else {
        return;
    };
    for number in 0..sheet.tables() {
        let (items, fields) = sheet.counts(number);
        let Some(table) = sheet.table(number) else {
            continue;
        };
        let mut count = 0;
        for (_, value) in table {
            count += 1;
            if let Value::Table(below) = value {
                assert!(below < sheet.tables());
            }
        }
        assert_eq!(count, items as usize + fields as usize);
    }
    assert!(sheet.table(sheet.tables()).is_none());
}
