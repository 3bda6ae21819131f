//! The systemd units that `--install` writes: their text, where they belong, and what to do then.
//!
//! Root gets a unit of the system, everybody else one of his own user manager. `WorkingDirectory=` and
//! `ExecStart=` have rules of their own for `%`, `$`, quotes and blanks (systemd.unit(5),
//! systemd.service(5)); a path with a line break stands in no unit.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A process that is to run for good.
#[derive(Clone, Debug)]
pub struct Service<'a> {
    /// Without `.service`.
    pub name: &'a str,
    /// For people.
    pub description: &'a str,
    /// Program, an absolute path, and its arguments.
    pub words: Vec<String>,
    /// Where it is started.
    pub folder: &'a Path,
    /// Further lines of its `[Service]`.
    pub lines: &'a [&'a str],
    /// It is root's.
    pub root: bool,
}

impl Service<'_> {
    /// The unit.
    pub fn text(&self) -> Result<String, String> {
        let words: Result<Vec<String>, String> = self.words.iter().map(|w| quoted(w)).collect();
        let folder = self.folder.to_string_lossy();
        if folder.contains('\n') {
            return Err(format!("{folder:?} cannot stand in a unit"));
        }
        let lines: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        Ok(format!(
            "[Unit]\n\
             Description={}\n\
             Wants=network-online.target\n\
             After=network-online.target\n\
             StartLimitIntervalSec=0\n\
             \n\
             [Service]\n\
             ExecStart={}\n\
             WorkingDirectory={}\n\
             Restart=always\n\
             RestartSec=1\n\
             {lines}\
             \n\
             [Install]\n\
             WantedBy={}\n",
            self.description,
            words?.join(" "),
            folder.replace('%', "%%"),
            if self.root {
                "multi-user.target"
            } else {
                "default.target"
            },
        ))
    }

    /// Where the unit belongs; `home` is the user's.
    pub fn path(&self, home: Option<OsString>) -> Result<PathBuf, String> {
        let folder = match self.root {
            true => PathBuf::from("/etc/systemd/system"),
            false => {
                let home = home.filter(|home| !home.is_empty());
                let home = home.ok_or("HOME is not set, so there is no place for a user's unit")?;
                Path::new(&home).join(".config/systemd/user")
            }
        };
        Ok(folder.join(format!("{}.service", self.name)))
    }

    /// What to do when the unit is at `path`; `anew`: it was not there as it is now.
    pub fn next(&self, path: &Path, anew: bool) -> String {
        let user = if self.root { "" } else { " --user" };
        let done = if anew {
            "written"
        } else {
            "is there already, as it should be"
        };
        let mut text = format!(
            "{} {done}. Enable it with:\n  systemctl{user} daemon-reload && systemctl{user} enable --now {}",
            path.display(),
            self.name
        );
        if !self.root {
            text.push_str("\nSo that it runs without a login too: loginctl enable-linger");
        }
        text
    }
}

/// A word of `ExecStart`, as systemd reads it.
fn quoted(word: &str) -> Result<String, String> {
    if word.contains('\n') {
        return Err(format!("{word:?} cannot stand in a unit"));
    }
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        return Ok(word.to_owned());
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(format!(
        "\"{}\"",
        escaped.replace('%', "%%").replace('$', "$$")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(words: &[&str]) -> Service<'static> {
        Service {
            name: "welkin-x",
            description: "X",
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            folder: Path::new("/srv/100%"),
            lines: &["KillMode=process"],
            root: false,
        }
    }

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        assert_eq!(quoted("/a/b-1").unwrap(), "/a/b-1");
        assert_eq!(quoted("a b\"$%").unwrap(), "\"a b\\\"$$%%\"");
        assert!(quoted("a\nb").is_err());
    }

    #[test]
    fn a_unit_starts_what_was_asked_for() {
        let text = service(&["/opt/a b/welkin", "fleet"]).text().unwrap();
        assert!(
            text.contains("ExecStart=\"/opt/a b/welkin\" fleet\n"),
            "{text}"
        );
        assert!(text.contains("WorkingDirectory=/srv/100%%\n"), "{text}");
        assert!(text.contains("\nKillMode=process\n\n[Install]"), "{text}");
    }

    #[test]
    fn a_user_has_units_of_his_own() {
        let own = service(&[]);
        let path = own.path(Some("/srv/anna".into())).unwrap();
        assert_eq!(
            path,
            Path::new("/srv/anna/.config/systemd/user/welkin-x.service")
        );
        assert!(own.path(None).unwrap_err().contains("HOME"));
        assert!(
            own.next(&path, true)
                .contains("systemctl --user enable --now welkin-x")
        );
    }
}
