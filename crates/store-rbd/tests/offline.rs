//! A stick without a network tries again and again, for days: nothing may pile up. Alone in its process, whose threads and
//! memory are looked at.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use block::store::{ImageRef, Store};
use store_rbd::{RbdConfig, RbdSecret, RbdStore, Secret};

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn failed_connections_leave_nothing_behind() {
    let mut config = RbdConfig::new("rbd");
    // Nobody listens there, and nobody may.
    config.monitors = vec!["127.0.0.1:1".to_owned()];
    config.deadline_seconds = 2;
    // Of the form of a key, and nobody's.
    let key = RbdSecret::Key(Secret::new("AQABAgMEBQYHCBAAAQEBAQEBAQEBAQEBAQEBAQ=="));
    let store = RbdStore::new(config, Some(&key)).unwrap();
    let attempt = async || {
        let refused = store
            .open(&ImageRef::live("tv"), &Default::default())
            .await
            .err()
            .unwrap();
        assert!(refused.to_string().contains("no monitor answered"), "{refused}");
    };
    // The first ones may fill caches and pools.
    attempt().await;
    attempt().await;
    let (threads, memory) = (status("Threads:"), status("VmRSS:"));
    for _ in 0..5 {
        attempt().await;
    }
    let (more_threads, more_memory) = (
        status("Threads:").saturating_sub(threads),
        status("VmRSS:").saturating_sub(memory),
    );
    assert!(more_threads <= 2, "{more_threads} more threads");
    assert!(more_memory < 4096, "{more_memory} KiB more memory");
}
