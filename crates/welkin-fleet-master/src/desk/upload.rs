//! What a client uploads, on its way to a file of the master's folder.

use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// Bytes of one upload: a release is at most 4 GiB unpacked, and archives are smaller.
const UPLOAD_MAX: u64 = 8 << 30;

/// See the file. The file is removed when this is dropped.
pub(crate) struct Upload {
    path: PathBuf,
    state: Result<(File, u64), String>,
}

impl Upload {
    pub(crate) async fn open(dir: &Path, call: u64) -> Self {
        let path = dir.join(format!("upload-{call}.part"));
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        let opened = options.open(&path).await;
        let state = opened
            .map(|file| (file, 0))
            .map_err(|error| format!("{}: {error}", path.display()));
        Self { path, state }
    }

    pub(crate) async fn piece(&mut self, data: Vec<u8>) {
        let Ok((file, written)) = &mut self.state else {
            return;
        };
        *written += data.len() as u64;
        if *written > UPLOAD_MAX {
            self.state = Err(format!("an upload may have {UPLOAD_MAX} bytes"));
        } else if let Err(error) = file.write_all(&data).await {
            self.state = Err(format!("{}: {error}", self.path.display()));
        }
    }

    /// The whole file.
    pub(crate) async fn finish(&mut self) -> Result<&Path, String> {
        match &mut self.state {
            Ok((file, _)) => file
                .flush()
                .await
                .map_err(|error| format!("{}: {error}", self.path.display()))?,
            Err(why) => return Err(why.clone()),
        }
        Ok(&self.path)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
