//! `--install`: a systemd unit that starts the master again whatever happens.

use std::path::Path;

use crate::arguments::{Arguments, Port};

const UNIT: &str = "/etc/systemd/system/welkin-fleet-master.service";

/// Writes the unit; says what to do next.
pub(crate) fn write(arguments: &Arguments) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let dir = std::path::absolute(&arguments.dir).map_err(|error| format!("--dir: {error}"))?;
    let text = unit(&program, &dir, arguments)?;
    std::fs::write(UNIT, text).map_err(|error| format!("{UNIT}: {error}"))?;
    println!(
        "wrote {UNIT}; now: systemctl daemon-reload && systemctl enable --now welkin-fleet-master"
    );
    Ok(())
}

fn unit(program: &Path, dir: &Path, arguments: &Arguments) -> Result<String, String> {
    let mut words = vec![
        quoted(program)?,
        "fleet".to_owned(),
        "master".to_owned(),
        "--dir".to_owned(),
        quoted(dir)?,
    ];
    let mut option = |name: &str, value: &str| -> Result<(), String> {
        words.push(name.to_owned());
        words.push(quoted(Path::new(value))?);
        Ok(())
    };
    for (name, port) in [("--listen", arguments.listen), ("--http", arguments.http)] {
        match port {
            Port::Usual(_) => {}
            Port::At(address) => option(name, &address.to_string())?,
            Port::Off => option(name, "off")?,
        }
    }
    for host in &arguments.http_hosts {
        option("--http-host", host)?;
    }
    for (name, path) in [
        ("--http-token-file", &arguments.http_token),
        ("--secret-file", &arguments.secret),
    ] {
        if let Some(path) = path {
            let path = std::path::absolute(path).map_err(|error| format!("{name}: {error}"))?;
            option(name, path.to_str().ok_or("a path is not text")?)?;
        }
    }
    if arguments.http_tls {
        words.push("--http-tls".to_owned());
    }
    Ok(format!(
        "[Unit]\nDescription=Welkin fleet master\nAfter=network-online.target\nWants=network-online.target\n\n\
         [Service]\nExecStart={}\nRestart=always\nRestartSec=1\nLimitNOFILE=65536\n\n\
         [Install]\nWantedBy=multi-user.target\n",
        words.join(" ")
    ))
}

/// For a unit: `%` and `$` mean something there, blanks part words.
fn quoted(path: &Path) -> Result<String, String> {
    let text = path
        .to_str()
        .filter(|text| !text.contains(['\n', '"', '\\']));
    let text = text.ok_or_else(|| format!("{} cannot stand in a unit", path.display()))?;
    let text = text.replace('%', "%%").replace('$', "$$");
    Ok(if text.contains(char::is_whitespace) {
        format!("\"{text}\"")
    } else {
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_starts_what_was_asked_for() {
        let arguments = Arguments {
            listen: Port::At(([0, 0, 0, 0], 7951).into()),
            ..Arguments::default()
        };
        let unit = unit(
            Path::new("/opt/a b/welkin"),
            Path::new("/srv/100%"),
            &arguments,
        )
        .unwrap();
        let line =
            r#"ExecStart="/opt/a b/welkin" fleet master --dir /srv/100%% --listen 0.0.0.0:7951"#;
        assert!(unit.contains(line), "{unit}");
        assert!(unit.contains("Restart=always"));
    }
}
