//! The service dies in the middle of writes and comes back: nothing acknowledged and flushed is lost.

mod support;

use std::{collections::BTreeMap, sync::Arc};

use block::{BlockDevice, Payload};
use rand::{Rng, SeedableRng, rngs::StdRng};
use support::{MIB, disk, open, random, store_at};
use testkit::{
    Azurite,
    azurite::{Options, Persistence},
};

/// A sector-sized area each: what it held when the last flush completed, and what may have come since.
#[derive(Default)]
struct Model {
    flushed: BTreeMap<u64, Vec<u8>>,
    since: BTreeMap<u64, Vec<Vec<u8>>>,
}

const AREA: u64 = 4096;
const AREAS: u64 = 64;

#[tokio::test]
async fn kill_9_under_writes_loses_nothing_that_was_flushed() {
    let mut azurite = Azurite::start(Options {
        persistence: Persistence::Durable,
        ..Options::default()
    })
    .await
    .unwrap();
    let store = store_at(&azurite, |config| config.deadline_seconds = 60).await;
    let disk = Arc::new(disk(&store, "tv", MIB).await);
    let mut random_numbers = StdRng::seed_from_u64(11);
    let mut model = Model::default();
    for round in 0..3 {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let seed = random_numbers.random();
        let writer = tokio::spawn(work(disk.clone(), std::mem::take(&mut model), seed, stopped));
        support::until("some writes are through", {
            let mut polls = 0;
            move || {
                polls += 1;
                polls > 20 + round * 7
            }
        })
        .await;
        azurite.kill().await.unwrap();
        azurite.restart().await.unwrap();
        stop.send(true).unwrap();
        model = writer.await.unwrap();
        check(&disk, &model).await;
    }
    disk.close().await.unwrap();
    let again = open(&store, "tv").await;
    check(&again, &model).await;
    again.close().await.unwrap();
}

/// Writes, four at a time, and flushes now and then until told to stop.
async fn work(
    disk: Arc<store_azure::AzureDisk>,
    mut model: Model,
    seed: u64,
    stopped: tokio::sync::watch::Receiver<bool>,
) -> Model {
    let mut numbers = StdRng::seed_from_u64(seed);
    while !*stopped.borrow() {
        let first = numbers.random_range(0..AREAS / 4);
        let batch: Vec<(u64, Vec<u8>)> = (0..4)
            .map(|lane| (first + lane * (AREAS / 4), random(numbers.random(), AREA as usize)))
            .collect();
        for (area, data) in &batch {
            model.since.entry(*area).or_default().push(data.clone());
        }
        let writes = batch
            .iter()
            .map(|(area, data)| disk.write(area * AREA, Payload::from(data.clone()), Default::default()));
        let results = futures::future::join_all(writes).await;
        for ((area, data), result) in batch.into_iter().zip(results) {
            if result.is_ok() {
                // Acknowledged: nothing older may come back.
                model.since.insert(area, vec![data]);
            } else {
                // It may be there or not; one candidate alone would count as known.
                let before = model.flushed.get(&area).cloned();
                let before = before.unwrap_or_else(|| vec![0; AREA as usize]);
                model.since.entry(area).or_default().push(before);
            }
        }
        if numbers.random_bool(0.3) && disk.flush().await.is_ok() {
            for (area, mut candidates) in std::mem::take(&mut model.since) {
                if candidates.len() == 1 {
                    model.flushed.insert(area, candidates.remove(0));
                } else {
                    model.since.insert(area, candidates);
                }
            }
        }
    }
    model
}

async fn check(disk: &store_azure::AzureDisk, model: &Model) {
    for area in 0..AREAS {
        let found = support::read(disk, area * AREA, AREA as u32).await;
        let flushed = model
            .flushed
            .get(&area)
            .cloned()
            .unwrap_or_else(|| vec![0; AREA as usize]);
        let legal = match model.since.get(&area).map(Vec::as_slice) {
            None => found == flushed,
            // The service is durable when it acknowledges; the last write, if acknowledged, must be there.
            Some(candidates) => found == flushed || candidates.contains(&found),
        };
        assert!(
            legal,
            "area {area} holds neither what was flushed nor what was written since"
        );
    }
}
