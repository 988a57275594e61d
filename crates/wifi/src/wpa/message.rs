//! What `wpa_supplicant` tells without being asked: `<3>CTRL-EVENT-CONNECTED - Connection to …` (`src/common/wpa_ctrl.h`).

/// What matters of it. Names of networks are in some of these messages, and not taken from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// It is in a network.
    Connected,
    /// It is in none any more.
    Disconnected,
    /// The network's password is another one.
    WrongKey,
    /// None of the networks it may join is in reach.
    NotFound,
    /// The network does not let it in.
    Refused,
    /// New results of a scan.
    ScanResults,
    /// A scan that the driver refused.
    ScanFailed,
    /// The access point is there.
    AccessPointUp,
    /// It is not, any more.
    AccessPointDown,
    /// Somebody has come into the access point.
    ClientCame,
    /// And gone.
    ClientWent,
    /// The program ends, or the interface is gone.
    Terminating,
}

impl Message {
    /// Reads a message. Nothing for those that do not matter.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // The level in front of it.
        let text = match text.strip_prefix('<') {
            Some(rest) => rest.split_once('>')?.1,
            None => text,
        };
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        Some(match name {
            "CTRL-EVENT-CONNECTED" => Self::Connected,
            "CTRL-EVENT-DISCONNECTED" => Self::Disconnected,
            "CTRL-EVENT-NETWORK-NOT-FOUND" => Self::NotFound,
            // `wpas_auth_failed` (wpa_supplicant.c) says why at the end, behind the name.
            "CTRL-EVENT-SSID-TEMP-DISABLED" if rest.ends_with(" reason=WRONG_KEY") => Self::WrongKey,
            "CTRL-EVENT-SSID-TEMP-DISABLED" => Self::Refused,
            "CTRL-EVENT-ASSOC-REJECT" | "CTRL-EVENT-AUTH-REJECT" => Self::Refused,
            "CTRL-EVENT-SCAN-RESULTS" => Self::ScanResults,
            "CTRL-EVENT-SCAN-FAILED" => Self::ScanFailed,
            "AP-ENABLED" => Self::AccessPointUp,
            "AP-DISABLED" => Self::AccessPointDown,
            "AP-STA-CONNECTED" => Self::ClientCame,
            "AP-STA-DISCONNECTED" => Self::ClientWent,
            "CTRL-EVENT-TERMINATING" => Self::Terminating,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_and_names_do_not_fool_them() {
        let read = Message::parse;
        assert_eq!(
            read("<3>CTRL-EVENT-CONNECTED - Connection to 02:00:00:00:02:00 completed [id=0 id_str=]"),
            Some(Message::Connected)
        );
        let disabled = |ssid: &str, reason: &str| {
            format!("<3>CTRL-EVENT-SSID-TEMP-DISABLED id=0 ssid=\"{ssid}\" auth_failures=1 duration=10 reason={reason}")
        };
        assert_eq!(read(&disabled("home", "WRONG_KEY")), Some(Message::WrongKey));
        assert_eq!(
            read(&disabled("reason=WRONG_KEY", "CONN_FAILED")),
            Some(Message::Refused)
        );
        assert_eq!(read("<3>AP-STA-CONNECTED 02:00:00:00:01:00"), Some(Message::ClientCame));
        assert_eq!(read("<3>CTRL-EVENT-BSS-ADDED 0 02:00:00:00:02:00"), None);
        assert_eq!(read("<3"), None);
        assert_eq!(read(""), None);
    }
}
