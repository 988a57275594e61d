//! Networks in reach: the answer to `SCAN_RESULTS`.

use crate::Ssid;

/// A network in reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name. Foreign text.
    pub ssid: Ssid,
    /// How strongly it is heard, in percent.
    pub signal: u8,
    /// How it is protected.
    pub protection: Protection,
    /// The frequency it is on, in MHz.
    pub frequency: u32,
}

/// How a network is protected, as far as it matters to who joins it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// Not at all.
    Open,
    /// By a password.
    Password,
    /// By something that is not spoken here: WEP, or accounts (802.1X).
    Other,
}

/// Reads the answer: a line of headings, then one for each station, fields apart by tabs: address, frequency, signal in dBm, flags,
/// name (`wpa_supplicant_ctrl_iface_scan_results`). Each name comes once, as it is heard best; the strongest first.
pub(crate) fn scan_results(text: &str) -> Vec<Found> {
    let mut all: Vec<Found> = text.lines().filter_map(line).collect();
    all.sort_by_key(|found| std::cmp::Reverse(found.signal));
    let mut names = std::collections::BTreeSet::new();
    all.retain(|found| names.insert(found.ssid.clone()));
    all
}

fn line(line: &str) -> Option<Found> {
    let mut fields = line.splitn(5, '\t').skip(1);
    let (frequency, signal, flags, name) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    Some(Found {
        ssid: Ssid::from_escaped(name).ok()?,
        signal: percent(signal.parse().ok()?),
        protection: protection(flags),
        frequency: frequency.parse().ok()?,
    })
}

/// -50 dBm is all that can be used, -100 nothing.
fn percent(dbm: i32) -> u8 {
    u8::try_from(dbm.saturating_add(100).saturating_mul(2).clamp(0, 100)).unwrap_or(0)
}

/// Flags such as `[WPA2-PSK+SAE-CCMP][ESS]`.
fn protection(flags: &str) -> Protection {
    let groups = flags.split(['[', ']']).filter(|group| group.starts_with("WPA"));
    let mut is_protected = false;
    for group in groups {
        is_protected = true;
        if group.split(['-', '+']).any(|word| word == "PSK" || word == "SAE") {
            return Protection::Password;
        }
    }
    match is_protected || flags.contains("[WEP") || flags.contains("RSN") || flags.contains("OWE") {
        true => Protection::Other,
        false => Protection::Open,
    }
}

/// Which of the channels that do not overlap (1, 6, 11) is heard least; its frequency in MHz.
pub(crate) fn quiet_channel(found: &[Found]) -> u32 {
    let noise = |channel: &u32| {
        let near = found.iter().filter(|found| found.frequency.abs_diff(*channel) < 20);
        near.map(|found| u32::from(found.signal)).sum::<u32>()
    };
    // The first of equal ones.
    [2437, 2412, 2462].into_iter().min_by_key(noise).unwrap_or(2437)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "bssid / frequency / signal level / flags / ssid
02:00:00:00:00:01\t2437\t-48\t[WPA2-PSK-CCMP][ESS]\tHome
02:00:00:00:00:02\t5180\t-80\t[WPA2-PSK-CCMP][ESS]\tHome
02:00:00:00:00:03\t2412\t-60\t[ESS]\t<script>\\x09\\\\\t tab
02:00:00:00:00:04\t2412\t-75\t[WPA2-EAP-CCMP][ESS]\tCompany
02:00:00:00:00:05\t2412\t-90\t[WPA2-SAE-CCMP][SAE-H2E][ESS]\tNew
02:00:00:00:00:06\t2412\t-90\t[WEP][ESS]\tOld
02:00:00:00:00:07\t2412\t-20\t[WPA2-PSK-CCMP][ESS]\t
02:00:00:00:00:08\tx\t-20\t[ESS]\tbroken
";

    #[test]
    fn each_name_comes_once_the_strongest_first() {
        let found = scan_results(TEXT);
        let seen: Vec<_> = found
            .iter()
            .map(|found| (found.ssid.to_string(), found.signal, found.protection))
            .collect();
        let expected = [
            ("Home", 100, Protection::Password),
            ("hex:3c7363726970743e095c0920746162", 80, Protection::Open),
            ("Company", 50, Protection::Other),
            ("New", 20, Protection::Password),
            ("Old", 20, Protection::Other),
        ];
        assert_eq!(
            seen,
            expected.map(|(name, signal, kind)| (name.to_owned(), signal, kind))
        );
    }

    #[test]
    fn the_access_point_goes_where_least_is_heard() {
        assert_eq!(quiet_channel(&[]), 2437);
        assert_eq!(quiet_channel(&scan_results(TEXT)), 2462);
    }
}
