//! The thread that owns a gadget: everything that changes it happens here, one thing after the other.

use std::{io, path::PathBuf, sync::Arc};

use nix::errno::Errno;
use tokio::sync::broadcast;
use usb_gadget::{Class, Config, Gadget, Id, RegGadget, Strings, function::msd::Msd};

use crate::{
    DeviceState, Environment, GadgetConfig, GadgetError, GadgetEvent, NAME_PREFIX, adopt, attribute, leftovers,
    lun::Luns, pause, serial, shadow::Shadow, support, udc, watcher::Watched,
};

/// A gadget in configfs. Dropping it takes it away again.
#[derive(Debug)]
pub(crate) struct Owner {
    gadget: Option<RegGadget>,
    lock: Option<leftovers::Lock>,
    pub(crate) luns: Luns,
    environment: Environment,
    wanted_udc: Option<String>,
    watched: Arc<Watched>,
    softly_disconnected: bool,
}

impl Owner {
    /// Describes the gadget and loads its media; the host sees nothing yet. If a step fails, what the steps before it
    /// made is removed in reverse order.
    pub(crate) fn create(
        config: &GadgetConfig,
        environment: Environment,
        shadow: Arc<Shadow>,
        watched: Arc<Watched>,
        events: broadcast::Sender<GadgetEvent>,
    ) -> Result<Self, GadgetError> {
        config.checked()?;
        pause::look(&environment.gadgets());
        support::prepare(&environment)?;
        let name = format!("{NAME_PREFIX}{}", config.name);
        let guard = leftovers::serialize(&environment)?;
        leftovers::clean(&environment, |found| found == name)?;
        if environment.gadgets().join(&name).exists() {
            return Err(GadgetError::InUse { name });
        }
        watched.set_udc(&udc::choose(&environment, config.udc.as_deref())?.name);

        let serial = config
            .serial
            .clone()
            .unwrap_or_else(|| serial::derive(&environment).serial);
        let (function, gadget) =
            describe(config, name.clone(), serial).map_err(|error| explain(&environment, &name, error))?;
        let lock = leftovers::try_lock(gadget.path())?;
        drop(guard);

        let luns = Luns::new(function, config.luns.clone(), shadow, events);
        luns.load()?;
        tracing::info!(
            gadget = name,
            udc = watched.udc(),
            luns = config.luns.len(),
            "gadget created"
        );
        Ok(Self {
            gadget: Some(gadget),
            lock,
            luns,
            environment,
            wanted_udc: config.udc.clone(),
            watched,
            softly_disconnected: false,
        })
    }

    /// Takes over a gadget that a dead process left bound, if it is what the configuration says; `None` if there is none
    /// or another one, which is left as it is.
    pub(crate) fn adopt(
        config: &GadgetConfig,
        environment: Environment,
        shadow: Arc<Shadow>,
        watched: Arc<Watched>,
        events: broadcast::Sender<GadgetEvent>,
    ) -> Result<Option<Self>, GadgetError> {
        config.checked()?;
        let name = format!("{NAME_PREFIX}{}", config.name);
        let folder = environment.gadgets().join(&name);
        if !folder.is_dir() {
            return Ok(None);
        }
        let guard = leftovers::serialize(&environment)?;
        let lock = leftovers::try_lock(&folder)?.ok_or_else(|| GadgetError::InUse { name: name.clone() })?;
        let serial = config
            .serial
            .clone()
            .unwrap_or_else(|| serial::derive(&environment).serial);
        let (function, udc) = match adopt::compare(&folder, config, &serial)? {
            Ok(found) => found,
            Err(difference) => {
                tracing::info!(
                    gadget = name,
                    difference,
                    "a gadget left over is not what is configured"
                );
                return Ok(None);
            }
        };
        let gadget = usb_gadget::registered()
            .map_err(|source| GadgetError::attribute("read", &environment.gadgets(), source))?
            .into_iter()
            .find(|gadget| gadget.path() == folder);
        drop(guard);
        watched.set_udc(&udc);
        watched.is_up();
        let luns = Luns::new(function, config.luns.clone(), shadow, events);
        luns.note()?;
        tracing::info!(gadget = name, udc, "gadget of a process that died taken over");
        Ok(Some(Self {
            gadget,
            lock: Some(lock),
            luns,
            environment,
            wanted_udc: config.udc.clone(),
            // Unknown, but with no host there, binding anew does no harm.
            softly_disconnected: watched.state().state == DeviceState::NotAttached,
            watched,
        }))
    }

    fn gadget(&self) -> Result<&RegGadget, GadgetError> {
        self.gadget.as_ref().ok_or(GadgetError::Removed)
    }

    /// Binds the controller; does nothing if connected.
    ///
    /// After a soft disconnect it is bound anew: `soft_connect` alone does not switch the driver's callbacks on again
    /// (`soft_connect_store`, `udc/core.c`, without `usb_gadget_enable_async_callbacks`), so that controllers which have
    /// that switch answer no host.
    pub(crate) fn connect(&mut self) -> Result<(), GadgetError> {
        if self.bound_udc()?.is_some() {
            if !self.softly_disconnected {
                return Ok(());
            }
            self.disconnect()?;
        }
        let gadget = self.gadget()?;
        let udc = udc::choose(&self.environment, self.wanted_udc.as_deref())?;
        if let Some(owner) = udc.gadget {
            return Err(GadgetError::UdcBusy { udc: udc.name, owner });
        }
        self.watched.set_udc(&udc.name);
        let attribute = gadget.path().join("UDC");
        let controller = usb_gadget::udcs()
            .map_err(|source| GadgetError::attribute("read", &self.environment.udc_class(), source))?
            .into_iter()
            .find(|controller| controller.name() == udc.name.as_str())
            .ok_or_else(|| GadgetError::UdcNotFound {
                name: udc.name.clone(),
                present: String::new(),
            })?;
        pause::end();
        self.watched.raise();
        let bound = gadget.bind(Some(&controller)).inspect_err(|_| self.watched.lower());
        bound.map_err(|error| match error.kind() {
            io::ErrorKind::ResourceBusy => GadgetError::UdcBusy {
                owner: self.owner_of(&udc.name),
                udc: udc.name.clone(),
            },
            _ => GadgetError::attribute("bind", &attribute, error),
        })?;
        tracing::info!(udc = udc.name, "gadget connected");
        Ok(())
    }

    /// Takes the gadget off the controller, which others may use then.
    pub(crate) fn disconnect(&mut self) -> Result<(), GadgetError> {
        let gadget = self.gadget()?;
        if self.bound_udc()?.is_some() {
            gadget
                .bind(None)
                .map_err(|source| GadgetError::attribute("unbind", &gadget.path().join("UDC"), source))?;
            pause::begin();
            tracing::info!("gadget disconnected");
        }
        self.softly_disconnected = false;
        self.watched.lower();
        Ok(())
    }

    /// Lets go of the data line, keeping the controller: to the host, the cable is pulled.
    pub(crate) fn soft_disconnect(&mut self) -> Result<(), GadgetError> {
        let Some(udc) = self.bound_udc()?.filter(|_| !self.softly_disconnected) else {
            return Ok(());
        };
        let path = self.environment.udc_class().join(&udc).join("soft_connect");
        attribute::write(&path, b"disconnect").map_err(|source| GadgetError::attribute("write", &path, source))?;
        pause::begin();
        self.softly_disconnected = true;
        self.watched.lower();
        Ok(())
    }

    /// Unbinds and removes the gadget.
    pub(crate) fn remove(&mut self) -> Result<(), GadgetError> {
        let gadget = self.gadget.take().ok_or(GadgetError::Removed)?;
        let path = gadget.path().to_owned();
        let bound = attribute::get(&path.join("UDC")).is_ok_and(|udc| !udc.is_empty());
        let result = gadget
            .remove()
            .map_err(|source| GadgetError::attribute("remove", &path, source));
        if bound {
            pause::begin();
        }
        self.lock = None;
        self.watched.lower();
        result
    }

    /// Forgets the gadget, which stays as it is for another process to adopt.
    pub(crate) fn detach(&mut self) -> Result<(), GadgetError> {
        self.gadget.take().ok_or(GadgetError::Removed)?.detach();
        self.lock = None;
        Ok(())
    }

    fn bound_udc(&self) -> Result<Option<String>, GadgetError> {
        let path = self.gadget()?.path().join("UDC");
        Ok(Some(attribute::get(&path)?).filter(|udc| !udc.is_empty()))
    }

    fn owner_of(&self, udc: &str) -> String {
        let function = attribute::read(&self.environment.udc_class().join(udc).join("function")).unwrap_or_default();
        if function.is_empty() {
            "of another driver".to_owned()
        } else {
            function
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.gadget.is_some()
            && let Err(error) = self.remove()
        {
            tracing::warn!(%error, "cannot remove the gadget; it is removed at the next start");
        }
    }
}

/// Writes the description through the `usb-gadget` crate, with all drives empty. Returns the function's folder too.
fn describe(config: &GadgetConfig, name: String, serial: String) -> io::Result<(PathBuf, RegGadget)> {
    let mut builder = Msd::builder();
    builder.stall = config.stall;
    for lun in &config.luns {
        let mut drive = usb_gadget::function::msd::Lun::empty();
        drive.read_only = lun.is_read_only();
        drive.cdrom = lun.cdrom;
        drive.no_fua = lun.no_fua;
        drive.removable = lun.removable;
        drive.inquiry_string = lun.inquiry.clone().unwrap_or_default();
        builder.add_lun(drive);
    }
    let (function, handle) = builder.build();
    let mut setup = Config::new("mass storage").with_function(handle);
    setup.max_power = config.max_power_ma;
    setup.self_powered = config.self_powered;
    let mut gadget = Gadget::new(
        Class::INTERFACE_SPECIFIC,
        Id::new(config.vendor_id, config.product_id),
        Strings::new(&config.manufacturer, &config.product, serial),
    )
    .with_config(setup);
    gadget.name = Some(name);
    gadget.device_release = config.device_release;
    gadget.max_speed = config.max_speed.map(crate::Speed::for_kernel);
    let gadget = gadget.register()?;
    let folder = function.status().path().ok_or(io::ErrorKind::NotFound)?;
    Ok((folder, gadget))
}

/// The crate's errors rarely say which attribute failed; what can be known is added.
fn explain(environment: &Environment, name: &str, error: io::Error) -> GadgetError {
    let path = environment.gadgets().join(name);
    // `mkdir functions/mass_storage.x` answers ENOENT if no module offers the function (`usb_get_function_instance`).
    if error.raw_os_error() == Some(Errno::ENOENT as i32) {
        return GadgetError::Unsupported {
            what: "this kernel offers no mass-storage function".to_owned(),
            remedy: support::FUNCTION_REMEDY.to_owned(),
        };
    }
    GadgetError::attribute("create", &path, error)
}
