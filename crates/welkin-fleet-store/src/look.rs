//! A look at the state as it was acknowledged, and the few ways in which all reading is done.

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use crate::error::StoreError;
use crate::tables::{Documents, Log};

type Result<T> = std::result::Result<T, StoreError>;

/// What a log's reader is given: number and bytes; `false` ends the reading.
pub type Each<'a> = &'a mut dyn FnMut(u64, &[u8]) -> Result<bool>;
/// What a reader of documents is given: key and bytes.
pub type EachDocument<'a> = &'a mut dyn FnMut(&str, &[u8]) -> Result<()>;
/// What a reader of a whole log is given: subject, number and bytes.
pub type EachRecord<'a> = &'a mut dyn FnMut(&str, u64, &[u8]) -> Result<()>;

/// Reading of tables, by a look or within a change. Not for other crates: they use [`crate::View`].
pub trait Raw {
    #[doc(hidden)]
    fn get(&self, table: Documents, key: &str) -> Result<Option<Vec<u8>>>;
    #[doc(hidden)]
    fn all(&self, table: Documents, each: EachDocument<'_>) -> Result<()>;
    #[doc(hidden)]
    fn forwards(&self, table: Log, subject: &str, each: Each<'_>) -> Result<()>;
    #[doc(hidden)]
    fn backwards(&self, table: Log, subject: &str, each: Each<'_>) -> Result<()>;
    #[doc(hidden)]
    fn whole_log(&self, table: Log, each: EachRecord<'_>) -> Result<()>;
}

/// One snapshot. Changes go on meanwhile.
pub struct Look(pub(crate) ReadTransaction);

/// The two transactions differ in the type of their tables alone.
macro_rules! raw {
    ($view:ty, $txn:ident) => {
        impl Raw for $view {
            fn get(&self, table: Documents, key: &str) -> Result<Option<Vec<u8>>> {
                let table = self.$txn().open_table(table)?;
                Ok(table.get(key)?.map(|value| value.value().to_vec()))
            }

            fn all(&self, table: Documents, each: EachDocument<'_>) -> Result<()> {
                let table = self.$txn().open_table(table)?;
                for row in table.iter()? {
                    let (key, value) = row?;
                    each(key.value(), value.value())?;
                }
                Ok(())
            }

            fn forwards(&self, table: Log, subject: &str, each: Each<'_>) -> Result<()> {
                let table = self.$txn().open_table(table)?;
                for row in table.range((subject, 0)..=(subject, u64::MAX))? {
                    let (key, value) = row?;
                    if !each(key.value().1, value.value())? {
                        break;
                    }
                }
                Ok(())
            }

            fn backwards(&self, table: Log, subject: &str, each: Each<'_>) -> Result<()> {
                let table = self.$txn().open_table(table)?;
                for row in table.range((subject, 0)..=(subject, u64::MAX))?.rev() {
                    let (key, value) = row?;
                    if !each(key.value().1, value.value())? {
                        break;
                    }
                }
                Ok(())
            }

            fn whole_log(&self, table: Log, each: EachRecord<'_>) -> Result<()> {
                let table = self.$txn().open_table(table)?;
                for row in table.iter()? {
                    let (key, value) = row?;
                    let (subject, number) = key.value();
                    each(subject, number, value.value())?;
                }
                Ok(())
            }
        }
    };
}

impl Look {
    fn txn(&self) -> &ReadTransaction {
        &self.0
    }
}

impl crate::Change {
    fn txn(&self) -> &WriteTransaction {
        &self.txn
    }
}

raw!(Look, txn);
raw!(crate::Change, txn);
