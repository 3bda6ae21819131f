//! The fleet's page in a real browser: headless Chromium, driven over WebDriver.
//!
//! Where `chromedriver` is not installed the test says so and passes; the project's CI installs it.
//! `WELKIN_SCREENSHOT=FILE` writes a picture of the page as it is in the middle of the test; that is how
//! `docs/fleet-page.png` was made.

#[path = "page/driver.rs"]
mod driver;
#[path = "page/fleet.rs"]
mod fleet;

use std::sync::Arc;
use std::time::Duration;

use driver::Browser;
use fleet::Fleet;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use welkin_fleet_master::http::{self, Options};
use welkin_fleet_model::state::State;

/// What the page shows of a node.
const STATE_OF: &str = "
    const node = document.querySelector(`[data-node=\"${arguments[0]}\"]`);
    return node && node.querySelector('.state').textContent + ' ' + getComputedStyle(node.querySelector('.state')).color;";
/// How many nodes stand in the page.
const SHOWN: &str = "return document.querySelectorAll('[data-node]').length;";
/// Types into the filter; how long that takes until it is drawn, in milliseconds.
const FILTER: &str = "
    const begin = performance.now();
    document.getElementById('filter').value = arguments[0];
    document.getElementById('filter').dispatchEvent(new Event('input'));
    document.body.getBoundingClientRect();
    return Math.round(performance.now() - begin);";
/// Whether the lines of a node are drawn.
const LINE_OF: &str = "
    const path = document.querySelector(`[data-node=\"${arguments[0]}\"] .line .over`);
    return Boolean(path && path.getAttribute('d'));";
const SCROLL_TO: &str = "
    document.querySelector(`[data-node=\"${arguments[0]}\"]`).scrollIntoView();";
/// Work that holds the page up for longer than 50 ms is written down from now on.
const WATCH_TASKS: &str = "
    window.tasks = [];
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) tasks.push(Math.round(entry.duration));
    }).observe({ type: 'longtask' });";
const TASKS: &str = "return JSON.stringify(window.tasks);";
/// By how many pixels the page is wider than its window.
const TOO_WIDE: &str = "
    const root = document.documentElement;
    return root.scrollWidth - root.clientWidth;";
/// Addresses that the page has asked for.
const ASKED: &str = "
    return performance.getEntriesByType('resource').map((entry) => entry.name);";

fn serve(fleet: Arc<Fleet>) -> std::net::SocketAddr {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            // Ten minutes in a quarter of one.
            let step = Duration::from_millis(125);
            http::serve(
                listener,
                fleet,
                Options {
                    step,
                    ..Options::default()
                },
            )
            .await;
        });
    });
    told.recv().unwrap()
}

#[test]
fn the_page_follows_the_fleet_and_fits_a_phone() {
    let Some(browser) = Browser::start() else {
        eprintln!("SKIPPED: there is no chromedriver (apt-get install chromium chromium-driver)");
        return;
    };
    let fleet = Arc::new(Fleet::new());
    let own = format!("http://{}/", serve(fleet.clone()));
    browser.resize(1240, 1000);
    browser.open(&own);
    changes_appear_without_reload(&browser, &fleet);
    nobody_else_is_asked(&browser, &own);
    a_phone_has_no_sideways_scroll(&browser, &own);
}

#[test]
fn a_thousand_nodes_are_shown_filtered_and_followed() {
    let Some(browser) = Browser::start() else {
        eprintln!("SKIPPED: there is no chromedriver (apt-get install chromium chromium-driver)");
        return;
    };
    let fleet = Arc::new(Fleet::large());
    let own = format!("http://{}/", serve(fleet.clone()));
    browser.resize(1240, 1000);
    let begin = std::time::Instant::now();
    browser.open(&own);
    let shown = |count: usize| move |value: &Value| *value == json!(count);
    let none = || json!([]);
    browser.until(SHOWN, none(), shown(1000));
    eprintln!("shown after {:?}", begin.elapsed());
    browser.run(WATCH_TASKS, none());
    let full = "return fleet.online.length === fleet.points;";
    browser.until(full, none(), is_true);
    eprintln!("at rest: {}", browser.run(TASKS, none()));
    // Words and states, as a person types and presses them.
    for (words, count) in [
        ("scene_000", 10),
        ("m007", 10),
        ("m007 group_3", 1),
        ("", 1000),
    ] {
        let took = browser.run(FILTER, json!([words]));
        eprintln!("filter {words:?}: {took} ms");
        browser.until(SHOWN, none(), shown(count));
    }
    fleet.set("scene_0999", State::Failed, "it broke");
    let failed = |shown: &Value| begins(shown, "failed ");
    browser.until(STATE_OF, json!(["scene_0999"]), failed);
    browser.run(
        "document.querySelector('[data-state=failed]').click();",
        none(),
    );
    browser.until(SHOWN, none(), shown(1));
    browser.run(
        "document.querySelector('[data-state=failed]').click();",
        none(),
    );
    browser.until(SHOWN, none(), shown(1000));
    // What comes into sight has its lines.
    browser.until(LINE_OF, json!(["scene_0000"]), is_true);
    browser.run(SCROLL_TO, json!(["scene_0999"]));
    browser.until(LINE_OF, json!(["scene_0999"]), is_true);
    eprintln!("in all: {}", browser.run(TASKS, none()));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

fn changes_appear_without_reload(browser: &Browser, fleet: &Fleet) {
    let none = || json!([]);
    let login = || json!(["login_1"]);
    let ready = browser.until(STATE_OF, login(), |shown| begins(shown, "ready "));
    browser.run("document.body.dataset.mark = 'not reloaded';", none());
    browser.until("return fleet.online.length > 2;", none(), is_true);
    if std::env::var_os("WELKIN_SCREENSHOT").is_some() {
        let full = "return fleet.online.length === fleet.points;";
        browser.until(full, none(), is_true);
    }
    assert_eq!(browser.run(TOO_WIDE, none()), json!(0));
    browser.keep_picture("WELKIN_SCREENSHOT");

    let reason = "exit status 1: login.lua:12: no such table";
    fleet.set("login_1", State::Failed, reason);
    let failed = browser.until(STATE_OF, login(), |shown| begins(shown, "failed "));
    assert_ne!(colour(&ready), colour(&failed), "each tone has its colour");
    let text = browser.run("return document.body.innerText;", none());
    assert!(text.as_str().unwrap().contains(reason), "{text}");
    fleet.end_roll();
    let gone = "return document.getElementById('roll').hidden;";
    browser.until(gone, none(), is_true);
    let mark = browser.run("return document.body.dataset.mark;", none());
    assert_eq!(mark, json!("not reloaded"));
}

fn nobody_else_is_asked(browser: &Browser, own: &str) {
    let asked = browser.run(ASKED, json!([]));
    for name in asked.as_array().unwrap() {
        assert!(
            name.as_str().unwrap().starts_with(own),
            "{name} is not ours"
        );
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

fn a_phone_has_no_sideways_scroll(browser: &Browser, own: &str) {
    for dark in [false, true] {
        browser.phone(dark);
        browser.open(own);
        let failed = |shown: &Value| begins(shown, "failed ");
        browser.until(STATE_OF, json!(["login_1"]), failed);
        let width = browser.run("return window.innerWidth;", json!([]));
        assert_eq!(width, json!(360));
        assert_eq!(browser.run(TOO_WIDE, json!([])), json!(0));
        browser.keep_picture(match dark {
            true => "WELKIN_SCREENSHOT_DARK",
            false => "WELKIN_SCREENSHOT_PHONE",
        });
    }
}

fn begins(shown: &Value, word: &str) -> bool {
    shown.as_str().is_some_and(|shown| shown.starts_with(word))
}

fn is_true(value: &Value) -> bool {
    *value == json!(true)
}

fn colour(shown: &Value) -> &str {
    shown.as_str().unwrap().split_once(' ').unwrap().1
}

/// Waiting is for something that comes; this bounds it.
const PATIENCE: Duration = Duration::from_secs(60);
