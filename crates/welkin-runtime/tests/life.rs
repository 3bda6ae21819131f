//! Launch, kill, abort, panics, and the text commands.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use support::{
    closure, launch, launch_service, logger, next, recorder, register, send, signal, start, stop,
};
use welkin_runtime::{
    Address, Context, Control, Flow, LaunchError, Message, Module, NewService, Node, Tap,
    TapFactory, kind,
};

#[test]
fn a_service_that_panics_ends_and_others_go_on() {
    let node = Node::builder().workers(2).build();
    let lines = logger(&node);
    let (caller, answers) = recorder(&node);
    let bad = launch(&node, |_, message| match message.session {
        3 => panic!("of no use"),
        _ => Flow::Done,
    });
    for session in 1..6 {
        send(&node, caller, bad, session, b"");
    }
    let running = start(&node);
    assert_eq!(next(&answers), (bad, 4, kind::ERROR, Vec::new()));
    assert_eq!(next(&answers), (bad, 5, kind::ERROR, Vec::new()));
    while !next(&lines).contains("panicked in a message from :00000002: of no use") {}
    assert!(!send(&node, caller, bad, 7, b""));
    stop(&node, running);
}

#[test]
fn ended_is_called_once_and_the_node_stops_with_its_last_service() {
    let node = Node::builder().workers(2).build();
    let ends = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let count = Arc::clone(&ends);
        let mut service = closure(|cx, _| {
            cx.node.kill(cx.slot.address());
            Flow::Done
        });
        service.ended = Box::new(move || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let address = launch_service(&node, service, None);
        send(&node, Address::NONE, address, 0, b"");
    }
    register(&node, "background", closure(|_, _| Flow::Done), None, true);
    assert!(node.launch(b"background", b"").is_some());
    node.run();
    assert_eq!(ends.load(Ordering::Relaxed), 100);
    assert!(node.services().is_empty());
}

#[test]
fn at_an_abort_the_logger_writes_the_last_lines() {
    let node = Node::builder().workers(2).build();
    let lines = logger(&node);
    let last = launch(&node, |cx, _| {
        cx.node.abort();
        for n in 0..100 {
            cx.node.log(cx.slot.address(), format!("line {n}"));
        }
        Flow::Done
    });
    send(&node, Address::NONE, last, 0, b"");
    node.run();
    let written: Vec<String> = lines.try_iter().collect();
    assert_eq!(written.last().unwrap(), &format!("[{last}] line 99"));
}

#[test]
fn messages_to_oneself_in_init_wait_for_its_end() {
    struct Early;
    impl Module for Early {
        fn create(&self, cx: &Context<'_>, args: &[u8]) -> Result<NewService, LaunchError> {
            let own = cx.slot.address();
            assert!(send(cx.node, own, own, 1, args));
            cx.node.log(own, "in init");
            if args == b"bad" {
                return Err(LaunchError::Failed);
            }
            let service = Box::new(closure(|cx, message| {
                cx.node.log(cx.slot.address(), message.payload.as_bytes());
                Flow::Done
            }));
            let control = None;
            Ok(NewService { service, control })
        }
    }
    let node = Node::builder().workers(1).build();
    let lines = logger(&node);
    node.register_module("early", Arc::new(Early));
    assert_eq!(node.launch(b"early", b"a b"), Some(Address(2)));
    assert_eq!(node.launch(b"early", b"bad"), None);
    assert_eq!(node.launch(b"unknown", b""), None);
    let running = start(&node);
    let expected = [
        "[:00000002] in init",
        "[:00000002] LAUNCH early a b",
        "[:00000003] in init",
        "[:00000003] error: launch early FAILED",
        "[:00000002] a b",
    ];
    assert_eq!(expected.map(|_| next(&lines)), expected);
    stop(&node, running);
}

/// A service that never finishes a message by itself.
struct Stubborn {
    killed: AtomicBool,
}

impl Control for Stubborn {
    fn signal(&self, _: &Node, _: i32) {}

    fn kill(&self) {
        self.killed.store(true, Ordering::Relaxed);
    }

    fn describe(&self) -> String {
        "stubborn.lua:7".to_owned()
    }
}

#[test]
fn a_killed_service_that_goes_on_running_is_stopped() {
    let node = Node::builder().workers(1).build();
    let lines = logger(&node);
    let control = Arc::new(Stubborn {
        killed: AtomicBool::new(false),
    });
    let (started, running) = signal();
    let (inside, killer) = (Arc::clone(&control), Arc::clone(&node));
    let service = closure(move |_, _| {
        started.send(()).unwrap();
        while !inside.killed.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
        Flow::Done
    });
    let address = launch_service(&node, service, Some(control));
    send(&node, Address::NONE, address, 0, b"");
    let thread = start(&node);
    next(&running);
    assert!(killer.kill(address));
    assert!(!killer.kill(address));
    while !next(&lines).contains("for a second, now at stubborn.lua:7; it is stopped now") {}
    stop(&node, thread);
}

#[test]
fn a_killed_service_that_is_preempted_finishes_or_is_dropped() {
    let node = Node::builder().workers(1).build();
    let (caller, answers) = recorder(&node);
    let (done, finished) = signal();
    let mut service = closure(|cx, _| {
        cx.node.kill(cx.slot.address());
        Flow::Preempted
    });
    let mut slices = 0;
    service.resume = Box::new(move |_| {
        slices += 1;
        if slices < 10 {
            Flow::Preempted
        } else {
            Flow::Done
        }
    });
    service.ended = Box::new(move || done.send("finished").unwrap());
    let finishes = launch_service(&node, service, None);
    send(&node, caller, finishes, 1, b"");
    send(&node, caller, finishes, 2, b"");
    let running = start(&node);
    assert_eq!(next(&answers), (finishes, 2, kind::ERROR, Vec::new()));
    assert_eq!(next(&finished), "finished");

    let (done, dropped) = signal();
    let mut service = closure(|cx, _| {
        cx.node.kill(cx.slot.address());
        Flow::Preempted
    });
    service.resume = Box::new(|_| {
        let start = std::time::Instant::now();
        while start.elapsed().as_millis() < 2 {
            std::hint::spin_loop();
        }
        Flow::Preempted
    });
    service.ended = Box::new(move || done.send(()).unwrap());
    let endless = launch_service(&node, service, None);
    send(&node, caller, endless, 1, b"");
    next(&dropped);
    stop(&node, running);
}

#[test]
fn commands_answer_as_in_skynet() {
    let node = Node::builder().workers(1).build();
    let lines = logger(&node);
    let (monitor, told) = recorder(&node);
    let caller_address = launch(&node, |_, _| Flow::Done);
    let caller = node.slot(caller_address).unwrap();
    let run = |command: &str, param: Option<&str>| {
        node.command(&caller, command.as_bytes(), param.map(str::as_bytes))
            .map(|result| String::from_utf8(result).unwrap())
    };
    let some = |text: &str| Some(text.to_owned());
    register(&node, "mod", closure(|_, _| Flow::Done), None, false);
    for _ in 4..10 {
        launch(&node, |_, _| Flow::Done);
    }
    assert_eq!(run("LAUNCH", Some("mod  a b\rc")), some(":0000000A"));
    assert_eq!(run("LAUNCH", Some("unknown")), None);
    assert_eq!(run("LAUNCH", None), None);
    assert_eq!(run("REG", None), some(":3"));
    assert_eq!(run("REG", Some(".me")), some("me"));
    assert_eq!(run("REG", Some(".me")), None);
    assert_eq!(run("REG", Some("ME")), None);
    assert_eq!(run("QUERY", Some(".me")), some(":3"));
    assert_eq!(run("QUERY", Some("me")), None);
    assert_eq!(run("NAME", Some(".ten :a")), some("ten"));
    assert_eq!(run("NAME", Some(".ten :b")), None);
    assert_eq!(run("NAME", Some(".zero :0")), None);
    assert_eq!(run("MONITOR", None), None);
    assert_eq!(run("MONITOR", Some(&format!("{monitor}"))), None);
    assert_eq!(run("MONITOR", None), some(":2"));
    assert_eq!(run("SETENV", Some("key a value")), None);
    assert_eq!(run("SETENV", Some("key other")), None);
    assert_eq!(run("GETENV", Some("key")), some("a value"));
    assert_eq!(run("KILL", Some(".ten")), None);
    assert_eq!(run("KILL", Some(":ff")), None);
    assert_eq!(run("KILL", Some("nonsense")), None);
    assert_eq!(run("QUERY", Some(".ten")), None);
    assert_eq!(run("STAT", Some("mqlen")), some("0"));
    assert_eq!(run("STAT", Some("endless")), some("0"));
    assert_eq!(run("STAT", Some("cpu")), some("0.000000"));
    assert_eq!(run("STAT", Some("message")), some("0"));
    assert_eq!(run("STAT", Some("what")), some(""));
    assert_eq!(run("TIMEOUT", Some("0")), some("1"));
    assert_eq!(run("STAT", Some("mqlen")), some("1"));
    assert_eq!(run("STARTTIME", None), Some(node.start_time().to_string()));
    assert_eq!(run("NOW", Some("")), None);
    assert_eq!(run("EXIT", None), None);
    let running = start(&node);
    // The second one never was.
    for ended in [Address(10), Address(255), caller_address] {
        assert_eq!(next(&told), (ended, 0, kind::CLIENT, Vec::new()));
    }
    stop(&node, running);
    let lines: Vec<String> = lines
        .try_iter()
        .filter(|line| !line.contains("LAUNCH test"))
        .collect();
    let expected = [
        "[:0000000a] LAUNCH mod  a b",
        "[:00000003] error: Can't register global name ME in C",
        "[:00000003] error: Can't setenv exist key : key",
        "[:00000003] KILL :a",
        "[:00000003] KILL :ff",
        "[:00000003] error: Can't convert nonsense to handle",
        "[:00000003] KILL self",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_signal_reaches_the_control_of_a_service() {
    struct Signals(std::sync::mpsc::Sender<i32>);
    impl Control for Signals {
        fn signal(&self, _: &Node, n: i32) {
            self.0.send(n).unwrap();
        }
        fn kill(&self) {}
    }
    let node = Node::builder().build();
    let (sent, received) = signal();
    let address = launch_service(
        &node,
        closure(|_, _| Flow::Done),
        Some(Arc::new(Signals(sent))),
    );
    let slot = node.slot(address).unwrap();
    node.name_register(b"me", address);
    for param in [":1", ":1 0x10", ".me", ".me 010", ":2 1"] {
        assert_eq!(node.command(&slot, b"SIGNAL", Some(param.as_bytes())), None);
    }
    assert_eq!(received.try_iter().collect::<Vec<_>>(), [0, 16, 0, 8]);
}

#[test]
fn a_dump_sees_messages_before_they_are_handled() {
    struct Dump(std::sync::mpsc::Sender<String>);
    impl Tap for Dump {
        fn message(&mut self, _: &Node, to: Address, message: &Message) {
            self.0.send(format!("{to} {}", message.session)).unwrap();
        }
        fn close(&mut self, _: &Node) {
            self.0.send("closed".to_owned()).unwrap();
        }
    }
    struct Dumps(std::sync::mpsc::Sender<String>);
    impl TapFactory for Dumps {
        fn path(&self, _: &Node, to: Address) -> Option<String> {
            Some(format!("{:08x}.log", to.0))
        }
        fn open(&self, _: &Node, _: Address) -> Result<Box<dyn Tap>, String> {
            Ok(Box::new(Dump(self.0.clone())))
        }
    }
    let (dumped, seen) = signal();
    let node = Node::builder().tap_factory(Box::new(Dumps(dumped))).build();
    let lines = logger(&node);
    let (address, handled) = recorder(&node);
    let slot = node.slot(address).unwrap();
    node.command(&slot, b"LOGON", Some(b":2"));
    node.command(&slot, b"LOGON", Some(b":2"));
    send(&node, Address::NONE, address, 5, b"");
    let running = start(&node);
    next(&handled);
    node.command(&slot, b"LOGOFF", Some(b":2"));
    assert_eq!(next(&seen), ":00000002 5");
    assert_eq!(next(&seen), "closed");
    stop(&node, running);
    let lines: Vec<String> = lines.try_iter().skip(1).collect();
    let expected = [
        "[:00000002] Open log file 00000002.log",
        "[:00000002] Close log file :00000002",
    ];
    assert_eq!(lines, expected);
}
