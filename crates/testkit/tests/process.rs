//! Child processes are watched, stopped, and never left behind.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, os::unix::process::ExitStatusExt, time::Duration};

use nix::sys::signal::Signal;
use testkit::{Port, Process};

const LIMIT: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Process {
    Process::builder("sh").args(["-c", script]).spawn().unwrap()
}

/// Whether a process exists and is not a zombie.
fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z'))
    })
}

async fn wait_until_gone(pid: u32) {
    let gone = async {
        while is_alive(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LIMIT, gone).await.unwrap();
}

async fn number_from(process: &Process, prefix: &str) -> u32 {
    let line = process
        .wait_for_line(LIMIT, |line| line.starts_with(prefix))
        .await
        .unwrap();
    line[prefix.len()..].trim().parse().unwrap()
}

#[tokio::test]
async fn lines_of_both_streams_are_captured() {
    let process = shell("echo to out; echo to err >&2; exit 3");
    process.wait_for_line(LIMIT, |line| line == "to out").await.unwrap();
    process.wait_for_line(LIMIT, |line| line == "to err").await.unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(3));
}

#[tokio::test]
async fn a_program_runs_to_its_end_with_its_streams_apart() {
    let output = Process::builder("sh")
        .args(["-c", "echo to out; echo to err >&2; exit 3"])
        .output(LIMIT)
        .await
        .unwrap();
    assert_eq!(output.stdout, b"to out\n");
    assert_eq!(output.stderr, b"to err\n");
    assert_eq!(output.status.code(), Some(3));
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let started = Process::builder("sh")
        .args(["-c", "echo $$ >\"$1.part\"; mv \"$1.part\" \"$1\"; sleep 1000", "sh"])
        .arg(&file)
        .output(Duration::from_secs(2));
    let error = started.await.unwrap_err().to_string();
    assert!(error.contains("sh did not end in 2s"), "{error}");
    let pid = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    wait_until_gone(pid).await;
}

#[tokio::test]
async fn a_process_that_ends_too_early_fails_the_wait_and_shows_its_log() {
    let process = shell("echo something is wrong; exit 7");
    let error = process
        .wait_for_line(LIMIT, |line| line == "ready")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("exit code 7") && error.contains("something is wrong"),
        "{error}"
    );
    let port = Port::reserve().unwrap();
    assert!(process.wait_for_port(port.address(), LIMIT).await.is_err());
}

#[tokio::test]
async fn a_wait_is_bounded() {
    let process = shell("echo only this; sleep 1000");
    let error = process
        .wait_for_line(Duration::from_millis(50), |line| line == "ready")
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("did not write the line waited for"), "{error}");
    assert!(process.exit_status().is_none());
}

#[tokio::test]
async fn a_kill_takes_the_whole_group() {
    let process = shell("sleep 1000 & echo child $!; wait");
    let child = number_from(&process, "child ").await;
    process.kill().await.unwrap();
    assert_eq!(process.exit_status().unwrap().signal(), Some(Signal::SIGKILL as i32));
    assert!(!is_alive(child));
}

#[tokio::test]
async fn dropping_stops_it_and_its_children() {
    let process = shell("sleep 1000 & echo child $!; wait");
    let (parent, child) = (process.id(), number_from(&process, "child ").await);
    drop(process);
    assert!(!is_alive(parent) && !is_alive(child));
}

#[tokio::test]
async fn what_a_process_leaves_behind_in_its_group_dies_with_it() {
    let process = shell("sleep 1000 > /dev/null 2>&1 & echo child $!");
    let child = number_from(&process, "child ").await;
    process.wait_success(LIMIT).await.unwrap();
    wait_until_gone(child).await;
}

#[tokio::test]
async fn a_graceful_stop_lets_it_clean_up() {
    let process = shell("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
    process.wait_for_line(LIMIT, |line| line == "ready").await.unwrap();
    assert!(process.stop(LIMIT).await.unwrap().success());
    process.wait_for_line(LIMIT, |line| line == "bye").await.unwrap();
}

#[tokio::test]
async fn one_that_ignores_the_request_is_killed_and_reported() {
    let process = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    process.wait_for_line(LIMIT, |line| line == "ready").await.unwrap();
    assert!(process.stop(Duration::from_millis(100)).await.is_err());
    assert!(!is_alive(process.id()));
}

#[tokio::test]
async fn standard_input_reaches_it() {
    let mut process = Process::builder("cat").piped_stdin().spawn().unwrap();
    process.write_stdin(b"hello\n").unwrap();
    process.wait_for_line(LIMIT, |line| line == "hello").await.unwrap();
    process.close_stdin();
    process.wait_success(LIMIT).await.unwrap();
}

#[tokio::test]
async fn a_paused_process_goes_on_when_resumed() {
    let mut process = Process::builder("cat").piped_stdin().spawn().unwrap();
    process.write_stdin(b"ready\n").unwrap();
    process.wait_for_line(LIMIT, |line| line == "ready").await.unwrap();
    process.pause();
    let state = |letter: char| move |stat: String| stat.rsplit(") ").next().unwrap().starts_with(letter);
    let stat = format!("/proc/{}/stat", process.id());
    process
        .wait_until(LIMIT, "stopped", || {
            let stopped = fs::read_to_string(&stat).is_ok_and(state('T'));
            async move { stopped }
        })
        .await
        .unwrap();
    process.resume();
    process
        .wait_until(LIMIT, "running", || {
            let running = fs::read_to_string(&stat).is_ok_and(|text| !state('T')(text));
            async move { running }
        })
        .await
        .unwrap();
}

/// The test below runs itself again in a process that is killed, with this set.
const PARENT: &str = "TESTKIT_PARENT_TO_BE_KILLED";

#[tokio::test]
async fn children_die_with_a_killed_test() {
    if std::env::var_os(PARENT).is_some() {
        let process = shell("echo started; sleep 1000");
        process.wait_for_line(LIMIT, |line| line == "started").await.unwrap();
        println!("grandchild {}", process.id());
        std::future::pending::<()>().await;
    }
    let parent = Process::builder(std::env::current_exe().unwrap())
        .args(["children_die_with_a_killed_test", "--exact", "--nocapture"])
        .env(PARENT, "1")
        .spawn()
        .unwrap();
    let line = parent
        .wait_for_line(LIMIT, |line| line.contains("grandchild "))
        .await
        .unwrap();
    let grandchild: u32 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(is_alive(grandchild));
    // The grandchild leads a group of its own, so only the kernel's signal at its parent's death can reach it.
    parent.kill().await.unwrap();
    wait_until_gone(grandchild).await;
}

#[tokio::test]
async fn children_outlive_the_thread_that_started_them() {
    let process = std::thread::spawn(|| shell("echo ready; read line; echo got $line"));
    let process = process.join().unwrap();
    process
        .wait_for_line(LIMIT, |line| line.starts_with("got"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error_with_its_name() {
    let error = Process::builder("/no/such/program").spawn().unwrap_err();
    assert!(format!("{error:#}").contains("/no/such/program"), "{error:#}");
}
