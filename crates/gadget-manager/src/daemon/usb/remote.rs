//! The USB side from elsewhere: what is going on, and orders of the owner.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gadget::GadgetError;
use tokio::sync::{mpsc, oneshot};

use super::report::Report;

/// How long an order may take: writing out, and a little.
const PATIENCE: Duration = Duration::from_secs(40);

/// What the owner wants.
pub(super) struct Order {
    /// Which LUN; nothing for all of them.
    pub lun: Option<usize>,
    pub kind: Kind,
    pub reply: oneshot::Sender<Result<(), OrderError>>,
}

/// What is to happen to a LUN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its disk belongs in it again, whoever took it out.
    Insert,
    /// Its disk stays out until it is inserted.
    Eject {
        /// Also if the host has locked it.
        force: bool,
    },
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// There is no gadget at this moment.
    #[error("there is no stick at this moment")]
    NoStick,
    /// The gadget says no.
    #[error(transparent)]
    Gadget(#[from] GadgetError),
    /// It takes too long.
    #[error("the stick does not react")]
    Late,
}

/// A way to the task that runs the gadget. Clones are the same.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(super) report: Arc<Mutex<Report>>,
    pub(super) orders: mpsc::Sender<Order>,
}

impl Remote {
    /// What is going on, without secrets.
    pub(crate) fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the medium out of a LUN once everything is written, and keeps it out.
    pub(crate) async fn eject(&self, lun: usize, force: bool) -> Result<(), OrderError> {
        self.order(Some(lun), Kind::Eject { force }).await
    }

    /// Puts the disk of a LUN back in as soon as it is open; of all LUNs if none is named.
    pub(crate) async fn insert(&self, lun: Option<usize>) -> Result<(), OrderError> {
        self.order(lun, Kind::Insert).await
    }

    async fn order(&self, lun: Option<usize>, kind: Kind) -> Result<(), OrderError> {
        let (reply, answer) = oneshot::channel();
        let order = Order { lun, kind, reply };
        let carried = async {
            self.orders.send(order).await.map_err(|_| OrderError::NoStick)?;
            answer.await.unwrap_or(Err(OrderError::NoStick))
        };
        tokio::time::timeout(PATIENCE, carried)
            .await
            .unwrap_or(Err(OrderError::Late))
    }
}
