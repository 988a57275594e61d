//! The conformance suite passes what keeps the contract, and catches what breaks any rule of it.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod broken;

mod memory {
    //! The reference implementation.

    use std::sync::{Arc, Mutex};

    use block::{Disk, MemoryDevice, conformance::Options};

    /// Memory survives its owner, so that it can be opened again.
    pub(super) fn options(last: &Arc<Mutex<Option<Arc<MemoryDevice>>>>) -> Options {
        let again = |last: &Arc<Mutex<Option<Arc<MemoryDevice>>>>, read_only: bool| {
            let mut last = last.lock().unwrap();
            let device = Arc::new(last.as_ref().expect("a device was opened").reopen(read_only));
            *last = Some(device.clone());
            device as Disk
        };
        let (reopen, read_only) = (last.clone(), last.clone());
        Options::default()
            .with_reopen(move |_| std::future::ready(again(&reopen, false)))
            .with_read_only(move |_| std::future::ready(again(&read_only, true)))
    }

    pub(super) fn opener(
        last: Arc<Mutex<Option<Arc<MemoryDevice>>>>,
    ) -> impl Fn(u64) -> std::future::Ready<Disk> + Send + Sync + 'static {
        move |size| {
            let device = Arc::new(MemoryDevice::new(size).unwrap());
            *last.lock().unwrap() = Some(device.clone());
            std::future::ready(device as Disk)
        }
    }

    block::conformance_tests!(opener(Arc::default()), Options::default());

    #[tokio::test]
    async fn all_at_once_with_reopening() {
        let last = Arc::default();
        block::conformance::run(opener(Arc::clone(&last)), options(&last)).await;
    }
}
