//! The settings of a store in Azure, and the secret that goes with them.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde::Deserialize;
use url::Url;

use crate::{
    Secret,
    client::{Client, ClientOptions, http_client},
    connection_string,
    credential::{ClientCredentials, Credential, Sas, SharedKey, TokenCache},
    device::{Format, IoSettings},
    endpoint::Endpoint,
    error::{AzureError, Result},
    service::{LEASE_SECONDS, MAX_PUT},
};

/// Where the container is and how it is to be used. Holds no secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AzureConfig {
    /// The container that holds the disks.
    pub container: String,
    /// Name of the storage account; may be left out where a connection string or the endpoint tells.
    #[serde(default)]
    pub account: Option<String>,
    /// URL of the blob service, for private endpoints and Azurite (`http://127.0.0.1:10000/devstoreaccount1`).
    #[serde(default)]
    pub endpoint: Option<Url>,
    /// Suffix of a sovereign cloud, such as `core.chinacloudapi.cn`; default `core.windows.net`.
    #[serde(default)]
    pub endpoint_suffix: Option<String>,
    /// Allow plain HTTP to other machines.
    #[serde(default)]
    pub allow_http: bool,
    /// Certificate authorities (PEM) to trust beside the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Requests in flight per disk, 1 to 256; default 16.
    #[serde(default = "default_concurrency")]
    pub concurrency: usize,
    /// Longest time a request may take with all its retries, in seconds, 2 to 600; default 15.
    #[serde(default = "default_deadline")]
    pub deadline_seconds: u64,
    /// Longest request to the service in bytes, a power of two, 64 KiB to 4 MiB; default 4 MiB.
    #[serde(default = "default_request_size")]
    pub request_size: u32,
    /// Send an MD5 with every write, so that a flipped bit is refused; default true.
    #[serde(default = "default_true")]
    pub md5_writes: bool,
    /// Check an MD5 on reads up to this many bytes, at most 4 MiB; default 64 KiB; 0 for never.
    #[serde(default = "default_md5_reads")]
    pub md5_reads_up_to: u32,
    /// Make the container when a disk is created in it and it is missing; default false.
    #[serde(default)]
    pub create_container: bool,
    /// Duration of the lease in seconds, 15 to 60; default 60.
    #[serde(default = "default_lease")]
    pub lease_seconds: u64,
    /// `raw` or `vhd`; found out where it is left out.
    #[serde(default)]
    pub format: Option<Format>,
    /// What this device is called as the owner of a disk; default its host name.
    #[serde(default)]
    pub owner: Option<String>,
    /// Microsoft Entra: directory (tenant) id.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Microsoft Entra: application (client) id.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Microsoft Entra: where tokens come from; default `https://login.microsoftonline.com`.
    #[serde(default)]
    pub authority: Option<Url>,
}

fn default_concurrency() -> usize {
    16
}
fn default_deadline() -> u64 {
    15
}
fn default_request_size() -> u32 {
    MAX_PUT
}
fn default_true() -> bool {
    true
}
fn default_md5_reads() -> u32 {
    IoSettings::default().md5_reads_up_to
}
fn default_lease() -> u64 {
    LEASE_SECONDS
}

/// The secret of a store. Shows nothing of itself.
#[derive(Debug, Clone)]
pub enum AzureSecret {
    /// A connection string as pasted from the portal.
    ConnectionString(Secret),
    /// One of the account's two keys, base64.
    AccountKey(Secret),
    /// A shared access signature: token or whole URL.
    Sas(Secret),
    /// The secret of the application in `client_id`.
    ClientSecret(Secret),
    /// Tokens from a source of the caller's own.
    Tokens(Arc<TokenCache>),
}

impl AzureConfig {
    /// The settings for a container, all else by default.
    #[must_use]
    pub fn new(container: &str) -> Self {
        Self {
            container: container.to_owned(),
            account: None,
            endpoint: None,
            endpoint_suffix: None,
            allow_http: false,
            ca_file: None,
            concurrency: default_concurrency(),
            deadline_seconds: default_deadline(),
            request_size: default_request_size(),
            md5_writes: true,
            md5_reads_up_to: default_md5_reads(),
            create_container: false,
            lease_seconds: default_lease(),
            format: None,
            owner: None,
            tenant: None,
            client_id: None,
            authority: None,
        }
    }

    /// Checks everything that can be checked without a network.
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid) naming the setting.
    pub fn validate(&self) -> Result<()> {
        crate::endpoint::check_container(&self.container)?;
        let within = |name: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(AzureError::invalid(
                    name,
                    format!("is {value}; it must be {least} to {most}"),
                ))
            }
        };
        within("concurrency", self.concurrency as u64, 1, 256)?;
        within("deadline_seconds", self.deadline_seconds, 2, 600)?;
        within("lease_seconds", self.lease_seconds, 15, 60)?;
        within(
            "request_size",
            u64::from(self.request_size),
            64 << 10,
            u64::from(MAX_PUT),
        )?;
        within(
            "md5_reads_up_to",
            u64::from(self.md5_reads_up_to),
            0,
            u64::from(crate::service::MAX_MD5_RANGE),
        )?;
        if !self.request_size.is_power_of_two() {
            return Err(AzureError::invalid("request_size", "must be a power of two"));
        }
        if self
            .owner
            .as_ref()
            .is_some_and(|owner| owner.len() > 200 || !owner.is_ascii())
        {
            return Err(AzureError::invalid("owner", "must be at most 200 ASCII characters"));
        }
        Ok(())
    }

    /// A client by these settings.
    ///
    /// # Errors
    ///
    /// [`Invalid`](AzureError::Invalid) naming the setting or the kind of secret, never its content.
    pub fn client(&self, secret: &AzureSecret) -> Result<Client> {
        self.validate()?;
        let connect = Duration::from_secs(self.deadline_seconds.min(5));
        let http = http_client(self.ca_file.as_deref(), connect, self.concurrency + 4)?;
        let (endpoint, credential) = self.endpoint_and_credential(secret, &http)?;
        if let Credential::Sas(sas) = &credential
            && sas.https_only()
            && endpoint.as_str().starts_with("http://")
        {
            return Err(AzureError::invalid(
                "shared access signature",
                "is for https only, but the endpoint is http",
            ));
        }
        let deadline = Duration::from_secs(self.deadline_seconds);
        let options = ClientOptions {
            concurrency: self.concurrency,
            deadline,
            silence: deadline * 2 / 3,
        };
        Ok(Client::new(http, endpoint, credential, options))
    }

    fn endpoint_and_credential(&self, secret: &AzureSecret, http: &reqwest::Client) -> Result<(Endpoint, Credential)> {
        match secret {
            AzureSecret::ConnectionString(text) => {
                let parsed = connection_string::parse(text.expose())?;
                if let (Some(theirs), Some(ours)) = (&parsed.account, &self.account)
                    && theirs != ours
                {
                    let detail = format!("is of account {theirs:?}, but account = {ours:?}");
                    return Err(AzureError::invalid("connection string", detail));
                }
                let endpoint = match self.endpoint.as_ref().or(parsed.endpoint.as_ref()) {
                    Some(url) => Endpoint::new(
                        url,
                        parsed.account.as_deref().or(self.account.as_deref()),
                        self.allow_http,
                    )?,
                    None => self.endpoint()?,
                };
                let credential = match (parsed.key, parsed.sas) {
                    (Some(key), _) => shared_key(&endpoint, &key)?,
                    (None, Some(sas)) => Credential::Sas(Arc::new(Sas::parse(sas.expose())?)),
                    (None, None) => {
                        return Err(AzureError::invalid(
                            "connection string",
                            "holds no key and no signature",
                        ));
                    }
                };
                Ok((endpoint, credential))
            }
            AzureSecret::AccountKey(key) => {
                let endpoint = self.endpoint()?;
                let credential = shared_key(&endpoint, key)?;
                Ok((endpoint, credential))
            }
            AzureSecret::Sas(sas) => Ok((self.endpoint()?, Credential::Sas(Arc::new(Sas::parse(sas.expose())?)))),
            AzureSecret::ClientSecret(secret) => {
                let needed = |value: &Option<String>, name: &str| {
                    value
                        .clone()
                        .ok_or_else(|| AzureError::invalid(name, "is needed with a client secret"))
                };
                let default = Url::parse("https://login.microsoftonline.com")
                    .map_err(|error| AzureError::invalid("authority", error.to_string()))?;
                let source = ClientCredentials::new(
                    http.clone(),
                    self.authority.as_ref().unwrap_or(&default),
                    &needed(&self.tenant, "tenant")?,
                    &needed(&self.client_id, "client_id")?,
                    secret.clone(),
                )?;
                Ok((self.endpoint()?, Credential::Bearer(TokenCache::new(source))))
            }
            AzureSecret::Tokens(cache) => Ok((self.endpoint()?, Credential::Bearer(cache.clone()))),
        }
    }

    fn endpoint(&self) -> Result<Endpoint> {
        match (&self.endpoint, &self.account) {
            (Some(url), account) => Endpoint::new(url, account.as_deref(), self.allow_http),
            (None, Some(account)) => Endpoint::of_account(account, self.endpoint_suffix.as_deref()),
            (None, None) => Err(AzureError::invalid(
                "account",
                "is needed, or an endpoint or a connection string",
            )),
        }
    }

    /// What we call ourselves as an owner.
    pub(crate) fn owner_name(&self) -> String {
        let host = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let name = self.owner.clone().or_else(host).unwrap_or_default();
        let name: String = name
            .trim()
            .chars()
            .filter(|c| c.is_ascii_graphic() || *c == ' ')
            .take(200)
            .collect();
        if name.is_empty() {
            "cloud-stick".to_owned()
        } else {
            name
        }
    }

    /// How the requests of a disk are treated.
    pub(crate) fn io(&self) -> IoSettings {
        IoSettings {
            request_size: self.request_size,
            md5_writes: self.md5_writes,
            md5_reads_up_to: self.md5_reads_up_to,
        }
    }
}

fn shared_key(endpoint: &Endpoint, key: &Secret) -> Result<Credential> {
    Ok(Credential::SharedKey(Arc::new(SharedKey::new(
        endpoint.account(),
        key,
    )?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_checked_by_name() {
        let with = |change: fn(&mut AzureConfig)| {
            let mut config = AzureConfig::new("disks");
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(AzureConfig::new("disks").validate().is_ok());
        assert!(with(|config| config.concurrency = 0).starts_with("concurrency"));
        assert!(with(|config| config.lease_seconds = 61).starts_with("lease_seconds"));
        assert!(with(|config| config.request_size = 100_000).starts_with("request_size"));
        assert!(with(|config| config.request_size = 8 << 20).starts_with("request_size"));
        assert!(with(|config| config.container = "No".to_owned()).starts_with("container"));
    }

    #[test]
    fn the_account_must_be_known_and_agree() {
        let config = AzureConfig::new("disks");
        let key = AzureSecret::AccountKey(Secret::new("YQ=="));
        assert!(config.client(&key).unwrap_err().to_string().starts_with("account"));
        let string = AzureSecret::ConnectionString(Secret::new("AccountName=tvdisks;AccountKey=YQ=="));
        assert!(config.client(&string).is_ok());
        let other = AzureConfig {
            account: Some("other".to_owned()),
            ..config
        };
        assert!(other.client(&string).unwrap_err().to_string().contains("tvdisks"));
    }
}
