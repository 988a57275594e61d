//! Connection strings as the Azure portal shows them and as phones paste them.

use url::Url;

use crate::{
    Secret,
    error::{AzureError, Result},
};

/// The account and key that every Azurite and the old storage emulator know; published by Microsoft, no secret.
pub const DEVELOPMENT_ACCOUNT: &str = "devstoreaccount1";
/// The published key of [`DEVELOPMENT_ACCOUNT`].
pub const DEVELOPMENT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Longest text that is looked at.
const MAX_LENGTH: usize = 16 << 10;

/// What a connection string says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectionString {
    /// `AccountName`.
    pub account: Option<String>,
    /// `AccountKey`, base64.
    pub key: Option<Secret>,
    /// `SharedAccessSignature`, a query string.
    pub sas: Option<Secret>,
    /// `BlobEndpoint`, or what protocol, account and suffix amount to.
    pub endpoint: Option<Url>,
}

/// Reads a connection string.
///
/// Pasting adds quotes, line breaks and blanks; those are removed. `key=value` pairs are separated by `;`, keys are
/// compared without regard to case; keys of other services (`QueueEndpoint`) are ignored, unknown ones are errors.
/// See "Configure Azure Storage connection strings".
///
/// # Errors
///
/// [`Invalid`](AzureError::Invalid), which never repeats a value.
pub fn parse(text: &str) -> Result<ConnectionString> {
    if text.len() > MAX_LENGTH {
        return Err(invalid("too long; copy only the connection string itself"));
    }
    let mut found = ConnectionString::default();
    let (mut protocol, mut suffix, mut development, mut proxy) = ("https".to_owned(), None, false, None);
    let clean = clean(text);
    if !clean.contains('=') {
        return Err(invalid(
            "no \"key=value\" in it; copy the whole connection string from \"Access keys\"",
        ));
    }
    for pair in clean.split(';').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(invalid("a part between two \";\" has no \"=\"; copy it again, whole"));
        };
        match name.to_ascii_lowercase().as_str() {
            "accountname" => found.account = Some(value.to_owned()),
            "accountkey" => found.key = Some(Secret::new(value)),
            "sharedaccesssignature" => found.sas = Some(Secret::new(value.trim_start_matches('?'))),
            "blobendpoint" => found.endpoint = Some(endpoint(value)?),
            "endpointsuffix" => suffix = Some(value.to_owned()),
            "defaultendpointsprotocol" => protocol = value.to_ascii_lowercase(),
            "usedevelopmentstorage" => development = value.eq_ignore_ascii_case("true"),
            "developmentstorageproxyuri" => proxy = Some(endpoint(value)?),
            "queueendpoint" | "tableendpoint" | "fileendpoint" | "dfsendpoint" | "webendpoint" => {}
            name if name.ends_with("secondaryendpoint") => {}
            // The name of an unknown key may itself be a piece of a key that was pasted badly.
            _ => return Err(invalid("an unknown key in it; copy it again, whole and alone")),
        }
    }
    if development {
        found.account = Some(DEVELOPMENT_ACCOUNT.to_owned());
        found.key = Some(Secret::new(DEVELOPMENT_KEY));
        let mut base = proxy.unwrap_or(endpoint("http://127.0.0.1")?);
        // Only URLs that cannot be a base refuse a port; `endpoint` lets none of those through.
        let _ = base.set_port(Some(10000));
        base.set_path(DEVELOPMENT_ACCOUNT);
        found.endpoint.get_or_insert(base);
    }
    if !matches!(protocol.as_str(), "https" | "http") {
        return Err(invalid("DefaultEndpointsProtocol must be https or http"));
    }
    if found.endpoint.is_none() {
        let Some(account) = &found.account else {
            return Err(invalid(
                "neither AccountName nor BlobEndpoint in it; copy it again, whole",
            ));
        };
        let suffix = suffix.as_deref().unwrap_or("core.windows.net");
        found.endpoint = Some(endpoint(&format!("{protocol}://{account}.blob.{suffix}"))?);
    }
    if found.key.is_none() && found.sas.is_none() {
        return Err(invalid("neither AccountKey nor SharedAccessSignature in it"));
    }
    if found.key.is_some() && found.account.is_none() {
        return Err(invalid("AccountKey without AccountName"));
    }
    Ok(found)
}

/// Removes what pasting added. None of these characters is ever part of a connection string.
fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .filter(|c| !matches!(c, '"' | '\'' | '`' | '\u{200b}'..='\u{200f}' | '\u{feff}' | '\u{2018}'..='\u{201f}'))
        .collect()
}

fn endpoint(text: &str) -> Result<Url> {
    let url = Url::parse(text).map_err(|error| invalid(&format!("BlobEndpoint is no URL: {error}")))?;
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err(invalid("BlobEndpoint must start with https:// or http://"));
    }
    Ok(url)
}

fn invalid(detail: &str) -> AzureError {
    AzureError::invalid("connection string", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORTAL: &str =
        "DefaultEndpointsProtocol=https;AccountName=tv;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=core.windows.net";

    #[test]
    fn the_portals_form() {
        let parsed = parse(PORTAL).unwrap();
        assert_eq!(parsed.account.as_deref(), Some("tv"));
        assert_eq!(parsed.key.unwrap().expose(), "c2VjcmV0LWtleQ==");
        assert_eq!(parsed.endpoint.unwrap().as_str(), "https://tv.blob.core.windows.net/");
    }

    #[test]
    fn as_a_phone_pastes_it() {
        let pasted = format!(
            " \u{feff}\u{201c}{}\u{201d}\r\n",
            PORTAL.replace(";AccountKey=c2V", ";\n AccountKey=c2\r\n V")
        );
        assert_eq!(parse(&pasted).unwrap(), parse(PORTAL).unwrap());
    }

    #[test]
    fn sovereign_clouds_signatures_and_the_emulator() {
        let china = parse("AccountName=tv;AccountKey=YQ==;EndpointSuffix=core.chinacloudapi.cn").unwrap();
        assert_eq!(
            china.endpoint.unwrap().host_str(),
            Some("tv.blob.core.chinacloudapi.cn")
        );
        let sas = parse("BlobEndpoint=https://tv.blob.core.windows.net/;QueueEndpoint=https://q/;SharedAccessSignature=?sv=1&sig=a%3D").unwrap();
        assert_eq!(sas.sas.unwrap().expose(), "sv=1&sig=a%3D");
        let local = parse("UseDevelopmentStorage=true").unwrap();
        assert_eq!(
            local.endpoint.unwrap().as_str(),
            "http://127.0.0.1:10000/devstoreaccount1"
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_it() {
        for bad in [
            "",
            "c2VjcmV0LWtleQ",
            "AccountName=tv",
            "AccountKey=planted",
            "AccountName=tv;AccountKey=planted;planted=1",
            "AccountName=tv;AccountKey=planted;BlobEndpoint=planted",
            "AccountName=tv;AccountKey=planted;DefaultEndpointsProtocol=ftp",
            "AccountName=tv;plantedplanted",
            "BlobEndpoint=ftp://a/;SharedAccessSignature=planted",
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(
                error.starts_with("connection string: ") && !error.contains("planted"),
                "{bad}: {error}"
            );
        }
        assert!(parse(&"A".repeat(20_000)).is_err());
    }
}
