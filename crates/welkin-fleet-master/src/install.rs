//! `--install`: a systemd unit that starts the master again whatever happens.

use std::path::Path;

use welkin_fleet_model::unit::Service;

use crate::arguments::{Arguments, Port};

/// Writes the unit; says what to do next.
pub(crate) fn write(arguments: &Arguments) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let folder = std::env::current_dir().map_err(|error| format!("working folder: {error}"))?;
    let service = Service {
        name: "welkin-master",
        description: "Welkin fleet master",
        words: words(&program, &folder, arguments)?,
        folder: &folder,
        lines: &["LimitNOFILE=65536"],
        root: rustix::process::geteuid().is_root(),
    };
    let (path, text) = (service.path(std::env::var_os("HOME"))?, service.text()?);
    let anew = !std::fs::read_to_string(&path).is_ok_and(|before| before == text);
    let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    made.and_then(|()| std::fs::write(&path, text))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{}", service.next(&path, anew));
    Ok(())
}

/// The command line, with paths that lead from anywhere.
fn words(program: &Path, folder: &Path, arguments: &Arguments) -> Result<Vec<String>, String> {
    let text = |path: &Path| {
        let path = folder.join(path);
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| format!("{} is not UTF-8 and cannot stand in a unit", path.display()))
    };
    let mut words = vec![text(program)?];
    words.extend(["fleet", "master", "--dir"].map(str::to_owned));
    words.push(text(&arguments.dir)?);
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    for (name, port) in [("--listen", arguments.listen), ("--http", arguments.http)] {
        match port {
            Port::Usual(_) => {}
            Port::At(address) => option(name, address.to_string()),
            Port::Off => option(name, "off".to_owned()),
        }
    }
    for host in &arguments.http_hosts {
        option("--http-host", host.clone());
    }
    for (name, path) in [
        ("--http-token-file", &arguments.http_token),
        ("--secret-file", &arguments.secret),
    ] {
        if let Some(path) = path {
            option(name, text(path)?);
        }
    }
    if arguments.http_tls {
        words.push("--http-tls".to_owned());
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_starts_what_was_asked_for() {
        let arguments = Arguments {
            dir: "state".into(),
            listen: Port::At(([0, 0, 0, 0], 7951).into()),
            ..Arguments::default()
        };
        let words = words(Path::new("/bin/welkin"), Path::new("/srv"), &arguments).unwrap();
        let line = "/bin/welkin fleet master --dir /srv/state --listen 0.0.0.0:7951";
        assert_eq!(words.join(" "), line);
    }
}
