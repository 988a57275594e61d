//! What each layer adds to a request: `cargo bench -p block --bench layers`.
//!
//! The request is a read of 4 KiB from a hole in memory, which costs next to nothing itself. With a number as argument
//! one layer alone is run that many times and nothing printed, for counting instructions:
//! `valgrind --tool=callgrind target/…/layers stats 100000`.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::{env, hint::black_box, sync::Arc, time::Instant};

use block::{
    BlockDevice, Disk, MemoryDevice,
    layers::{DEFAULT_DEADLINE, Deadline, Limits, ReadOnly, Stats, Throttle},
};

const REQUESTS: u32 = 1_000_000;

fn layer(name: &str, inner: Disk) -> Disk {
    match name {
        "none" => inner,
        "read_only" => Arc::new(ReadOnly::new(inner)),
        "throttle" => Arc::new(Throttle::new(inner, Limits::default())),
        "stats" => Arc::new(Stats::new(inner)),
        "deadline" => Arc::new(Deadline::new(inner, DEFAULT_DEADLINE)),
        other => panic!("no layer {other}"),
    }
}

async fn read(disk: &dyn BlockDevice, times: u32) {
    for _ in 0..times {
        black_box(disk.read(0, 4096).await.unwrap());
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let memory: Disk = Arc::new(MemoryDevice::new(1 << 20).unwrap());
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"))
        .collect();
    if let [name, times] = arguments.as_slice() {
        return read(layer(name, memory).as_ref(), times.parse().unwrap()).await;
    }
    let mut bare = 0.0;
    for name in ["none", "read_only", "throttle", "stats", "deadline"] {
        let disk = layer(name, memory.clone());
        read(disk.as_ref(), REQUESTS / 10).await;
        let start = Instant::now();
        read(disk.as_ref(), REQUESTS).await;
        let each = start.elapsed().as_secs_f64() * 1e9 / f64::from(REQUESTS);
        if name == "none" {
            bare = each;
        }
        println!("{name:10} {each:7.1} ns per request, {:+7.1} ns", each - bare);
    }
}
