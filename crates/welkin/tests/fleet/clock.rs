//! Clocks that a test sets, for the processes that it starts: a small library beside the C library
//! (`clock_step.c`), as no test may set the machine's.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

/// The clocks of all processes that were started with its environment.
pub struct Clock {
    file: File,
    environment: Vec<(String, String)>,
}

impl Clock {
    /// Shows the machine's time until it is set. Keeps its files in `folder`.
    pub fn new(folder: &Path, name: &str) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fleet/clock_step.c");
        let library = folder.join("clock_step.so");
        if !library.exists() {
            // What links Rust programs compiles C too.
            let compiled = Command::new("cc")
                .args(["-shared", "-fPIC", "-O1", "-o"])
                .args([&library, &source])
                .status();
            assert!(compiled.is_ok_and(|status| status.success()), "cc works");
        }
        let path = folder.join(name);
        fs::write(&path, [0; 16]).expect("files can be made");
        let file = File::options()
            .write(true)
            .open(&path)
            .expect("it was just made");
        let word = |path: &Path| path.to_str().expect("a plain path").to_owned();
        Self {
            file,
            environment: vec![
                ("LD_PRELOAD".to_owned(), word(&library)),
                ("WELKIN_TEST_CLOCK".to_owned(), word(&path)),
            ],
        }
    }

    /// For who is to live by it.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.environment.clone()
    }

    /// The time of day is so many seconds off from now on.
    pub fn set(&self, seconds: i64) {
        self.write(0, seconds);
    }

    /// So much more has gone by than has.
    pub fn pass(&self, seconds: i64) {
        self.write(8, seconds);
    }

    fn write(&self, at: u64, seconds: i64) {
        // In place: it is mapped.
        let written = self.file.write_all_at(&seconds.to_ne_bytes(), at);
        written.expect("it can be written");
    }
}
