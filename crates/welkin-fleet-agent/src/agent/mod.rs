//! The agent's loop: everything that happens comes in as a [`Happened`], one after the other, and all of
//! the agent's state is changed here only. What may wait is done by tasks, which send what came of it.
//!
//! `nodes.rs` does what supervision decides (`starting.rs`, `talking.rs` the longer parts of it), `adopt.rs` finds what an agent before has left, `orders.rs`
//! keeps what is wanted on disk, `alone.rs` is the start order without a master, `hand.rs` nodes that were
//! started by hand, `beat.rs` the figures, `master.rs` what the master says, `asks/` what it asks for.

mod adopt;
mod alone;
mod asks;
mod beat;
mod hand;
mod master;
mod nodes;
mod orders;
mod starting;
mod talking;
pub(crate) mod upgrade;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use welkin_fleet_keeper::agent::Handle;
use welkin_fleet_keeper::cgroup::Cgroups;
use welkin_fleet_model::wire::agent::{FromAgent, Orders};
use welkin_fleet_trust::Sender;

use crate::clock::Clock;
use crate::control::client::Client;
use crate::control::listen::{self, Connected};
use crate::link::{self, News};
use crate::node::keeper::News as KeeperNews;
use crate::node::secrets::Secrets;
use crate::node::{Guard, Node};
use crate::settings::Settings;
use crate::supervise::{End, Event, Now};
use crate::{Outcome, say};

/// How often it is looked whether a beat is due; memory is watched at this pace.
const TICK: Duration = Duration::from_secs(1);
/// The same is noted again after that long; so many texts are known for that.
const NOTE_AGAIN_MS: u64 = 60_000;
const NOTED_MAX: usize = 200;

/// What comes into the loop.
pub(crate) enum Happened {
    /// An answer to a supervisor's action.
    Event(String, u64, Event),
    /// The keeper of a start is there, or the start failed.
    Begun(String, u64, Box<Result<Handle, End>>),
    /// From a keeper's task.
    Keeper(String, u64, KeeperNews),
    /// Somebody connected to the control socket of a node (`None`: to the agent's).
    Connecting(Option<String>, UnixStream),
    /// He has said who he is.
    Greeted(Option<String>, Box<Connected>),
    /// The control connection of that number is over.
    Closed(String, u64),
    /// A node said how it is, or how many players it has.
    Told(String, u64, beat::Said),
    /// Figures are measured.
    Measured(Box<beat::Measured>),
    /// From the master's link.
    Link(News),
    /// Something that was asked for is done.
    Replied(u64, Box<asks::Replied>),
    /// For the log of agent and master.
    Note(String),
    /// The agent is to end; who waits for that hears it by the end of his connection.
    End(Outcome, Option<Client>),
}

/// Sends into the loop. Its senders are the agent's own tasks, each with a handful of messages at most,
/// so it has no limit of its own.
pub(crate) type Happenings = mpsc::UnboundedSender<Happened>;

/// All of an agent's state.
pub(crate) struct Agent {
    settings: Arc<Settings>,
    clock: Clock,
    happenings: Happenings,
    orders: Orders,
    /// Orders that could not be written down, and are not followed until they are.
    unwritten: Option<Orders>,
    nodes: BTreeMap<String, Node>,
    secrets: Secrets,
    cgroups: Option<Cgroups>,
    link: Option<Sender>,
    /// When the link came up or went down last.
    link_since: u64,
    link_commands: mpsc::UnboundedSender<link::Command>,
    reboot: Option<alone::Reboot>,
    asks: asks::Asks,
    beat: beat::Beats,
    upgrade: Option<upgrade::Probation>,
    seed: u64,
    /// What was noted in the last minute, and when.
    noted: HashMap<String, u64>,
    end: Option<(Outcome, Option<Client>)>,
}

/// Runs the agent to its end.
pub(crate) async fn run(
    settings: Arc<Settings>,
    link: impl FnOnce(Happenings, mpsc::UnboundedReceiver<link::Command>),
) -> Result<Outcome, String> {
    let (happenings, mut happened) = mpsc::unbounded_channel();
    let (link_commands, commands) = mpsc::unbounded_channel();
    let releases = settings.folders.releases();
    welkin_fleet_release::clean(&releases).map_err(|e| format!("{}: {e}", releases.display()))?;
    let mut agent = Agent::new(settings, happenings, link_commands)?;
    let _socket = agent.open_socket()?;
    agent.adopt().await?;
    link(agent.happenings.clone(), commands);
    watch_signals(&agent.happenings)?;
    let mut beat = tokio::time::interval(TICK);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = agent.due();
        let sleep = tokio::time::sleep_until(Instant::from_std(agent.clock.instant(due)));
        tokio::select! {
            next = happened.recv() => match next {
                Some(next) => agent.take(next),
                None => unreachable!("the agent holds a sender itself"),
            },
            () = sleep, if due != u64::MAX => agent.tick(),
            _ = beat.tick() => agent.beat(),
        }
        if let Some((outcome, _waiting)) = agent.end.take() {
            agent.close().await;
            return Ok(outcome);
        }
    }
}

impl Agent {
    fn new(
        settings: Arc<Settings>,
        happenings: Happenings,
        link_commands: mpsc::UnboundedSender<link::Command>,
    ) -> Result<Self, String> {
        let clock = Clock::new();
        let orders = orders::load(&settings.folders)?;
        let cgroups = Cgroups::detect();
        if let Err(why) = &cgroups {
            say(&format!(
                "no cgroups for nodes ({why}): memory limits are watched by the agent, cpu limits have no effect"
            ));
        }
        Ok(Self {
            upgrade: upgrade::Probation::begin(&settings, clock.now()),
            link_since: clock.now().ms,
            seed: clock.now().unix_ms ^ (u64::from(std::process::id()) << 32),
            settings,
            clock,
            happenings,
            orders,
            unwritten: None,
            nodes: BTreeMap::new(),
            secrets: Secrets::default(),
            cgroups: cgroups.ok(),
            link: None,
            link_commands,
            reboot: None,
            asks: asks::Asks::default(),
            beat: beat::Beats::default(),
            noted: HashMap::new(),
            end: None,
        })
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn take(&mut self, happened: Happened) {
        match happened {
            Happened::Event(node, attempt, event) => self.event(&node, attempt, event),
            Happened::Begun(node, attempt, begun) => self.begun(&node, attempt, *begun),
            Happened::Keeper(node, attempt, news) => self.keeper_news(&node, attempt, news),
            Happened::Connecting(node, stream) => self.connecting(node, stream),
            Happened::Greeted(Some(node), connected) => self.connected(&node, *connected),
            Happened::Greeted(None, connected) => self.by_hand(*connected),
            Happened::Closed(node, number) => self.closed(&node, number),
            Happened::Told(node, attempt, said) => self.said(&node, attempt, said),
            Happened::Measured(measured) => self.measured(*measured),
            Happened::Link(news) => self.link_news(news),
            Happened::Replied(id, replied) => self.replied(id, *replied),
            Happened::Note(text) => self.note(&text),
            Happened::End(outcome, waiting) => self.end = Some((outcome, waiting)),
        }
    }

    /// When something is due, by the monotonic clock.
    fn due(&self) -> u64 {
        let nodes = self.nodes.values().filter_map(|node| node.supervisor.due());
        let others = [self.reboot_due(), self.upgrade_due()];
        nodes
            .chain(others.into_iter().flatten())
            .min()
            .unwrap_or(u64::MAX)
    }

    fn tick(&mut self) {
        let now = self.now();
        self.see_to_reboot(now);
        self.see_to_upgrade(now);
        let due = |node: &Node| node.supervisor.due().is_some_and(|due| due <= now.ms);
        let nodes = self.nodes.iter().filter(|(_, node)| due(node));
        let names: Vec<String> = nodes.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.supervise(&name, |supervisor| supervisor.tick(now));
        }
    }

    /// For the agent's log, and the master's; the same text once a minute.
    fn note(&mut self, text: &str) {
        let now = self.now().ms;
        self.noted.retain(|_, at| *at + NOTE_AGAIN_MS > now);
        if self.noted.contains_key(text) {
            return;
        }
        if self.noted.len() < NOTED_MAX {
            self.noted.insert(text.to_owned(), now);
        }
        say(text);
        self.send(&FromAgent::Note(text.to_owned()));
    }

    /// To the master, if there is one. What does not fit is made up for by the next connection.
    fn send(&mut self, message: &FromAgent) {
        let Some(link) = &self.link else { return };
        if let Err(error) = link.try_send(message) {
            say(&format!(
                "the master does not take what it is told ({error}); it is called anew"
            ));
            self.link = None;
            let _ = self.link_commands.send(link::Command::Again);
        }
    }

    fn open_socket(&self) -> Result<Guard, String> {
        let path = self.settings.folders.socket();
        let listener = listen::bind(&path, None).map_err(|e| format!("{}: {e}", path.display()))?;
        if self.settings.user == 0 {
            // Nodes of other users come here too; each is asked for its user.
            use std::os::unix::fs::PermissionsExt;
            let all = std::fs::Permissions::from_mode(0o666);
            std::fs::set_permissions(&path, all).map_err(|e| format!("{}: {e}", path.display()))?;
        }
        let happenings = self.happenings.clone();
        let accepts = tokio::spawn(listen::accept(listener, move |stream| {
            let _ = happenings.send(Happened::Connecting(None, stream));
        }));
        Ok(Guard(accepts.abort_handle()))
    }

    /// The last words to the master.
    async fn close(&mut self) {
        let _ = std::fs::remove_file(self.settings.folders.socket());
        if let Some(link) = self.link.take() {
            link.close();
            let _ = tokio::time::timeout(Duration::from_secs(2), link.closed()).await;
        }
    }
}

fn watch_signals(happenings: &Happenings) -> Result<(), String> {
    use tokio::signal::unix::{SignalKind, signal};
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signal = signal(kind).map_err(|error| format!("signals: {error}"))?;
        let happenings = happenings.clone();
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                let _ = happenings.send(Happened::End(Outcome::Signalled, None));
            }
        });
    }
    // A login session that ends is no reason to leave the nodes alone.
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| format!("signals: {error}"))?;
    tokio::spawn(async move { while hangup.recv().await.is_some() {} });
    Ok(())
}
