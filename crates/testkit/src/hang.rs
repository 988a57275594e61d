//! What a test run that will be killed from outside would never tell: why a test panicked whose end then hangs, and where one
//! hangs that does not panic.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    panic,
    path::Path,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// No test program takes so long on a busy machine, and the limits of a whole run are longer.
const LIMIT: Duration = Duration::from_secs(12 * 60);

/// Panics that are told. A test may want hundreds of its own tasks to fail, which would bury everything else.
const TOLD: u32 = 10;

/// For test programs that use what may block for ever. From now on panics are told at once, past the test harness, which keeps
/// them until the test has ended; and after 12 minutes, which no test program takes, this one tells what its threads wait for,
/// and aborts. Not for benchmarks.
pub fn guard() {
    static ONCE: Once = Once::new();
    static PANICS: AtomicU32 = AtomicU32::new(0);
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if PANICS.fetch_add(1, Ordering::Relaxed) < TOLD {
                let thread = thread::current();
                // Not by `eprintln`, which the harness captures.
                let _ = writeln!(io::stderr(), "panic in {}: {info}", thread.name().unwrap_or("a thread"));
            }
            usual(info);
        }));
        thread::spawn(|| {
            thread::sleep(LIMIT);
            let _ = writeln!(
                io::stderr(),
                "this test program hangs; what its threads and children do:\n{}",
                state()
            );
            std::process::abort();
        });
    });
}

/// Of each thread of this process and each process below it: its name, state, and where in the kernel it waits.
fn state() -> String {
    let mut text = String::new();
    for task in children(Path::new("/proc/self/task")) {
        describe(&task, &mut text);
    }
    for process in children(Path::new("/proc")) {
        let parent = fs::read_to_string(process.join("stat"))
            .ok()
            .and_then(|stat| stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()))
            .and_then(|rest| rest.split(' ').nth(1).map(str::to_owned));
        if parent == Some(std::process::id().to_string()) {
            describe(&process, &mut text);
        }
    }
    text
}

fn children(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn describe(task: &Path, text: &mut String) {
    let read = |name| fs::read_to_string(task.join(name)).unwrap_or_default();
    let status = read("status");
    let state = status
        .lines()
        .find(|line| line.starts_with("State:"))
        .unwrap_or_default();
    let _ = writeln!(
        text,
        "{} {} {} wchan {} syscall {}",
        task.display(),
        read("comm").trim_end(),
        state,
        read("wchan"),
        read("syscall").trim_end()
    );
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_state_names_this_thread() {
        let name = std::thread::current().name().unwrap().to_owned();
        // The kernel keeps 15 characters of it.
        assert!(super::state().contains(&name[..15]), "{}", super::state());
    }
}
