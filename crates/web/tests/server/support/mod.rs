//! A server with a device behind it that lives in memory and keeps real images in a folder.

pub(crate) mod appliance;
mod client;
mod clock;
mod contract;

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use web::{
    access::{Costs, Patience},
    server::{Limits, Options, Server},
};

pub(crate) use appliance::Fake;
pub(crate) use client::{Answer, Client};
pub(crate) use clock::TestClock;
pub(crate) use contract::document;

/// The owner's password.
pub(crate) const PASSWORD: &str = "correct horse";

/// Test addresses of clients. All of 127.0.0.0/8 is this machine's.
pub(crate) fn address(last: u8) -> IpAddr {
    [127, 0, 0, last].into()
}

/// A server and what it needs.
pub(crate) struct Device {
    pub(crate) server: Server,
    pub(crate) fake: Arc<Fake>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) folder: TempDir,
    options: Options,
}

/// Options of a server for tests: little work for passwords, no limit of requests unless the test is about it.
pub(crate) struct Setup(pub(crate) Options, Arc<TestClock>, TempDir);

impl Setup {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(TestClock::default());
        let mut options = Options::new(folder.path().to_owned());
        options.clock = clock.clone();
        options.http = vec!["127.0.0.1:0".parse().unwrap()];
        options.access.costs = Costs {
            memory_kib: 64,
            passes: 1,
        };
        options.access.claim = Patience {
            free: 5,
            first: Duration::from_secs(60),
            longest: Duration::from_secs(3600),
        };
        let many = web::server::Rate {
            burst: 1_000_000,
            per_second: 1_000_000,
        };
        options.limits = Limits {
            rate: many,
            rate_of_one: many,
            ..Limits::default()
        };
        Self(options, clock, folder)
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.0);
        self
    }

    pub(crate) fn with_tls(self) -> Self {
        self.with(|options| options.https = vec!["127.0.0.1:0".parse().unwrap()])
    }

    pub(crate) async fn start(self) -> Device {
        let Self(options, clock, folder) = self;
        let fake = Fake::new(folder.path().join("images"));
        let server = Server::start(options.clone(), fake.clone()).await.unwrap();
        Device {
            server,
            fake,
            clock,
            folder,
            options,
        }
    }
}

impl Device {
    pub(crate) async fn unclaimed() -> Self {
        Setup::new().start().await
    }

    /// With its owner, whose browser is the client.
    pub(crate) async fn claimed() -> (Self, Client) {
        let device = Self::unclaimed().await;
        let owner = device.claim().await;
        (device, owner)
    }

    /// Somebody on the network.
    pub(crate) fn client(&self) -> Client {
        Client::tcp(self.server.http()[0])
    }

    /// The command line.
    pub(crate) fn local(&self) -> Client {
        Client::unix(self.options.socket.clone().expect("the test set no socket"))
    }

    pub(crate) fn code(&self) -> String {
        self.server.access().claim_code().unwrap()
    }

    pub(crate) async fn claim(&self) -> Client {
        let mut owner = self.client();
        let body = json!({"code": self.code(), "password": PASSWORD});
        let answer = owner.post("/claim", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        owner.remember(&answer);
        owner
    }

    pub(crate) async fn sign_in(&self) -> Client {
        let mut client = self.client();
        let answer = client.post("/session", json!({"password": PASSWORD})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        client.remember(&answer);
        client
    }

    /// As after a power cut, once nobody serves any more.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            server,
            fake,
            clock,
            folder,
            options,
        } = self;
        server.stop().await;
        let server = Server::start(options.clone(), fake.clone()).await.unwrap();
        Self {
            server,
            fake,
            clock,
            folder,
            options,
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Waits for a condition, for as long as a loaded machine may need.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let patience = Duration::from_secs(60);
    let waited = tokio::time::timeout(patience, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("waited {patience:?} in vain: {what}"));
}
