//! Where paths of the fleet file may lead.
//!
//! What a fleet file says comes from whoever may change it at the master; an agent's machine holds more
//! than the fleet. So such paths stay below the release, the folder in which the agent was started, the
//! agent's own, or what `--allow-path` named. Links are followed before that is judged.

use std::fs;
use std::path::{Path, PathBuf};

/// The places, each as the system resolves it.
#[derive(Clone, Debug)]
pub struct Allowed {
    roots: Vec<PathBuf>,
}

impl Allowed {
    /// Places that are not there are an error, as they are the operator's own words.
    pub fn new(places: &[PathBuf]) -> Result<Self, String> {
        let resolve = |place: &PathBuf| {
            fs::canonicalize(place).map_err(|error| format!("{}: {error}", place.display()))
        };
        let roots = places.iter().map(resolve).collect::<Result<_, _>>()?;
        Ok(Self { roots })
    }

    /// The path that `path` of the fleet file means, seen from `base`; it must be there.
    pub fn resolve(&self, what: &str, base: &Path, path: &str) -> Result<PathBuf, String> {
        let full = base.join(path);
        let resolved =
            fs::canonicalize(&full).map_err(|error| format!("{what} {path}: {error}"))?;
        if self.roots.iter().any(|root| resolved.starts_with(root)) {
            return Ok(resolved);
        }
        Err(format!(
            "{what} {path} leads to {}, which is not below the release or the agent's folder; \
             the agent takes it when started with --allow-path",
            resolved.display()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_dots_nor_links_lead_out() {
        let dir = std::env::temp_dir().join(format!("welkin-paths-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(dir.join("in/sub")).unwrap();
        fs::create_dir_all(dir.join("inner")).unwrap();
        std::os::unix::fs::symlink("../inner", dir.join("in/link")).unwrap();
        let root = dir.join("in");
        let allowed = Allowed::new(std::slice::from_ref(&root)).unwrap();
        assert!(allowed.resolve("dir", &root, "sub").is_ok());
        assert!(allowed.resolve("dir", &root, "sub/..").is_ok());
        for out in ["..", "../inner", "link", "/etc"] {
            let error = allowed.resolve("dir", &root, out).unwrap_err();
            assert!(error.contains("--allow-path"), "{error}");
        }
        assert!(allowed.resolve("dir", &root, "nowhere").is_err());
        fs::remove_dir_all(&dir).unwrap();
    }
}
