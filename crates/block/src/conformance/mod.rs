//! The behaviour that every [`BlockDevice`](crate::BlockDevice) must show, as one suite of [`Case`]s.
//!
//! A store or layer runs it in its own tests, either case by case:
//!
//! ```
//! use block::conformance::Options;
//! use std::sync::Arc;
//!
//! async fn open(size: u64) -> block::Disk {
//!     Arc::new(block::MemoryDevice::new(size).expect("a multiple of 512"))
//! }
//!
//! block::conformance_tests!(open, Options::default());
//! # fn main() {}
//! ```
//!
//! or all at once with [`run`]. Everything random follows from [`Options::seed`], which a failure names together with
//! the case.

mod concurrent;
mod content;
mod data;
mod dropped;
mod durability;
mod history;
mod lifecycle;
mod mirror;
mod requests;

use std::{any::Any, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};

use crate::{Disk, MAX_REQUEST};

/// How a case went; the text of a failure says what was seen and what should have been.
type Outcome<T = ()> = Result<T, String>;

/// Turns one device into another on the same storage; see [`Options::reopen`].
pub type Reopen = Arc<dyn Fn(Disk) -> BoxFuture<'static, Disk> + Send + Sync>;

/// Fails a case unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
use ensure;

/// What the suite may do with a device.
#[derive(Clone)]
pub struct Options {
    /// Where all randomness comes from.
    pub seed: u64,
    /// Operations of each concurrent case; the other random cases take a part of it.
    pub operations: usize,
    /// Tasks of each concurrent case.
    pub tasks: usize,
    /// Size of the largest device that is opened, in bytes. Limits of a request can only be tried if it is over
    /// [`MAX_REQUEST`].
    pub max_size: u64,
    /// How long one case may take; one that takes longer hangs.
    pub time_limit: Duration,
    /// Opens the storage of a device again: of a closed one as it is, of one still open as after a power failure, in
    /// which everything that was not flushed may be lost. Without it durability cannot be tried.
    pub reopen: Option<Reopen>,
    /// Opens the storage of a (closed) device read-only. Without it that cannot be tried.
    pub read_only: Option<Reopen>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0x5EED_C10D,
            operations: 4000,
            tasks: 16,
            max_size: u64::from(MAX_REQUEST) + (2 << 20),
            time_limit: Duration::from_secs(120),
            reopen: None,
            read_only: None,
        }
    }
}

impl Options {
    /// With a way to open the storage of a device again; see [`Options::reopen`].
    #[must_use]
    pub fn with_reopen<F, Fut>(mut self, reopen: F) -> Self
    where
        F: Fn(Disk) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Disk> + Send + 'static,
    {
        self.reopen = Some(Arc::new(move |disk| reopen(disk).boxed()));
        self
    }

    /// With a way to open the storage of a device read-only; see [`Options::read_only`].
    #[must_use]
    pub fn with_read_only<F, Fut>(mut self, read_only: F) -> Self
    where
        F: Fn(Disk) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Disk> + Send + 'static,
    {
        self.read_only = Some(Arc::new(move |disk| read_only(disk).boxed()));
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("seed", &self.seed)
            .field("operations", &self.operations)
            .field("tasks", &self.tasks)
            .field("max_size", &self.max_size)
            .field("reopen", &self.reopen.is_some())
            .field("read_only", &self.read_only.is_some())
            .finish_non_exhaustive()
    }
}

/// The kind of device under test.
pub struct Target {
    open: Box<dyn Fn(u64) -> BoxFuture<'static, Disk> + Send + Sync>,
    options: Options,
}

impl Target {
    /// Devices made by `open`, each fresh, all zeroes and of the size in bytes that it is given (a multiple of 4096).
    ///
    /// The suite opens them one after another and closes each before the next.
    pub fn new<F, Fut>(open: F, options: Options) -> Self
    where
        F: Fn(u64) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Disk> + Send + 'static,
    {
        Self {
            open: Box::new(move |size| open(size).boxed()),
            options,
        }
    }

    /// Opens a device of `size` bytes, or of the largest size allowed.
    async fn open(&self, size: u64) -> Disk {
        (self.open)(size.min(self.options.max_size)).await
    }

    /// Runs one case.
    ///
    /// # Errors
    ///
    /// What the device did wrong. A panic of the device and a case that does not end count too.
    pub async fn check(&self, case: Case) -> Result<(), Failure> {
        let run = AssertUnwindSafe(case.run(self)).catch_unwind();
        let detail = match tokio::time::timeout(self.options.time_limit, run).await {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(detail))) => detail,
            Ok(Err(panic)) => format!("panic: {}", panic_text(panic.as_ref())),
            Err(_) => format!("did not end within {:?}", self.options.time_limit),
        };
        Err(Failure {
            case,
            seed: self.options.seed,
            detail,
        })
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("(no text)")
}

/// A rule that a device broke.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("conformance case {} with seed {seed:#x}: {detail}", case.name())]
pub struct Failure {
    /// Which case.
    pub case: Case,
    /// The seed it ran with.
    pub seed: u64,
    /// What was seen and what should have been.
    pub detail: String,
}

macro_rules! cases {
    ($($(#[doc = $doc:literal])+ $variant:ident = $module:ident :: $name:ident,)+) => {
        /// One rule of the contract, or a few that belong together.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Case {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Case {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name of the case, which is also the name of its test.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($name),)+
                }
            }

            async fn run(self, target: &Target) -> Outcome {
                match self {
                    $(Self::$variant => $module::$name(target).await,)+
                }
            }
        }
    };
}

cases! {
    /// Size, block sizes, name and status are as the contract says.
    Properties = requests::properties,
    /// Requests outside the disk fail with `OutOfRange`, also where the sum overflows, and change nothing.
    Bounds = requests::bounds,
    /// Misaligned requests fail with `Misaligned` and change nothing.
    Alignment = requests::alignment,
    /// A length of zero succeeds and does nothing.
    ZeroLengths = requests::zero_lengths,
    /// The longest request works, a longer one fails.
    LongRequests = requests::long_requests,
    /// Writes and reads with any split and any segmentation overlap as they should.
    Overlap = content::overlap,
    /// Zeroes with every combination of flags.
    Zeroes = content::zeroes,
    /// Discarded ranges read as promised.
    Discard = content::discard,
    /// Extents cover what was asked for and agree with the content.
    Extents = content::extents,
    /// Growing shows zeroes, shrinking forgets, the status tells the size.
    Resize = lifecycle::resize,
    /// A read-only device reads and refuses everything else (with [`Options::read_only`]).
    ReadOnly = lifecycle::read_only,
    /// Closing is idempotent and final.
    Close = lifecycle::close,
    /// Flush and FUA complete, in any place.
    Flush = durability::flush,
    /// What was flushed before a power failure is there after it (with [`Options::reopen`]).
    PowerLoss = durability::power_loss,
    /// What was written before a close is there after it (with [`Options::reopen`]).
    CleanClose = durability::clean_close,
    /// Many tasks at once, each on sectors of its own between those of others.
    ConcurrentDisjoint = concurrent::concurrent_disjoint,
    /// Many tasks at once on the same few sectors.
    ConcurrentOverlapping = concurrent::concurrent_overlapping,
    /// A write whose future was dropped never appears after a later one has completed.
    DroppedFutures = dropped::dropped_futures,
}

impl Case {
    /// The case of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|case| case.name() == name)
    }
}

/// Runs one case on devices made by `open` (see [`Target::new`]).
///
/// # Panics
///
/// If the device breaks a rule; the text names case and seed.
pub async fn run_case<F, Fut>(case: Case, open: F, options: Options)
where
    F: Fn(u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Disk> + Send + 'static,
{
    if let Err(failure) = Target::new(open, options).check(case).await {
        panic!("{failure}");
    }
}

/// Runs all cases on devices made by `open` (see [`Target::new`]).
///
/// # Panics
///
/// If the device breaks a rule; the text names all cases that failed, and the seed.
pub async fn run<F, Fut>(open: F, options: Options)
where
    F: Fn(u64) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Disk> + Send + 'static,
{
    let target = Target::new(open, options);
    let mut failures = Vec::new();
    for &case in Case::ALL {
        failures.extend(target.check(case).await.err().map(|failure| failure.to_string()));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Makes one `#[tokio::test]` of each [`Case`](crate::conformance::Case): `conformance_tests!(open, options)`.
///
/// `open` is an expression as for [`Target::new`](crate::conformance::Target::new), `options` one that gives
/// [`Options`](crate::conformance::Options); both are evaluated in each test. Put it in a module of its own where a
/// file tests several devices.
#[macro_export]
macro_rules! conformance_tests {
    ($open:expr, $options:expr $(,)?) => {
        $crate::conformance_tests! {
            @cases $open, $options;
            properties bounds alignment zero_lengths long_requests overlap zeroes discard extents resize read_only close
            flush power_loss clean_close concurrent_disjoint concurrent_overlapping dropped_futures
        }
    };
    (@cases $open:expr, $options:expr; $($name:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let case = $crate::conformance::Case::by_name(stringify!($name)).expect("a case of the suite");
                $crate::conformance::run_case(case, $open, $options).await;
            }
        )+

        #[test]
        fn every_case_is_run() {
            let names: Vec<_> = $crate::conformance::Case::ALL.iter().map(|case| case.name()).collect();
            assert_eq!(names, [$(stringify!($name)),+]);
        }
    };
}
