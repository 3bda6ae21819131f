//! The start of a node, in the order that programs and tools know: logger `:00000001`, bootstrap
//! `:00000002`, then the workers; nothing runs Lua before them.
//!
//! Modules that the program has built in are registered first, so they win over files of `cpath`.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use welkin_cluster::harbor::HarborModule;
use welkin_drivers::sqlite::SqliteModule;
use welkin_lua::hooks::Hooks;
use welkin_net::Net;
use welkin_runtime::{Address, Node};

use crate::config::Config;
use crate::control::{Claim, Control};
use crate::crash;
use crate::daemon::{self, Daemon, Role};
use crate::dump::Dumps;
use crate::failure::{FAILED, Failure};
use crate::fleet::FleetModule;
use crate::gate::GateModule;
use crate::logger::{LoggerModule, Writers};
use crate::os;
use crate::signals;

/// How long a boot that failed waits for its log lines.
const LAST_LINES_MS_MAX: u64 = 1_000;

/// Key of the environment by which a program's start can ask for an exit status other than 0.
const EXIT_STATUS: &[u8] = b"welkin_exit_status";

/// Runs a node to its end and gives the exit status. Failures of the boot go to standard error.
///
/// Only while the process has one thread, as the node may go into the background by a fork.
pub fn run(config: &Config) -> u8 {
    for notice in &config.notices {
        eprintln!("welkin: {notice}");
    }
    signals::prepare();
    os::process::raise_open_files();
    let mut background = match config.daemon.as_deref().map(daemon::enter).transpose() {
        Ok(Some(Role::Front(status))) => return status,
        Ok(Some(Role::Back(daemon))) => Some(daemon),
        Ok(None) => None,
        Err(failure) => return failure.report(),
    };
    let (node, control) = match start(config, background.as_mut()) {
        Ok(started) => started,
        Err(failure) => {
            let status = failure.report();
            if let Some(daemon) = background {
                daemon.leave();
            }
            return status;
        }
    };
    let began = Instant::now();
    node.run();
    control.release();
    if let Some(daemon) = background {
        daemon.leave();
    }
    await_feeder(began);
    control.status().unwrap_or_else(|| exit_status(&node))
}

/// Who feeds a node's standard input through a pipe may still be about to write in the node's first
/// second, and a node that has ended by then would break that pipe under its hands. On skynet nobody
/// ever saw that, as its end takes up to a second; here the end waits that second out.
fn await_feeder(began: Instant) {
    use std::os::unix::fs::FileTypeExt;
    let piped = std::fs::metadata("/dev/stdin").is_ok_and(|input| input.file_type().is_fifo());
    if piped {
        thread::sleep(FEEDER_GRACE.saturating_sub(began.elapsed()));
    }
}

fn exit_status(node: &Node) -> u8 {
    let text = node.env_get(EXIT_STATUS).unwrap_or_default();
    let text = String::from_utf8(text).unwrap_or_default();
    text.parse().unwrap_or(0)
}

/// See [`await_feeder`].
const FEEDER_GRACE: Duration = Duration::from_millis(1000);

/// Builds the node up to the point where its workers can start.
fn start(
    config: &Config,
    background: Option<&mut Daemon>,
) -> Result<(Arc<Node>, Arc<Control>), Failure> {
    // With huge pages a node at rest takes twice the memory, and what services leave behind when they end
    // is rounded up to 2 MiB again and again. Where the kernel refuses, it is as it was.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    // Until the node serves it, the socket goes with a boot that fails.
    let claim = config.control.as_deref().map(Claim::take).transpose()?;
    let net = Net::new().map_err(|error| {
        Failure::new(
            FAILED,
            format_args!(
                "cannot set up sockets: {error}. Look at the limits of open files (ulimit -n)"
            ),
        )
    })?;
    let node = build(config, &net);
    crash::watch(&config.crash_dir);
    let (writers, hooks) = (Arc::new(Writers::default()), Arc::new(Hooks::default()));
    register_modules(&node, config, &net, &writers, &hooks);
    let control = Control::new(&node, &net, &hooks, &writers, config);
    let fleet = FleetModule::new(config.fleet.clone(), &control);
    node.register_module("fleet", Arc::new(fleet));
    signals::handle(&node, &control)
        .map_err(|error| Failure::new(FAILED, format_args!("cannot handle signals: {error}")))?;
    launch_logger(&node, config, &writers)?;
    control.launched(launch_bootstrap(&node, config, &writers)?);
    if let Some(claim) = claim {
        control.serve(claim).map_err(no_thread)?;
    }
    if let Some(agent) = std::env::var_os("WELKIN_CONTROL") {
        control.answer_agent(Path::new(&agent)).map_err(no_thread)?;
    }
    if let Some(daemon) = background {
        daemon.booted().inspect_err(|_| control.release())?;
    }
    Ok((node, control))
}

fn no_thread(error: io::Error) -> Failure {
    Failure::new(
        FAILED,
        format_args!(
            "cannot answer on the control socket: {error}. Look at the system's limits of threads and open files"
        ),
    )
}

/// The node without any service.
fn build(config: &Config, net: &Arc<Net>) -> Arc<Node> {
    let node = Node::builder()
        .workers(config.workers)
        .harbor(config.harbor)
        .profile(config.profile)
        .preempt_ms(config.preempt_ms)
        .slow_ms(config.slow_ms)
        .mailbox_max(config.mailbox_max)
        .driver(net.clone())
        .tap_factory(Box::new(Dumps))
        .tidy(welkin_lua::give_back)
        .build();
    for (key, value) in &config.environment {
        // The keys of a map are all different, and nobody has set one before.
        let _ = node.env_set(key, value);
    }
    node
}

/// What services can be made of.
fn register_modules(
    node: &Arc<Node>,
    config: &Config,
    net: &Arc<Net>,
    writers: &Arc<Writers>,
    hooks: &Arc<Hooks>,
) {
    node.register_module(
        "logger",
        Arc::new(LoggerModule(Arc::clone(writers), config.log_format)),
    );
    node.register_module("harbor", Arc::new(HarborModule::new(Arc::clone(net))));
    node.register_module("gate", Arc::new(GateModule(Arc::clone(net))));
    node.register_module("sqlite", Arc::new(SqliteModule));
    welkin_cluster::register(node, net);
    let options = lua_options(config, hooks);
    welkin_lua::register(node, options, Arc::clone(net));
}

fn lua_options(config: &Config, hooks: &Arc<Hooks>) -> welkin_lua::Options {
    welkin_lua::Options {
        memory_max: config.memory_max_mb << 20,
        call_timeout_ms: config.call_timeout_ms,
        slow_ns: u64::from(config.slow_ms) * 1_000_000,
        library: config.library.clone(),
        hooks: Arc::clone(hooks),
    }
}

fn launch_logger(node: &Arc<Node>, config: &Config, writers: &Writers) -> Result<(), Failure> {
    let module = text(config, "logservice");
    let argument = text(config, "logger");
    let Some(address) = node.launch(module.as_bytes(), argument.as_bytes()) else {
        let reason = writers
            .take_failure()
            .unwrap_or_else(|| format!("there is no native module {module}"));
        return Err(Failure::known(
            format!("Can't launch {module} service"),
            format_args!(
                "the log cannot be written: {reason}. Correct the config keys logger (its file) and logservice (logger, or snlua for one of your own)"
            ),
        ));
    };
    node.name_register(b"logger", address);
    Ok(())
}

fn launch_bootstrap(
    node: &Arc<Node>,
    config: &Config,
    writers: &Writers,
) -> Result<Address, Failure> {
    let line = text(config, "bootstrap");
    let (module, argument) = line.split_once(' ').unwrap_or((&line, ""));
    if let Some(address) = node.launch(module.as_bytes(), argument.as_bytes()) {
        return Ok(address);
    }
    node.log(Address::NONE, format!("Bootstrap error : {line}\n"));
    // The line is a message like any other: the logger needs a worker to write it.
    let workers = Arc::clone(node);
    thread::spawn(move || workers.run());
    writers.drain(node, Duration::from_millis(LAST_LINES_MS_MAX));
    Err(Failure::new(
        FAILED,
        format_args!(
            "cannot launch the first service \"{line}\": config key bootstrap names a native module and its argument, usually snlua bootstrap"
        ),
    ))
}

fn text(config: &Config, key: &str) -> String {
    let value = config.environment.get(key.as_bytes());
    value.map_or_else(String::new, |value| {
        String::from_utf8_lossy(value).into_owned()
    })
}
