//! Scripts that are run for real, in folders of their own.

use std::fs;
use std::path::PathBuf;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("wk-scripts-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn script(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    async fn run(&self, script: Script, node: Option<&str>, limit: Duration) -> io::Result<Ran> {
        run_within(&self.0, script, node, "game", &self.0.join("saved"), limit).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_script_has_its_argument_and_its_environment() {
    let folder = Folder::new("env");
    folder.script(
        "stop.sh",
        "echo $0 $1 $WELKIN_NODE $WELKIN_FLEET; pwd >&2; exit 3",
    );
    let ran = folder.run(Script::Stop, Some("n_1"), LIMIT).await.unwrap();
    let text = format!("./stop.sh n_1 n_1 game\n{}\n", folder.0.display());
    assert_eq!((ran.status, &ran.output, ran.timed_out), (3, &text, false));
    assert_eq!(fs::read_to_string(folder.0.join("saved")).unwrap(), text);
    assert_eq!(present(&folder.0), [Script::Stop]);
}

#[tokio::test]
async fn only_the_end_of_much_output_is_kept() {
    let folder = Folder::new("much");
    folder.script("update.sh", "seq 1 100000; echo over");
    let ran = folder.run(Script::Update, None, LIMIT).await.unwrap();
    assert_eq!(ran.output.len(), OUTPUT_MAX);
    assert!(ran.output.ends_with("99999\n100000\nover\n"));
}

#[tokio::test]
async fn a_script_that_takes_too_long_is_killed_with_its_group() {
    let folder = Folder::new("long");
    folder.script("update.sh", "echo begun; sleep 1000 & echo $! >pid; wait");
    let limit = Duration::from_millis(300);
    let ran = folder.run(Script::Update, None, limit).await.unwrap();
    assert!(ran.timed_out);
    assert_eq!(ran.status, 128 + 9);
    assert!(ran.output.starts_with("begun\n"));
    let pid = fs::read_to_string(folder.0.join("pid")).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z"), "{stat}");
}

#[tokio::test]
async fn what_a_script_leaves_running_holds_up_nobody() {
    let folder = Folder::new("left");
    folder.script("stop.sh", "sleep 3 & echo done");
    let ran = folder.run(Script::Stop, Some("n"), LIMIT).await.unwrap();
    assert_eq!((ran.status, ran.output.as_str()), (0, "done\n"));
}

#[tokio::test]
async fn a_script_that_is_not_there_is_named() {
    let folder = Folder::new("none");
    let error = folder.run(Script::Update, None, LIMIT).await.unwrap_err();
    assert!(error.to_string().starts_with("there is no update.sh in "));
}
