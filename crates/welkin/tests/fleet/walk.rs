//! The pages about the fleet, read and done: every command block, from top to bottom, in one shell.
//!
//! A block is expected to succeed, unless a line `<!-- status N -->` stands above it. Only the ports are
//! changed, as the test has some of its own.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::console::free_port;
use crate::processes::{self, Swept, wait_until};
use crate::support::root;

/// A command block of a page.
struct Block {
    text: String,
    status: i32,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut status = 0;
    let mut open: Option<String> = None;
    for line in page.lines() {
        match (&mut open, line) {
            (None, "```sh") => open = Some(String::new()),
            (None, _) => {
                if let Some(number) = line.strip_prefix("<!-- status ") {
                    let number = number.strip_suffix(" -->");
                    status = number
                        .and_then(|number| number.parse().ok())
                        .expect("a number");
                }
            }
            (Some(_), "```") => {
                let text = open.take().expect("it is open");
                blocks.push(Block { text, status });
                status = 0;
            }
            (Some(text), _) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    blocks
}

/// The blocks as one program for `sh -e`.
fn script(blocks: &[Block]) -> String {
    let mut script = String::from("set -eu\n");
    for (number, Block { text, status }) in blocks.iter().enumerate() {
        script.push_str(&format!("echo \"== block {}\"\n", number + 1));
        match status {
            0 => script.push_str(text),
            _ => script.push_str(&format!(
                "set +e\n(\nset -e\n{text})\nended=$?\nset -e\ntest $ended -eq {status}\n"
            )),
        }
    }
    script
}

/// The ports of the pages and of the example.
const PORTS: [&str; 6] = ["7947", "7950", "8000", "11888", "12888", "13888"];

/// The example that the pages use, with ports of this test.
fn copy_example(to: &Path, own: impl Fn(String) -> String) {
    fs::create_dir_all(to).expect("folders can be made");
    let example = root().join("examples/fleet_classic");
    for file in fs::read_dir(example).expect("it is there").flatten() {
        let to = to.join(file.file_name());
        // With its mode.
        fs::copy(file.path(), &to).expect("files can be copied");
        let text = fs::read_to_string(&to).expect("it is text");
        fs::write(&to, own(text)).expect("files can be written");
    }
}

fn walk(page: &Path) {
    let folder = Swept::new();
    let text = fs::read_to_string(page).expect("the page is there");
    let blocks = blocks(&text);
    assert!(blocks.len() > 5, "{} has no commands", page.display());
    let ports: Vec<_> = PORTS
        .iter()
        .map(|port| (*port, free_port().to_string()))
        .collect();
    let own = |text: String| {
        let replaced = ports.iter();
        replaced.fold(text, |text, (port, own)| text.replace(port, own))
    };
    folder.file("script", &own(script(&blocks)));
    copy_example(&folder.path().join("examples/fleet_classic"), own);
    let binary = Path::new(env!("CARGO_BIN_EXE_welkin"));
    let bin = binary
        .parent()
        .expect("a binary lies in a folder")
        .display();
    let path = std::env::var("PATH").unwrap_or_default();
    let is_root = rustix::process::geteuid().is_root();
    let work = folder.path().join("work");
    fs::create_dir(&work).expect("temporary folders can be made");
    let log = fs::File::create(folder.path().join("said")).expect("so can files");
    let status = Command::new("timeout")
        .args(["240", "sh", "../script"])
        .current_dir(&work)
        .env("PATH", format!("{bin}:{path}"))
        .env("ALLOW", if is_root { "--allow-user root" } else { "" })
        .env("EXAMPLES", folder.path().join("examples"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("it is open"))
        .stderr(log)
        .status()
        .expect("there is a shell");
    let said = folder.read("said");
    let logs = ["master.log", "agent.log"].map(|name| folder.read(&format!("work/{name}")));
    assert!(
        status.success(),
        "{status}\n{said}\nmaster: {}\nagent: {}",
        logs[0],
        logs[1]
    );
    // What was told to end has answered before it was gone.
    wait_until("nothing is left running", || {
        processes::of(folder.path()).is_empty()
    });
}

#[test]
fn the_page_can_be_walked_through() {
    walk(&root().join("docs/fleet.md"));
}

#[test]
fn the_chinese_page_has_the_same_commands() {
    let read =
        |name: &str| fs::read_to_string(root().join("docs").join(name)).expect("it is there");
    let commands = |name: &str| -> Vec<String> {
        blocks(&read(name))
            .into_iter()
            .map(|block| block.text)
            .collect()
    };
    assert_eq!(commands("fleet.md"), commands("fleet.zh-CN.md"));
}
