//! What handlers share.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

use crate::{
    access::Access,
    api::{Live, Problem, State},
    appliance::Appliance,
    events::Hub,
    tasks::Tasks,
};

/// What handlers share. Clones are the same.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) appliance: Arc<dyn Appliance>,
    pub(crate) access: Arc<Access>,
    pub(crate) tasks: Tasks,
    /// Changes under way.
    pub(crate) changes: TaskTracker,
    pub(crate) events: Hub,
    name: watch::Receiver<Arc<str>>,
    certificate: Arc<Notify>,
}

impl App {
    pub(crate) fn new(appliance: Arc<dyn Appliance>, access: Arc<Access>, certificate: Arc<Notify>) -> Self {
        let tasks = Tasks::new();
        Self {
            name: appliance.name(),
            events: Hub::new(appliance.clone(), tasks.clone()),
            appliance,
            access,
            tasks,
            changes: TaskTracker::new(),
            certificate,
        }
    }

    /// What the owner calls the device.
    pub(crate) fn name(&self) -> String {
        self.name.borrow().to_string()
    }

    /// How everything is at this moment.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.appliance.live().borrow().clone()
    }

    /// The same with the tasks, as it goes over the wire.
    pub(crate) fn state(&self) -> State {
        crate::events::state(&self.live(), &self.tasks)
    }

    /// Removes all that is of the owner, and restarts a device that overwrites it then.
    pub(crate) async fn factory_reset(&self) -> Result<(), Problem> {
        self.tasks.end_all().await?;
        self.appliance.factory_reset().await?;
        let forgotten = self.forget_owner().await;
        // Whatever became of that: the next start does it surely.
        self.appliance.restart_to_wipe().await?;
        forgotten
    }

    /// Takes the device from its owner: a new claim code, no sessions, tokens and tasks, a certificate with a new key.
    pub(crate) async fn forget_owner(&self) -> Result<(), Problem> {
        self.access.reset().await?;
        self.tasks.forget_all();
        self.certificate.notify_one();
        Ok(())
    }
}
