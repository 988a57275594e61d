//! The MD5 of payloads, computed where it holds nobody up.

use std::{sync::LazyLock, thread::available_parallelism};

use ::md5::{Digest, Md5};
use base64::{Engine, engine::general_purpose::STANDARD};
use block::Payload;
use tokio::{sync::Semaphore, task::spawn_blocking};

/// Shorter payloads are summed on the spot: handing them to another thread takes longer.
const WORTH_A_THREAD: usize = 64 << 10;

/// One sum for each CPU at a time: more threads would only take turns.
static PLACES: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(available_parallelism().map_or(1, usize::from)));

/// The MD5 of a payload as `Content-MD5` has it (RFC 1864).
///
/// A front end may run all its requests in one task, which would otherwise send and receive nothing meanwhile: a MiB
/// takes milliseconds. Dropped halfway, it finishes its sum in the background and forgets it.
pub(crate) async fn content_md5(data: &Payload) -> String {
    if data.len() >= WORTH_A_THREAD
        && let Ok(place) = PLACES.acquire().await
    {
        let data = data.clone();
        let sum = spawn_blocking(move || {
            let sum = sum(&data);
            drop(place);
            sum
        });
        // Fails only while the runtime ends.
        if let Ok(sum) = sum.await {
            return sum;
        }
    }
    sum(data)
}

fn sum(data: &Payload) -> String {
    let mut hash = Md5::new();
    for segment in data.segments() {
        hash.update(segment);
    }
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sums_are_those_of_the_standard() {
        // RFC 1321, A.5: "" and "message digest".
        assert_eq!(content_md5(&Payload::new()).await, "1B2M2Y8AsgTpgAmY7PhCfg==");
        let mut split = Payload::from(b"message ".to_vec());
        split.append(b"digest".to_vec().into());
        assert_eq!(content_md5(&split).await, "+WtpfXy3k41SWi8xqvFh0A==");
    }

    #[tokio::test]
    async fn another_thread_comes_to_the_same_sum() {
        for len in [WORTH_A_THREAD - 1, WORTH_A_THREAD, 1 << 20] {
            let data: Payload = (0..len).map(|at| (at * 7 + at / 251) as u8).collect::<Vec<_>>().into();
            assert_eq!(content_md5(&data).await, sum(&data), "{len} bytes");
        }
    }

    #[tokio::test]
    async fn sums_that_nobody_waits_for_give_their_places_back() {
        let data = Payload::from(vec![1; 1 << 20]);
        for _ in 0..100 {
            drop(futures::poll!(Box::pin(content_md5(&data))));
        }
        assert_eq!(content_md5(&data).await, sum(&data));
    }
}
