//! Host names. The system's resolver blocks, so it never runs on a worker: connections are looked up
//! by a few threads of our own, commands that answer at once hand the worker's queue on meanwhile.
//!
//! The threads come when there is work and go when there has been none for a while. Jobs wait in a
//! queue without limit: each belongs to a socket, and those are limited.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use welkin_runtime::blocking;

use crate::net::Net;

/// What the C library says of a name that nobody knows.
pub(crate) const UNKNOWN: &str = "Name or service not known";

/// Most look-ups at a time; a name server that does not answer holds one up for some ten seconds.
const THREADS_MAX: usize = 8;

const IDLE_MAX: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
pub(crate) struct Resolver {
    pool: Mutex<Pool>,
    work: Condvar,
}

#[derive(Default)]
struct Pool {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

impl Resolver {
    /// Runs `job` on one of the threads.
    pub fn run(self: &Arc<Self>, job: Job) {
        let mut pool = self.pool.lock();
        pool.jobs.push_back(job);
        if pool.idle >= pool.jobs.len() || pool.threads == THREADS_MAX {
            self.work.notify_one();
            return;
        }
        pool.threads += 1;
        drop(pool);
        let resolver = self.clone();
        let spawned = thread::Builder::new()
            .name("welkin-resolve".into())
            .spawn(move || resolver.work());
        if spawned.is_err() {
            self.without_thread();
        }
    }

    /// No thread can be had. If there is none at all, the caller does the work.
    fn without_thread(&self) {
        let mut pool = self.pool.lock();
        pool.threads -= 1;
        let jobs = if pool.threads == 0 {
            std::mem::take(&mut pool.jobs)
        } else {
            VecDeque::new()
        };
        drop(pool);
        blocking(|| jobs.into_iter().for_each(|job| job()));
    }

    fn work(&self) {
        let mut pool = self.pool.lock();
        loop {
            if let Some(job) = pool.jobs.pop_front() {
                drop(pool);
                job();
                pool = self.pool.lock();
                continue;
            }
            pool.idle += 1;
            let waited = self.work.wait_for(&mut pool, IDLE_MAX);
            pool.idle -= 1;
            if waited.timed_out() && pool.jobs.is_empty() {
                pool.threads -= 1;
                return;
            }
        }
    }
}

impl Net {
    /// The addresses of `host`, by the system's resolver; the error is its text. Waits for it: other
    /// services go on.
    pub fn resolve(&self, host: &str) -> Result<Vec<String>, String> {
        let found = lookup_here(host, 0)?;
        Ok(found
            .iter()
            .map(|address| address.ip().to_string())
            .collect())
    }
}

/// `host` as an address, if it is one.
pub(crate) fn numeric(host: &str) -> Option<IpAddr> {
    host.parse().ok()
}

/// Looks `host` up, on a worker's thread or any other.
pub(crate) fn lookup_here(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    match numeric(host) {
        Some(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        None => blocking(|| lookup(host, port)),
    }
}

/// The same for the side that listens: no host is every IPv4 address.
pub(crate) fn lookup_to_bind(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    lookup_here(if host.is_empty() { "0.0.0.0" } else { host }, port)
}

/// Looks `host` up; blocks. The error is the C library's text.
pub(crate) fn lookup(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    if host.is_empty() || host.contains('\0') {
        return Err(UNKNOWN.into());
    }
    match (host, port).to_socket_addrs() {
        Ok(found) => Ok(found.collect()),
        Err(error) => {
            let text = crate::error::text(&error);
            let own = text.strip_prefix("failed to lookup address information: ");
            Err(own.map_or_else(|| text.clone(), str::to_owned))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn addresses_need_no_lookup() {
        assert!(numeric("::1").is_some());
        assert!(numeric("127.0.0.1").is_some());
        assert!(numeric("localhost").is_none());
    }

    #[test]
    fn what_can_be_no_name_is_unknown() {
        for host in [String::new(), "a\0b".into(), "x".repeat(300)] {
            assert_eq!(lookup(&host, 1), Err(UNKNOWN.into()));
        }
    }

    #[test]
    fn every_job_is_done_however_many_there_are() {
        let resolver = Arc::new(Resolver::default());
        let (sender, receiver) = mpsc::channel();
        for n in 0..100 {
            let sender = sender.clone();
            resolver.run(Box::new(move || sender.send(n).unwrap()));
        }
        drop(sender);
        let mut done: Vec<i32> = receiver.iter().collect();
        done.sort_unstable();
        assert_eq!(done, (0..100).collect::<Vec<_>>());
        assert!(resolver.pool.lock().threads <= THREADS_MAX);
    }
}
