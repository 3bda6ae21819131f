//! A thousand nodes on a hundred agents over real links: started, shown, and found again after the
//! master's restart. What it took is printed, not asserted: this machine may have other work.

use std::time::Instant;

use welkin_fleet_model::wire::Purpose;
use welkin_fleet_model::wire::client::{Command, Status};
use welkin_fleet_trust::{Limits, connect_local};

use crate::agent;
use crate::house::{Client, House, apply, start};

fn file() -> String {
    let mut text = "[fleet]\nname = \"game\"\n".to_owned();
    for machine in 0..100 {
        text.push_str(&format!("[machine.m{machine}]\n"));
        for node in 0..10 {
            text.push_str(&format!(
                "[node.n{machine}_{node}]\nmachine = \"m{machine}\"\nconfig = \"c\"\n"
            ));
        }
    }
    text
}

/// All agents come at once.
async fn join(house: &House, client: &mut Client) {
    let began = Instant::now();
    for machine in 0..100 {
        let socket = house.dir.join("fleet.sock");
        tokio::spawn(async move {
            let (name, limits) = (format!("m{machine}"), Limits::default());
            let link = connect_local(&socket, Purpose::Agent, Some(&name), &limits).await;
            agent::serve(link.expect("a link")).await
        });
    }
    loop {
        let machines = client.run(Command::Machines).await;
        if machines
            .rows
            .iter()
            .filter(|row| row["connected"] == true)
            .count()
            == 100
        {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    println!("100 agents are there after {:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_agents_are_served_by_one_master() {
    let mut house = House::new("thousand").await;
    let mut client = house.client().await;
    assert_eq!(client.run(apply(&file())).await.status, Status::Done);
    join(&house, &mut client).await;
    let began = Instant::now();
    let outcome = client.run(start("all")).await;
    assert_eq!((outcome.status, outcome.rows.len()), (Status::Done, 1000));
    println!("1000 nodes are started after {:?}", began.elapsed());
    let began = Instant::now();
    let status = client.run(Command::Status { sel: Vec::new() }).await;
    assert!(status.rows.iter().all(|row| row["state"] == "ready"));
    println!("status of 1000 nodes took {:?}", began.elapsed());
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    println!("pages resident, agents included: {statm}");
    house.end().await;
    house.start().await;
    let mut client = house.client().await;
    join(&house, &mut client).await;
    let status = client.run(Command::Status { sel: Vec::new() }).await;
    assert!(status.rows.iter().all(|row| row["wanted"] == "running"));
    house.end().await;
}
