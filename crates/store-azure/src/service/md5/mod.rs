//! The MD5 of payloads, several at a time, computed where it holds nobody up.
//!
//! From the bottom up: `lanes` is a machine word that may hold words of several messages, `compress` the function of
//! RFC 1321 over such words, `message` a payload cut into the blocks of that function, `together` the step that takes
//! several messages on by some blocks, `queue` the threads that do so. Why: `docs/decisions/0007`.

mod compress;
mod lanes;
mod message;
mod queue;
#[cfg(target_arch = "x86_64")]
mod sse2;
mod together;

use std::{
    slice,
    sync::{Arc, LazyLock},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use block::Payload;

pub use message::Digest;
use message::Message;
use queue::Queue;
pub use together::Width;

/// Shorter payloads are summed on the spot, in bytes: handing them to another thread takes longer.
const WORTH_A_THREAD: usize = 64 << 10;

/// One for the process: there is one set of CPUs.
static QUEUE: LazyLock<Arc<Queue>> = LazyLock::new(|| Queue::new(together::LANES));

/// The MD5 of a payload as `Content-MD5` has it (RFC 1864).
///
/// A front end may run all its requests in one task, which would otherwise send and receive nothing meanwhile: a MiB
/// takes milliseconds. Whoever drops the future has its sum given up at the next step.
pub(crate) async fn content_md5(data: &Payload) -> String {
    let digest = if data.len() < WORTH_A_THREAD {
        digest(data)
    } else {
        QUEUE.digest(data).await
    };
    STANDARD.encode(digest)
}

/// The MD5 of one payload, here and now.
fn digest(data: &Payload) -> Digest {
    let mut message = Message::new(data.clone());
    while !message.is_done() {
        together::advance(slice::from_mut(&mut message), Width::One);
    }
    message.digest()
}

/// The MD5 of payloads with so many of them in step: for measuring.
#[must_use]
pub fn digests(payloads: &[Payload], width: Width) -> Vec<Digest> {
    let mut messages: Vec<_> = payloads.iter().cloned().map(Message::new).collect();
    for group in messages.chunks_mut(width.lanes()) {
        let mut unfinished: Vec<_> = group.iter_mut().collect();
        while !unfinished.is_empty() {
            together::advance(&mut unfinished, width);
            unfinished.retain(|message| !message.is_done());
        }
    }
    messages.iter().map(Message::digest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sums_are_those_of_the_standard() {
        // RFC 1321, A.5, as RFC 1864 writes them.
        for (text, sum) in [
            ("", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            ("a", "DMF1ucDxtqgxw5niaXcmYQ=="),
            ("abc", "kAFQmDzST7DWlj99KOF/cg=="),
            ("message digest", "+WtpfXy3k41SWi8xqvFh0A=="),
            ("abcdefghijklmnopqrstuvwxyz", "w/zT12GS5AB9+0lsymfhOw=="),
            (
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
                "0XSrmNJ32fWlYRwsn0Gdnw==",
            ),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "V+30oivjyVWsSdouIQe2eg==",
            ),
        ] {
            assert_eq!(
                content_md5(&Payload::from(text.as_bytes().to_vec())).await,
                sum,
                "{text:?}"
            );
        }
    }

    #[tokio::test]
    async fn another_thread_comes_to_the_same_sum() {
        for len in [WORTH_A_THREAD - 1, WORTH_A_THREAD, 1 << 20] {
            let data: Payload = (0..len).map(|at| (at * 7 + at / 251) as u8).collect::<Vec<_>>().into();
            assert_eq!(content_md5(&data).await, STANDARD.encode(digest(&data)), "{len} bytes");
        }
    }
}
