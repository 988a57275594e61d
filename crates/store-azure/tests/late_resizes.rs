//! A resize that is interrupted, repeated or met by other requests harms nothing that was acknowledged.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod support;

use block::{BlockDevice, BlockError, store::Store};
use store_azure::{AzureDisk, Format};
use support::{
    read, scripted, scripted_store,
    service::{Answer, Fate, Request, Service},
    vhd, write,
};

const SMALL: u64 = 1 << 20;
const LARGE: u64 = 2 << 20;

/// The first request that `wanted` picks goes the way of `fate`, all else as usual.
fn once(service: &Service, wanted: impl Fn(&Request) -> bool + Send + 'static, fate: fn() -> Fate) {
    let mut done = false;
    service.script(move |request| {
        if !done && wanted(request) {
            done = true;
            return fate();
        }
        Fate::Normal
    });
}

/// A service with a VHD of `size` bytes of disk, and that disk, open.
async fn vhd_disk(size: u64) -> (std::sync::Arc<Service>, AzureDisk) {
    let service = Service::start(512).await;
    service.blob.lock().unwrap().exists = false;
    scripted_store(&service, |_| {}).create("tv", &vhd(size)).await.unwrap();
    let disk = scripted(
        &service,
        |config| config.deadline_seconds = 2,
        |settings| settings.format = None,
    )
    .await
    .unwrap();
    assert_eq!((disk.format(), disk.properties().size), (Format::Vhd, size));
    (service, disk)
}

fn metadata(request: &Request) -> bool {
    request.target.contains("comp=metadata")
}

fn clears(request: &Request) -> bool {
    request.header("x-ms-page-write") == "clear"
}

#[tokio::test]
async fn a_late_clear_of_the_old_footer_spares_what_was_written_there() {
    let (service, disk) = vhd_disk(SMALL).await;
    once(&service, clears, || Fate::Late);
    disk.resize(LARGE).await.unwrap();
    assert_eq!(read(&disk, SMALL, 512).await, vec![0; 512]);
    write(&disk, SMALL, vec![7; 512]).await;
    service.release_late();
    assert_eq!(service.late_answers.lock().unwrap()[0].status, 412);
    assert_eq!(read(&disk, SMALL, 512).await, vec![7; 512]);
}

#[tokio::test]
async fn a_late_intent_does_not_come_back_after_the_resize() {
    let (service, disk) = vhd_disk(SMALL).await;
    once(&service, metadata, || Fate::Late);
    disk.resize(LARGE).await.unwrap();
    service.release_late();
    assert_eq!(service.late_answers.lock().unwrap()[0].status, 412);
    assert!(!service.blob.lock().unwrap().metadata.contains_key("cloudstick_resize"));
    // Its answer may be lost after it was carried out, too.
    once(&service, metadata, || Fate::LoseAnswer);
    disk.resize(SMALL).await.unwrap();
    assert!(!service.blob.lock().unwrap().metadata.contains_key("cloudstick_resize"));
}

#[tokio::test]
async fn a_replayed_growth_spares_data_where_the_old_footer_was() {
    let (service, disk) = vhd_disk(LARGE).await;
    write(&disk, SMALL, vec![7; 512]).await;
    disk.close().await.unwrap();
    let intent = format!("{SMALL}:{LARGE}");
    service
        .blob
        .lock()
        .unwrap()
        .metadata
        .insert("cloudstick_resize".to_owned(), intent);
    let clears_before = service.count(clears);
    let disk = scripted(&service, |_| {}, |settings| settings.format = None)
        .await
        .unwrap();
    assert_eq!(read(&disk, SMALL, 512).await, vec![7; 512]);
    assert_eq!(service.count(clears), clears_before);
    let raises = service.count(|request| request.header("x-ms-sequence-number-action") == "max");
    assert_eq!(raises, 3, "one per opening, and one after the resize was completed");
}

#[tokio::test]
async fn after_a_shrink_that_failed_half_way_nothing_is_stored_beyond_it() {
    let (service, disk) = vhd_disk(LARGE).await;
    write(&disk, LARGE - 512, vec![7; 512]).await;
    // The first look succeeds, so that the intent is written down; then the service is gone.
    let mut looks = 0;
    service.script(move |request| match request.method.as_str() {
        "HEAD" if looks < 2 => {
            looks += 1;
            Fate::Normal
        }
        "HEAD" => Fate::Instead(Answer::error(500, "InternalError")),
        _ => Fate::Normal,
    });
    assert!(disk.resize(SMALL).await.unwrap_err().is_retryable());
    service.script(|_| Fate::Normal);
    assert_eq!(disk.properties().size, SMALL);
    let refused = disk.write(SMALL, vec![8; 512].into(), Default::default()).await;
    assert!(matches!(refused, Err(BlockError::OutOfRange { .. })), "{refused:?}");
    // Growing again finishes the shrink first: what was cut off is gone, and so is the footer in between.
    disk.resize(LARGE).await.unwrap();
    assert_eq!(disk.properties().size, LARGE);
    assert_eq!(read(&disk, SMALL, 512).await, vec![0; 512]);
    assert_eq!(read(&disk, LARGE - 512, 512).await, vec![0; 512]);
    disk.close().await.unwrap();
    let disk = scripted(&service, |_| {}, |settings| settings.format = None)
        .await
        .unwrap();
    assert_eq!((disk.format(), disk.properties().size), (Format::Vhd, LARGE));
}

#[tokio::test]
async fn requests_that_waited_behind_a_shrink_find_the_disk_smaller() {
    let (service, disk) = vhd_disk(LARGE).await;
    write(&disk, SMALL, vec![7; 512]).await;
    let (resized, written, cleared, seen) = tokio::join!(
        disk.resize(SMALL),
        disk.write(SMALL, vec![8; 512].into(), Default::default()),
        disk.discard(SMALL, 512),
        disk.read(SMALL, 512),
    );
    resized.unwrap();
    assert!(matches!(written, Err(BlockError::OutOfRange { .. })), "{written:?}");
    assert!(matches!(cleared, Err(BlockError::OutOfRange { .. })), "{cleared:?}");
    match seen {
        Ok(data) => assert_eq!(data.to_vec(), vec![7; 512], "the footer is nothing to see"),
        Err(error) => assert!(matches!(error, BlockError::OutOfRange { .. }), "{error}"),
    }
    disk.close().await.unwrap();
    let disk = scripted(&service, |_| {}, |settings| settings.format = None)
        .await
        .unwrap();
    assert_eq!((disk.format(), disk.properties().size), (Format::Vhd, SMALL));
    // Somebody else made it smaller, who had no business to.
    service.blob.lock().unwrap().data.truncate(4096);
    let refused = disk.read(8192, 512).await;
    assert!(matches!(refused, Err(BlockError::OutOfRange { .. })), "{refused:?}");
    let refused = disk.write(8192, vec![1; 512].into(), Default::default()).await;
    assert!(matches!(refused, Err(BlockError::OutOfRange { .. })), "{refused:?}");
}
