//! The network: what the kernel tells of it ([`interfaces`]), and Wi-Fi, where this device looks after it ([`radio`]).

mod interfaces;
mod radio;

use async_trait::async_trait;
use web::{
    api::{Join, Problem, ProblemCode, Unit, WifiNetwork, WifiSecurity},
    appliance::{NetworkControl, Report, Result},
};
use wifi::{Failure, Key, Network, Protection, Ssid};
use zeroize::Zeroizing;

pub(super) use interfaces::{interfaces, is_wired, reachable};
pub(super) use radio::{Radio, keep};

use super::{
    Control,
    configuration::{Draft, on_a_thread},
    update::refuse_on_trial,
};

/// Steps of joining: let in, and an address.
const STEPS: u64 = 2;

fn no_wifi() -> Problem {
    Problem::new(ProblemCode::Unsupported, "this device has no Wi-Fi that it can control")
        .remedy("connect it with a network cable, or set up Wi-Fi in its system")
}

#[async_trait]
impl NetworkControl for Control {
    async fn scan(&self, _: Report<'_>) -> Result<Vec<WifiNetwork>> {
        let radio = self.radio.get().ok_or_else(no_wifi)?;
        let found = radio.wifi.scan().await.map_err(|_| no_wifi())?;
        let networks = found.into_iter().map(|found| WifiNetwork {
            ssid: found.ssid.to_string(),
            signal: found.signal,
            security: match found.protection {
                Protection::Open => WifiSecurity::Open,
                Protection::Password => WifiSecurity::Password,
                Protection::Other => WifiSecurity::Unsupported,
            },
        });
        Ok(networks.collect())
    }

    async fn join(&self, join: Join, report: Report<'_>) -> Result<()> {
        let radio = self.radio.get().ok_or_else(no_wifi)?;
        let network = network(&join)?;
        // What it could not remember is not joined: the network that it is in would be lost for nothing.
        on_a_thread(refuse_on_trial).await?;
        report(0, STEPS, Unit::Steps);
        // Before it is tried, not after: it may be in a message that tells of it.
        let secret = network.key.iter().map(|key| Zeroizing::new(key.expose().to_owned()));
        self.recent.hide(secret);
        let joined = radio.wifi.join(network.clone()).await;
        self.state.refresh();
        joined.map_err(|why| of_failure(&join.ssid, why))?;
        report(1, STEPS, Unit::Steps);
        let words = format!("joined the Wi-Fi network {}", network.ssid);
        let edit = move |draft: &mut Draft| {
            draft.remember_wifi(&network);
            Ok(())
        };
        self.keeper.change_surely(words, edit).await?;
        self.state.refresh();
        Ok(())
    }

    async fn forget(&self, ssid: &str) -> Result<()> {
        if self.radio.get().is_none() {
            return Err(no_wifi());
        }
        let name = ssid.to_owned();
        let edit = move |draft: &mut Draft| draft.forget_wifi(&name);
        let words = format!("forgot the Wi-Fi network {ssid}");
        self.keeper.change_surely(words, edit).await?;
        self.state.refresh();
        Ok(())
    }
}

/// What somebody asked to join.
fn network(join: &Join) -> Result<Network> {
    let invalid = |what: String, field: &str| Problem::new(ProblemCode::Invalid, what).about(&join.ssid).at(field);
    let ssid: Ssid = join
        .ssid
        .parse()
        .map_err(|error: wifi::SsidError| invalid(error.to_string(), "/ssid"))?;
    let password = join.password.as_ref().map(|password| password.expose().to_owned());
    let key = match password.filter(|password| !password.is_empty()) {
        Some(password) => {
            let key = Key::new(password);
            Some(key.map_err(|error| invalid(error.to_string(), "/password"))?)
        }
        None => None,
    };
    Ok(Network {
        ssid,
        key,
        hidden: join.hidden,
    })
}

/// Why a network could not be joined, in words.
pub(super) fn of_failure(name: &str, why: Failure) -> Problem {
    let problem = |code, what: &str, remedy: &str| {
        Problem::new(code, format!("the Wi-Fi network \"{name}\" {what}"))
            .remedy(remedy)
            .about(name)
    };
    match why {
        Failure::WrongKey => problem(
            ProblemCode::WrongSecret,
            "has another password",
            "type the password that other devices use there",
        )
        .at("/password"),
        Failure::NotFound => problem(
            ProblemCode::NotFound,
            "is not in reach",
            "bring the device nearer to the router, or check the name",
        ),
        Failure::Refused => problem(
            ProblemCode::Denied,
            "does not let the device in",
            "check the password, and see whether the router lets new devices in",
        ),
        Failure::NoAddress => problem(
            ProblemCode::Unreachable,
            "gives the device no address",
            "see that the router gives addresses (DHCP)",
        ),
        Failure::Silent => problem(
            ProblemCode::Timeout,
            "does not answer",
            "bring the device nearer to the router, and try again",
        ),
        Failure::Busy => problem(
            ProblemCode::Conflict,
            "cannot be joined now: another one is being joined",
            "try again in a minute",
        ),
        Failure::Radio => problem(
            ProblemCode::Unsupported,
            "cannot be joined: the radio does not work",
            "see the log; a radio on USB may need to be plugged in again",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_joined_is_refused_before_it_is_tried() {
        let join = |ssid: &str, password: Option<&str>| {
            let text = match password {
                Some(password) => format!("{{\"ssid\": {ssid:?}, \"password\": {password:?}}}"),
                None => format!("{{\"ssid\": {ssid:?}}}"),
            };
            let join: Join = serde_json::from_str(&text).unwrap();
            network(&join)
        };
        assert!(join("Home", Some("")).unwrap().key.is_none());
        let short = join("Home", Some("planted")).unwrap_err();
        assert_eq!(short.field.as_deref(), Some("/password"));
        assert!(!format!("{short:?}").contains("planted"));
        assert_eq!(join(&"x".repeat(33), None).unwrap_err().field.as_deref(), Some("/ssid"));
    }
}
