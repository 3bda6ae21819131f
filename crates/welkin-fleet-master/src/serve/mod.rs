//! The process of the master: its folder, its listeners, and the tasks that connect them with the core.

mod agent;
mod certificates;
mod client;
mod end;
mod engine;
mod office;
mod outbox;
mod page;
pub(crate) mod persist;

use std::fs::{DirBuilder, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use welkin_fleet_model::wire::Purpose;
use welkin_fleet_store::{Store, StoreError, View};
use welkin_fleet_trust::{Authority, FleetSecret, Gate, GateOptions, Link, Witness};

use crate::arguments::{Arguments, Port};
use crate::core::{Fleet, Input, Now};
use crate::desk::Desk;
use crate::log;
use certificates::Certificates;

pub(crate) use end::end;
pub(crate) use engine::Event;
pub(crate) use office::{Client, Office};
pub(crate) use outbox::Out;

/// Events that wait for the core.
const EVENTS: usize = 8192;
/// How often the newest record of the audit log is written to the log, and when first: a master that is
/// killed young has left something to compare with.
const HEAD: Duration = Duration::from_secs(3600);
const HEAD_FIRST: Duration = Duration::from_secs(60);

/// Runs the master until a signal or `--end`.
pub(crate) fn run(arguments: Arguments) -> Result<(), String> {
    let _ = rustix::thread::set_name(c"wk-master");
    let dir = folder(&arguments.dir)?;
    let lock = lock(&dir)?;
    let store = Arc::new(Store::open(&dir).map_err(|error| error.to_string())?);
    let records = Arc::new(Certificates(store.clone()));
    let authority = Authority::open(&dir, records)?;
    let secret = arguments
        .secret
        .as_deref()
        .map(FleetSecret::load)
        .transpose()?;
    tidy_up(&dir);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    let ended = runtime.block_on(serve(&arguments, dir, store, authority, secret))?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    if ended {
        write_lock(&lock, "ended");
    }
    Ok(())
}

fn folder(dir: &Path) -> Result<PathBuf, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", dir.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(fail)?;
    dir.canonicalize().map_err(fail)
}

/// One master in a folder. The lock's file says who: a number, or `ended` after `--end`.
fn lock(dir: &Path) -> Result<File, String> {
    let path = dir.join("lock");
    let mut options = File::options();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    let mut file = options
        .open(&path)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    if file.try_lock().is_err() {
        let mut who = String::new();
        let _ = file.read_to_string(&mut who);
        return Err(format!(
            "another master (pid {}) runs in {}",
            who.trim(),
            dir.display()
        ));
    }
    write_lock(&file, &std::process::id().to_string());
    Ok(file)
}

fn write_lock(mut file: &File, text: &str) {
    let written = file
        .rewind()
        .and_then(|()| file.set_len(0))
        .and_then(|()| file.write_all(text.as_bytes()));
    if let Err(error) = written {
        log::line(&format!("lock: {error}"));
    }
}

/// What an earlier master left half done.
fn tidy_up(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("upload-") {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    let releases = dir.join("releases");
    if releases.is_dir()
        && let Err(error) = welkin_fleet_release::clean(&releases)
    {
        log::line(&format!("{}: {error}", releases.display()));
    }
}

/// `true`: it was ended by `--end`.
async fn serve(
    arguments: &Arguments,
    dir: PathBuf,
    store: Arc<Store>,
    authority: Arc<Authority>,
    secret: Option<FleetSecret>,
) -> Result<bool, String> {
    let (events, inbox) = mpsc::channel(EVENTS);
    let (changed, watcher) = watch::channel(0);
    let office = Office::new(store.clone(), dir.clone());
    let began = Instant::now();
    let fleet = begin(&store, began)?;
    let engine = engine::Engine::new(fleet, &store, &office, inbox, began, changed);
    let engine = tokio::spawn(engine.run());
    let (end, mut ended) = watch::channel(false);
    let desk = Arc::new(Desk {
        store: store.clone(),
        authority: authority.clone(),
        office: office.clone(),
        events: events.clone(),
        dir: dir.clone(),
        end,
    });
    let options = GateOptions {
        secret,
        ..GateOptions::default()
    };
    let gate = Gate::new(authority.clone(), Arc::new(Doorman(store.clone())), options);
    let (links, arriving) = mpsc::channel(64);
    listen(arguments, &dir, &gate, links).await?;
    tokio::spawn(receive(
        arriving,
        office,
        desk,
        authority.clone(),
        events.clone(),
    ));
    page::open(
        arguments,
        &dir,
        events.clone(),
        store.clone(),
        &authority,
        watcher,
    )
    .await?;
    log::line(&format!(
        "fleet master {} in {}",
        env!("CARGO_PKG_VERSION"),
        dir.display()
    ));
    say_head(&store);
    let by_command = wait(&store, &mut ended).await?;
    // Answers that are on their way, the one to `--end` among them.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _ = events.send(Event::End).await;
    let _ = engine.await;
    say_head(&store);
    let _ = std::fs::remove_file(dir.join("fleet.sock"));
    Ok(by_command)
}

/// The core, with all that the store has.
fn begin(store: &Store, began: Instant) -> Result<Fleet, String> {
    let beginning = persist::load(store)?;
    let now = Now {
        mono_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(0) + 1,
        unix_ms: log::unix_ms(),
    };
    let mut fleet = Fleet::new(now, beginning.plan, beginning.loaded);
    for release in beginning.releases {
        fleet.handle(now, Input::Release(release));
    }
    for secret in beginning.secrets {
        fleet.handle(now, Input::Secret(secret, true));
    }
    if store.look(|look| look.restored()).ok().flatten().is_some() {
        log::line("this state comes from a backup: revocations made since then must be repeated");
        let forgotten = store.change(|to| to.forget_restored());
        forgotten.map_err(|error: StoreError| error.to_string())?;
    }
    Ok(fleet)
}

async fn listen(
    arguments: &Arguments,
    dir: &Path,
    gate: &Arc<Gate>,
    links: mpsc::Sender<Link>,
) -> Result<(), String> {
    let path = dir.join("fleet.sock");
    let _ = std::fs::remove_file(&path);
    let local =
        UnixListener::bind(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, mode)
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let (door, out) = (gate.clone(), links.clone());
    tokio::spawn(async move { door.serve_local(local, out).await });
    let Some(listener) = bind("--listen", arguments.listen).await? else {
        return Ok(());
    };
    let address = listener
        .local_addr()
        .map_err(|error| format!("--listen: {error}"))?;
    log::line(&format!("agents and clients connect to {address}"));
    let door = gate.clone();
    tokio::spawn(async move { door.serve(listener, links).await });
    Ok(())
}

/// Opens a port; none: it is off, or it is a usual one that somebody else has.
async fn bind(name: &str, port: Port) -> Result<Option<TcpListener>, String> {
    let (address, must) = match port {
        Port::Off => return Ok(None),
        Port::At(address) => (address, true),
        Port::Usual(address) => (address, false),
    };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if must => Err(format!("{name} {address}: {error}")),
        Err(error) => {
            log::line(&format!("{name} {address} is off: {error}"));
            Ok(None)
        }
    }
}

async fn receive(
    mut arriving: mpsc::Receiver<Link>,
    office: Arc<Office>,
    desk: Arc<Desk>,
    authority: Arc<Authority>,
    events: mpsc::Sender<Event>,
) {
    while let Some(link) = arriving.recv().await {
        match link.purpose() {
            Purpose::Agent => {
                tokio::spawn(agent::serve(
                    link,
                    office.clone(),
                    authority.clone(),
                    events.clone(),
                ));
            }
            _ => {
                tokio::spawn(client::serve(
                    link,
                    office.clone(),
                    desk.clone(),
                    events.clone(),
                ));
            }
        }
    }
}

/// Until somebody wants the end. `true`: by a command.
async fn wait(store: &Arc<Store>, ended: &mut watch::Receiver<bool>) -> Result<bool, String> {
    let fail = |error: std::io::Error| format!("signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
    // Nobody's terminal: a session that ends is no reason to.
    let _hangup = signal(SignalKind::hangup()).map_err(fail)?;
    let first = tokio::time::Instant::now() + HEAD_FIRST;
    let mut hour = tokio::time::interval_at(first, HEAD);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(false),
            _ = interrupt.recv() => return Ok(false),
            changed = ended.changed() => if changed.is_err() || *ended.borrow() { return Ok(true) },
            _ = hour.tick() => say_head(store),
        }
    }
}

/// The audit log's newest record, so that a chain which is rewritten as a whole is noticed.
fn say_head(store: &Store) {
    match store.look(|look| look.audit_head()) {
        Ok(head) if head.number == 0 => {}
        Ok(head) => log::line(&format!("audit {head}")),
        Err(error) => log::line(&error.to_string()),
    }
}

/// Writes down what happens at the door.
struct Doorman(Arc<Store>);

impl Witness for Doorman {
    fn log(&self, line: &str) {
        log::line(line);
    }

    fn enrolment(&self, name: &str, role: &str, from: &str, by: &str, result: Result<&str, &str>) {
        let result = match result {
            Ok(_) => "done".to_owned(),
            Err(why) => format!("refused: {why}"),
        };
        log::line(&format!(
            "enrolment of {role} {name} from {from} by {by}: {result}"
        ));
        let asked = crate::core::Asked {
            unix_ms: log::unix_ms(),
            who: name.to_owned(),
            from: from.to_owned(),
            command: format!("enrol --role {role} (by {by})"),
            target: name.to_owned(),
            result,
        };
        let store = self.0.clone();
        // It may be told on a thread that must not wait for a disk.
        std::thread::spawn(move || {
            let written = store.change(|to| to.audit(persist::audit(&asked)).map(drop));
            if let Err(error) = written.map_err(|error: StoreError| error.to_string()) {
                log::line(&error);
            }
        });
    }
}
