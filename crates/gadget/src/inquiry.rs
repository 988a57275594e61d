//! The text of a SCSI INQUIRY answer.

use std::{fmt, str::FromStr};

/// What a LUN says about itself: vendor (8), product (16) and revision (4) of the standard INQUIRY data (SPC-4 6.4.2),
/// printable ASCII (SPC-4 4.4.1), padded with spaces.
///
/// The kernel takes it as one string of 28 characters (`inquiry_string`, `storage_common.c`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inquiry {
    vendor: String,
    product: String,
    revision: String,
}

/// Columns of vendor, product and revision.
const WIDTHS: [(&str, usize); 3] = [("vendor", 8), ("product", 16), ("revision", 4)];

impl Inquiry {
    /// From its parts; each is padded, none is cut.
    ///
    /// # Errors
    ///
    /// A sentence that names the part that is too long or not printable ASCII.
    pub fn new(vendor: &str, product: &str, revision: &str) -> Result<Self, String> {
        for ((part, width), text) in WIDTHS.into_iter().zip([vendor, product, revision]) {
            if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
                return Err(format!(
                    "the {part} \"{}\" must be printable ASCII",
                    text.escape_debug()
                ));
            }
            if text.len() > width {
                return Err(format!(
                    "the {part} \"{text}\" has {} characters, at most {width} fit",
                    text.len()
                ));
            }
        }
        Ok(Self {
            vendor: vendor.to_owned(),
            product: product.to_owned(),
            revision: revision.to_owned(),
        })
    }
}

/// Reads the 28 columns as the kernel does: the first 8 are the vendor, the next 16 the product, the last 4 the
/// revision; what is missing at the end is spaces.
impl FromStr for Inquiry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            return Err(format!("\"{}\" must be printable ASCII", text.escape_debug()));
        }
        if text.len() > 28 {
            return Err(format!("\"{text}\" has {} characters, at most 28 fit", text.len()));
        }
        let columns = |from: usize, to: usize| text.get(from..text.len().min(to)).unwrap_or_default().trim_end();
        Self::new(columns(0, 8), columns(8, 24), columns(24, 28))
    }
}

impl fmt::Display for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8}{:<16}{:<4}", self.vendor, self.product, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_padded_to_their_columns() {
        let text = Inquiry::new("Cloud", "Stick", "1.0").unwrap().to_string();
        assert_eq!(text, "Cloud   Stick           1.0 ");
        assert_eq!(text.len(), 28);
        assert_eq!(text.parse::<Inquiry>().unwrap().to_string(), text);
    }

    #[test]
    fn columns_decide_what_is_what() {
        let inquiry: Inquiry = "Cloud   Stick".parse().unwrap();
        assert_eq!(inquiry, Inquiry::new("Cloud", "Stick", "").unwrap());
        assert_eq!("".parse::<Inquiry>().unwrap(), Inquiry::new("", "", "").unwrap());
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        assert!(Inquiry::new("Cloudstick", "", "").unwrap_err().contains("at most 8"));
        assert!("x".repeat(29).parse::<Inquiry>().unwrap_err().contains("at most 28"));
        assert!("Wölkchen".parse::<Inquiry>().unwrap_err().contains("ASCII"));
        assert!("a\nb".parse::<Inquiry>().is_err());
    }
}
