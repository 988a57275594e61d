//! QR codes as SVG.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

use super::{Wifi, escape};

/// Modules of white around the code that readers need (ISO/IEC 18004, 5.3.8).
const QUIET_ZONE: usize = 4;

/// A QR code of `content` as an `<svg>` element; `None` if it does not fit in one. `title` is for those who do not see it.
pub(super) fn svg(content: &str, title: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(content, EcLevel::M).ok()?;
    let width = code.width();
    let side = width + 2 * QUIET_ZONE;
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(width).enumerate() {
        let mut x = 0;
        while x < width {
            let run = row[x..].iter().take_while(|&&color| color == Color::Dark).count();
            if run > 0 {
                // Writing to a string cannot fail.
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET_ZONE, y + QUIET_ZONE);
            }
            x += run + 1;
        }
    }
    let title = escape::html(title);
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"{title}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/><path d=\"{path}\"/></svg>"
    ))
}

/// What phones take for "join this network" (the form that ZXing made common).
pub(super) fn wifi(wifi: &Wifi<'_>) -> String {
    let escaped = |text: &str| -> String {
        let mut out = String::new();
        for c in text.chars() {
            if matches!(c, '\\' | ';' | ',' | ':' | '"') {
                out.push('\\');
            }
            out.push(c);
        }
        out
    };
    match wifi.key {
        Some(key) => format!("WIFI:T:WPA;S:{};P:{};;", escaped(wifi.name), escaped(key)),
        None => format!("WIFI:T:nopass;S:{};;", escaped(wifi.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paints the path of an SVG made above and has somebody else's reader look at it.
    fn decode(svg: &str) -> String {
        let after = |key: &str| svg.split_once(key).unwrap().1;
        let side: usize = after("viewBox=\"0 0 ").split(' ').next().unwrap().parse().unwrap();
        let path = after("<path d=\"").split('"').next().unwrap();
        let mut dark = vec![false; side * side];
        for run in path.split('M').skip(1) {
            let (x, rest) = run.split_once(' ').unwrap();
            let (y, rest) = rest.split_once('h').unwrap();
            let length: usize = rest.split('v').next().unwrap().parse().unwrap();
            let start = y.parse::<usize>().unwrap() * side + x.parse::<usize>().unwrap();
            dark[start..start + length].fill(true);
        }
        let scale = 4;
        let pixel = |x: usize, y: usize| if dark[y / scale * side + x / scale] { 0 } else { 255 };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * scale, side * scale, pixel);
        image.detect_grids()[0].decode().unwrap().1
    }

    #[test]
    fn a_reader_reads_what_was_written() {
        for content in [
            "http://cloud-stick.local/",
            "http://192.168.178.23:8080/#claim=K7QP-2MXD",
            "Größe",
        ] {
            assert_eq!(decode(&svg(content, "code").unwrap()), content);
        }
    }

    #[test]
    fn wifi_names_and_keys_are_escaped() {
        let open = Wifi {
            name: "a;b:c,d\\e\"f",
            key: None,
        };
        assert_eq!(wifi(&open), "WIFI:T:nopass;S:a\\;b\\:c\\,d\\\\e\\\"f;;");
        let closed = Wifi {
            name: "stick",
            key: Some("p;w"),
        };
        assert_eq!(wifi(&closed), "WIFI:T:WPA;S:stick;P:p\\;w;;");
    }

    /// Reads the form as phones do: fields that end at a semicolon, in which a backslash takes the meaning from what follows.
    fn fields(payload: &str) -> Vec<String> {
        let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
        for c in payload.strip_prefix("WIFI:").unwrap().chars() {
            match c {
                c if quoted => {
                    field.push(c);
                    quoted = false;
                }
                '\\' => quoted = true,
                ';' => fields.push(std::mem::take(&mut field)),
                c => field.push(c),
            }
        }
        assert!(!quoted && field.is_empty(), "{payload}");
        fields
    }

    #[test]
    fn no_name_or_key_becomes_another_field() {
        let alphabet = ['\\', ';', ':', ',', '"', 'T', 'H', ' ', 'ß', '<'];
        // All texts of one to three of these signs, as a name and, backwards, as a key.
        for number in 0..1000_usize {
            let digits = [number % 10, number / 10 % 10, number / 100];
            let name: String = digits.iter().map(|&digit| alphabet[digit]).collect();
            let key: String = name.chars().rev().collect();
            let (name, key) = (name.as_str(), key.as_str());
            let payload = wifi(&Wifi { name, key: Some(key) });
            let wanted = [
                "T:WPA".to_owned(),
                format!("S:{name}"),
                format!("P:{key}"),
                String::new(),
            ];
            assert_eq!(fields(&payload), wanted, "{payload}");
            if number % 50 == 0 {
                assert_eq!(decode(&svg(&payload, name).unwrap()), payload);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        assert!(svg(&"x".repeat(5000), "code").is_none());
    }
}
