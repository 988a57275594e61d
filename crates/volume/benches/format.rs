//! What formatting costs: time, requests, bytes, and memory, on a sparse disk in memory. `cargo bench -p volume`.
//!
//! The memory includes the disk's own: 64 KiB for each place that is written.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use block::{BlockDevice, MemoryDevice, layers::Stats};
use volume::{FileSystem, FormatOptions, Table};

/// Counts what is allocated now, and the most that ever was.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came; only numbers are kept beside.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    println!(
        "{:>10} {:>6} {:>9} {:>7} {:>9} {:>12}",
        "size", "kind", "time", "writes", "bytes", "peak memory"
    );
    for (file_system, gib) in [
        (FileSystem::Fat, 1_u64),
        (FileSystem::Fat, 64),
        (FileSystem::Fat, 1024),
        (FileSystem::ExFat, 1),
        (FileSystem::ExFat, 64),
        (FileSystem::ExFat, 1024),
    ] {
        let options = FormatOptions {
            table: Table::Mbr,
            label: Some("FILMS".to_owned()),
            ..FormatOptions::new(file_system)
        };
        let mut best = f64::INFINITY;
        let mut row = String::new();
        for _ in 0..20 {
            let disk = Arc::new(Stats::new(Arc::new(MemoryDevice::new(gib << 30).unwrap())));
            let before = NOW.load(Ordering::Relaxed);
            MOST.store(before, Ordering::Relaxed);
            let start = Instant::now();
            let made = runtime.block_on(volume::format(&*disk, &options, &|_, _| ())).unwrap();
            best = best.min(start.elapsed().as_secs_f64());
            let peak = MOST.load(Ordering::Relaxed) - before;
            let written = disk.snapshot().write;
            row = format!(
                "{:>6} GiB {:>6} {:>6.0} us {:>7} {:>9} {:>12}",
                disk.properties().size >> 30,
                made.kind.to_string(),
                best * 1e6,
                written.completed,
                written.bytes,
                peak
            );
        }
        println!("{row}");
    }
}
