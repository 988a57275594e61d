//! What must not be seen of a secret.

use zeroize::Zeroizing;

use crate::config::Loaded;

/// A secret, and the parts of it that are secret by themselves: the key in a connection string, the signature in a SAS.
pub(super) fn parts(secret: Zeroizing<String>) -> Vec<Zeroizing<String>> {
    let own = |text: &str| Zeroizing::new(text.to_owned());
    let mut all = Vec::new();
    for pair in secret.split([';', '&', '?']) {
        let Some((name, value)) = pair.split_once('=') else {
            continue;
        };
        if matches!(
            name.to_ascii_lowercase().as_str(),
            "accountkey" | "sharedaccesssignature" | "sig"
        ) {
            all.push(own(value));
            if name.eq_ignore_ascii_case("sig") {
                let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
                all.extend(decoded.map(|(_, value)| own(&value)));
            }
        }
    }
    all.push(secret);
    all
}

/// All secrets of a configuration.
pub(super) fn of(loaded: &Loaded) -> Vec<Zeroizing<String>> {
    let stores = loaded.config.stores.iter();
    let secrets = stores.flat_map(|store| {
        let secrets = loaded.secrets.of(&store.name);
        let given: Vec<_> = secrets.given().map(|(_, secret)| secret.clone()).collect();
        given
    });
    let wifi = loaded.secrets.of_wifi().cloned();
    secrets.flat_map(parts).chain(wifi).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_signatures_are_secret_by_themselves() {
        let parts = |text: &str| {
            let all = super::parts(Zeroizing::new(text.to_owned()));
            all.iter().map(|part| part.to_string()).collect::<Vec<_>>()
        };
        assert!(parts("AccountName=tv;AccountKey=c2VjcmV0==").contains(&"c2VjcmV0==".to_owned()));
        let of_sas = parts("https://x/y?sv=2022&sig=a%2Fb%3D");
        assert!(of_sas.contains(&"a%2Fb%3D".to_owned()) && of_sas.contains(&"a/b=".to_owned()));
        assert_eq!(parts("plain"), ["plain"]);
    }
}
