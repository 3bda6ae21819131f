//! One node in a small world: a process that is there or not, and a clock that is turned by hand.

use proptest::prelude::*;
use welkin_fleet_model::entry::{Health, NodeEntry, Probe, Restart};
use welkin_fleet_model::state::State;
use welkin_fleet_model::wire::agent::Order;

use super::{Action, End, Event, Found, Now, Probed, Supervisor};

/// A node with its supervisor, and what the world would do by itself.
struct World {
    supervisor: Supervisor,
    now: Now,
    /// The process that is there.
    process: Option<u64>,
    launching: Option<u64>,
    order: Order,
    seen: Vec<Action>,
}

impl World {
    fn new() -> Self {
        let now = Now {
            ms: 1_000,
            unix_ms: 1_700_000_000_000,
        };
        let order = Order {
            entry: NodeEntry {
                name: "a".to_owned(),
                ..NodeEntry::default()
            },
            running: true,
            life: 1,
            ..Order::default()
        };
        Self {
            supervisor: Supervisor::new("a", 3, now),
            now,
            process: None,
            launching: None,
            order,
            seen: Vec::new(),
        }
    }

    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            if action == Action::Start {
                assert_eq!(
                    (self.process, self.launching),
                    (None, None),
                    "one at a time"
                );
                self.launching = Some(self.supervisor.attempt());
            }
            self.seen.push(action);
        }
    }

    fn give_order(&mut self) {
        let order = self.order.clone();
        let actions = self.supervisor.order(self.now, Some(order), 1);
        self.take(actions);
    }

    fn event(&mut self, event: Event) {
        let attempt = self.supervisor.attempt();
        let actions = self.supervisor.event(self.now, attempt, event);
        self.take(actions);
    }

    fn pass(&mut self, ms: u64) {
        self.now.ms += ms;
        self.now.unix_ms += ms;
        let actions = self.supervisor.tick(self.now);
        self.take(actions);
    }

    /// Turns the clock to when something is due.
    fn pass_until_due(&mut self) {
        let due = self.supervisor.due().expect("something is to come");
        self.pass(due.saturating_sub(self.now.ms));
    }

    fn start(&mut self) {
        self.process = self.launching.take();
        self.event(Event::Started { pid: 7 });
    }

    fn end(&mut self, end: End) {
        self.process = None;
        self.launching = None;
        self.event(Event::Ended(end));
    }

    fn up() -> Self {
        let mut world = Self::new();
        world.give_order();
        world.start();
        world.event(Event::Probed(Probed::Well));
        assert_eq!(world.state(), State::Ready);
        world.seen.clear();
        world
    }

    fn state(&self) -> State {
        self.supervisor.state()
    }

    fn reason(&self) -> String {
        self.supervisor.report().reason
    }
}

fn crash() -> End {
    End::Status(1, "no luck".to_owned())
}

#[test]
fn it_is_started_probed_and_ready() {
    let mut world = World::new();
    world.give_order();
    assert_eq!(world.seen, [Action::Start]);
    assert_eq!(world.state(), State::Starting);
    world.start();
    assert_eq!(world.seen, [Action::Start, Action::Probe]);
    world.event(Event::Probed(Probed::Unready("it starts".to_owned())));
    assert_eq!(world.state(), State::Starting);
    world.pass_until_due();
    world.event(Event::Probed(Probed::Well));
    assert_eq!(world.state(), State::Ready);
    assert_eq!(world.reason(), "");
}

#[test]
fn who_is_not_ready_in_time_goes_on_and_may_get_ready_yet() {
    let mut world = World::new();
    world.give_order();
    world.start();
    world.event(Event::Probed(Probed::Unready("it starts".to_owned())));
    world.pass(30_000);
    assert_eq!(world.state(), State::NotReady);
    assert_eq!(world.reason(), "not ready within 30 s: it starts");
    world.event(Event::Probed(Probed::Well));
    assert_eq!(
        (world.state(), world.reason()),
        (State::Ready, String::new())
    );
}

#[test]
fn three_failures_in_a_row_are_believed_and_its_own_word_at_once() {
    let mut world = World::up();
    for state in [State::Ready, State::Ready, State::NotReady] {
        world.pass_until_due();
        world.event(Event::Probed(Probed::Silent("refused".to_owned())));
        assert_eq!(world.state(), state);
    }
    assert_eq!(world.reason(), "refused");
    world.event(Event::Probed(Probed::Well));
    assert_eq!(world.state(), State::Ready);
    world.event(Event::Probed(Probed::Unready("stuck in chat".to_owned())));
    assert_eq!(
        (world.state(), world.reason().as_str()),
        (State::NotReady, "stuck in chat")
    );
}

#[test]
fn who_stays_ill_is_started_again_only_where_that_is_wanted() {
    let mut world = World::new();
    world.order.entry.health = Health {
        restart_after_ms: Some(20_000),
    };
    world.give_order();
    world.start();
    world.event(Event::Probed(Probed::Well));
    world.event(Event::Probed(Probed::Unready("stuck".to_owned())));
    world.pass(20_000);
    assert!(world.seen.contains(&Action::Terminate));
    assert_eq!(world.state(), State::Stopping);
    world.end(End::Signal(15, String::new()));
    assert_eq!(
        (world.state(), world.reason().as_str()),
        (State::BackingOff, "stuck")
    );
}

#[test]
fn a_stop_drains_terminates_and_kills() {
    let mut world = World::up();
    world.event(Event::Control(true));
    world.event(Event::Probed(Probed::Well));
    world.seen.clear();
    world.order.running = false;
    world.give_order();
    assert_eq!(world.seen, [Action::AskEnd]);
    world.pass(30_000);
    world.pass(9_999);
    assert_eq!(world.seen, [Action::AskEnd, Action::Terminate]);
    world.pass(1);
    assert_eq!(world.seen.last(), Some(&Action::Kill));
    world.end(End::Signal(9, String::new()));
    assert_eq!(world.state(), State::Stopped);
    let report = world.supervisor.report();
    assert_eq!(report.killed_after_s, Some(40));
    assert_eq!(report.reason, "killed after 40s");
}

#[test]
fn without_a_control_socket_a_stop_begins_with_the_signal() {
    let mut world = World::up();
    world.order.running = false;
    world.give_order();
    assert_eq!(world.seen, [Action::Terminate]);
    world.end(End::Signal(15, String::new()));
    assert_eq!(world.state(), State::Stopped);
}

#[test]
fn a_drain_command_that_fails_is_not_waited_for() {
    let mut world = World::new();
    world.order.entry.drain_command = Some("drain".to_owned());
    world.give_order();
    world.start();
    world.order.running = false;
    world.give_order();
    assert_eq!(world.seen.last(), Some(&Action::DrainCommand));
    world.event(Event::DrainFailed("drain: exit status 1".to_owned()));
    assert_eq!(world.seen.last(), Some(&Action::Terminate));
}

#[test]
fn a_new_life_stops_and_starts() {
    let mut world = World::up();
    world.order.life = 2;
    world.give_order();
    assert_eq!(world.seen, [Action::Terminate]);
    world.end(End::Signal(15, String::new()));
    assert_eq!(world.seen, [Action::Terminate, Action::Start]);
    assert_eq!(world.supervisor.report().life, 2);
}

#[test]
fn crashes_back_off_until_they_are_given_up() {
    let mut world = World::new();
    world.give_order();
    for _ in 0..4 {
        world.start();
        world.end(crash());
        assert_eq!(world.state(), State::BackingOff);
        assert_eq!(world.reason(), "exit status 1: no luck");
        world.pass_until_due();
    }
    world.start();
    world.end(crash());
    assert_eq!(world.state(), State::Failed);
    assert_eq!(
        world.reason(),
        "given up after 5 starts: exit status 1: no luck"
    );
    assert_eq!(world.supervisor.report().restarts, 4);
    world.order.life = 2;
    world.give_order();
    assert_eq!(world.state(), State::Starting);
    assert_eq!(world.supervisor.report().restarts, 0);
}

#[test]
fn a_right_end_stays_and_a_wrong_config_is_not_tried_again() {
    let zero = End::Status(0, String::new());
    let wrong = End::Status(78, "bad key".to_owned());
    let cases = [
        (Restart::OnFailure, zero.clone(), State::Stopped),
        (Restart::Always, zero.clone(), State::BackingOff),
        (Restart::Never, zero, State::Stopped),
        (Restart::OnFailure, wrong.clone(), State::Failed),
        (Restart::Always, wrong, State::Failed),
        (Restart::Never, crash(), State::Failed),
        (
            Restart::OnFailure,
            End::Exec("gone".to_owned()),
            State::Failed,
        ),
    ];
    for (restart, end, state) in cases {
        let mut world = World::new();
        world.order.entry.restart = restart;
        world.give_order();
        world.start();
        world.end(end.clone());
        assert_eq!(world.state(), state, "{restart:?} {end:?}");
        world.pass(1);
        world.give_order();
        assert_eq!(world.state(), state, "the same order changes nothing");
    }
}

#[test]
fn a_drain_outlives_the_restart() {
    let mut world = World::up();
    world.event(Event::Control(true));
    world.event(Event::Probed(Probed::Well));
    world.seen.clear();
    world.order.drain = true;
    world.give_order();
    assert_eq!(world.seen, [Action::Drain { off: false }]);
    assert_eq!(world.state(), State::Draining);
    world.end(crash());
    world.pass_until_due();
    world.start();
    world.event(Event::Control(true));
    world.seen.clear();
    world.event(Event::Probed(Probed::Well));
    assert_eq!(world.seen, [Action::Drain { off: false }]);
    world.order.drain = false;
    world.give_order();
    assert_eq!(world.seen.last(), Some(&Action::Drain { off: true }));
    assert_eq!(world.state(), State::Ready);
}

#[test]
fn a_probe_that_only_waits_is_ready_by_the_clock() {
    let mut world = World::new();
    world.order.entry.ready.probe = Probe::After(3_000);
    world.give_order();
    world.start();
    assert_eq!(world.seen, [Action::Start]);
    world.pass_until_due();
    assert_eq!(world.state(), State::Ready);
    assert_eq!(world.supervisor.due(), None);
}

#[test]
fn a_node_that_nobody_wants_any_more_ends_and_is_forgotten_once() {
    let mut world = World::up();
    let actions = world.supervisor.order(world.now, None, 2);
    world.take(actions);
    assert_eq!(world.seen, [Action::Terminate]);
    world.end(End::Signal(15, String::new()));
    world.pass(1);
    assert_eq!(world.seen, [Action::Terminate, Action::Forget]);
}

#[test]
fn after_a_reboot_only_a_new_life_or_the_lifted_hold_starts_it() {
    let world = World::up();
    let memory = world.supervisor.memory(Some("key"));
    for by_life in [true, false] {
        let mut later = World::new();
        let found = Found::Ended(End::Rebooted);
        let _ = later.supervisor.restore(later.now, &memory, found);
        later.supervisor.hold(true);
        later.give_order();
        assert_eq!(
            (later.state(), later.reason().as_str()),
            (State::Stopped, "machine rebooted")
        );
        if by_life {
            later.order.life = 2;
            later.give_order();
        } else {
            later.supervisor.hold(false);
            later.pass(0);
        }
        assert_eq!(later.state(), State::Starting);
    }
}

#[test]
fn the_next_agent_goes_on_where_the_last_one_was() {
    let world = World::up();
    let memory = world.supervisor.memory(Some("key"));
    let adopt = |found: Found| {
        let mut next = World::new();
        next.process = Some(1);
        let actions = next.supervisor.restore(next.now, &memory, found);
        next.take(actions);
        next
    };
    let mut running = adopt(Found::Running { pid: 7 });
    running.give_order();
    assert_eq!(running.seen, [Action::Probe]);
    assert_eq!(running.state(), State::Ready);

    let mut ended = adopt(Found::Ended(crash()));
    ended.process = None;
    ended.give_order();
    assert_eq!(ended.state(), State::BackingOff);

    let mut never = adopt(Found::Nothing);
    never.process = None;
    never.give_order();
    assert_eq!(never.seen, [Action::Start], "once more");
}

#[test]
fn one_started_by_hand_is_left_alone_until_an_order_wants_it_and_then_not() {
    let mut world = World::new();
    world.order.running = false;
    world.give_order();
    let actions = world
        .supervisor
        .register(world.now, 9)
        .expect("nothing runs");
    world.take(actions);
    world.event(Event::Probed(Probed::Well));
    world.give_order();
    assert_eq!(world.state(), State::Ready);
    assert!(world.supervisor.report().adopted);
    assert!(world.supervisor.register(world.now, 10).is_none());
    world.order.running = true;
    world.give_order();
    world.seen.clear();
    world.order.running = false;
    world.give_order();
    assert_eq!(world.seen, [Action::AskEnd]);
}

/// What may happen; the world answers what it was asked in its own time.
#[derive(Clone, Debug)]
enum Step {
    Running(bool),
    NewLife,
    Drain(bool),
    Removed,
    Pass(u64),
    Started,
    StartFailed(bool),
    Ended(i32),
    Killed,
    Probed(u8),
    Control(bool),
    Stale,
    Held(bool),
    Agent,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<bool>().prop_map(Step::Running),
        Just(Step::NewLife),
        any::<bool>().prop_map(Step::Drain),
        Just(Step::Removed),
        (0..70_000u64).prop_map(Step::Pass),
        Just(Step::Started),
        Just(Step::Started),
        any::<bool>().prop_map(Step::StartFailed),
        prop_oneof![Just(0), Just(1), Just(78)].prop_map(Step::Ended),
        Just(Step::Killed),
        (0..4u8).prop_map(Step::Probed),
        any::<bool>().prop_map(Step::Control),
        Just(Step::Stale),
        any::<bool>().prop_map(Step::Held),
        Just(Step::Agent),
    ];
    proptest::collection::vec(step, 0..60)
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Running(running) => {
                self.order.running = running;
                self.give_order();
            }
            Step::NewLife => {
                self.order.life += 1;
                self.give_order();
            }
            Step::Drain(drain) => {
                self.order.drain = drain;
                self.give_order();
            }
            Step::Removed => {
                let actions = self.supervisor.order(self.now, None, 1);
                self.take(actions);
            }
            Step::Pass(ms) => self.pass(ms),
            Step::Started if self.launching.is_some() => self.start(),
            Step::StartFailed(forever) if self.launching.is_some() => {
                self.launching = None;
                let error = "why".to_owned();
                self.event(Event::StartFailed(match forever {
                    true => End::Exec(error),
                    false => End::Later(error),
                }));
            }
            Step::Ended(status) if self.process.is_some() => {
                self.end(End::Status(status, String::new()));
            }
            Step::Killed if self.process.is_some() => self.end(End::Signal(9, String::new())),
            Step::Probed(kind) => {
                let words = "words".to_owned();
                self.event(Event::Probed(match kind {
                    0 => Probed::Well,
                    1 => Probed::Draining,
                    2 => Probed::Unready(words),
                    _ => Probed::Silent(words),
                }));
            }
            Step::Control(connected) => self.event(Event::Control(connected)),
            Step::Stale => {
                let old = self.supervisor.attempt().wrapping_sub(1);
                let end = Event::Ended(crash());
                let actions = self.supervisor.event(self.now, old, end);
                assert!(actions.is_empty());
            }
            Step::Held(held) => {
                self.supervisor.hold(held);
                self.pass(0);
            }
            Step::Agent => self.replace_agent(),
            _ => {}
        }
    }

    /// The agent is killed; what was being started did not come to be, or is there.
    fn replace_agent(&mut self) {
        let memory = self.supervisor.memory(Some("key"));
        self.supervisor = Supervisor::new("a", 5, self.now);
        self.launching = None;
        let found = match self.process {
            Some(_) => Found::Running { pid: 7 },
            None => Found::Nothing,
        };
        let actions = self.supervisor.restore(self.now, &memory, found);
        self.take(actions);
        self.give_order();
    }

    /// From now on everything works: what is wanted must come about.
    fn settle(&mut self) {
        self.supervisor.hold(false);
        self.give_order();
        for _ in 0..200 {
            let last = self.seen.last().cloned();
            self.seen.clear();
            match last {
                Some(Action::AskEnd | Action::Terminate | Action::Kill)
                    if self.process.is_some() =>
                {
                    self.end(End::Signal(15, String::new()));
                }
                _ if self.launching.is_some() => self.start(),
                Some(Action::Probe) => self.event(Event::Probed(Probed::Well)),
                _ => match self.supervisor.due() {
                    Some(due) => self.pass(due.saturating_sub(self.now.ms).max(1)),
                    None => return,
                },
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn whatever_happens_there_is_one_process_at_most_and_the_wish_comes_true(
        steps in steps(),
        running in any::<bool>(),
    ) {
        let mut world = World::new();
        world.give_order();
        for step in steps {
            world.step(step);
        }
        world.order.running = running;
        world.order.life += 1;
        world.settle();
        prop_assert_eq!(world.process.is_some(), running, "{:?}", world.state());
        let state = world.state();
        let expected = match (running, world.order.drain) {
            (false, _) => state == State::Stopped || state == State::Failed,
            (true, true) => state == State::Draining,
            (true, false) => state == State::Ready,
        };
        prop_assert!(expected, "{:?}", state);
    }
}
