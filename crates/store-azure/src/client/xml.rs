//! XML answers, read without trust: bounded depth, names, texts and counts; no document types, no entities of their own.

use std::collections::BTreeMap;

use quick_xml::{Reader, events::Event};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

/// Deepest nesting that is followed; the service needs five levels.
const MAX_DEPTH: usize = 12;
/// Longest text of one element, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// Most entries in one answer; the service sends at most 10,000 ranges or 5,000 blobs.
const MAX_ENTRIES: usize = 20_000;

/// Why an answer cannot be used.
type Reason = &'static str;

/// One page of the ranges of a page blob.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageList {
    /// First byte and the byte after the last of ranges that hold data, ascending, not overlapping.
    pub ranges: Vec<(u64, u64)>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

/// What a listing tells of a blob or one of its snapshots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobEntry {
    /// Name within the container.
    pub name: String,
    /// Timestamp of the snapshot, if it is one.
    pub snapshot: Option<String>,
    /// Length in bytes.
    pub length: u64,
    /// `PageBlob`, `BlockBlob`, `AppendBlob`.
    pub blob_type: String,
    /// Whether it is leased.
    pub leased: bool,
    /// Entity tag.
    pub etag: String,
    /// Last change.
    pub modified: Option<OffsetDateTime>,
    /// Metadata, with keys in lower case.
    pub metadata: BTreeMap<String, String>,
}

/// One page of a listing of blobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlobList {
    /// Blobs and snapshots, in the order of the service.
    pub entries: Vec<BlobEntry>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

/// One page of a listing of containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerList {
    /// Their names.
    pub names: Vec<String>,
    /// Where to go on; `None` at the end.
    pub next: Option<String>,
}

/// Reads the answer of Get Page Ranges. Ranges come out sorted, within bounds of `u64` and without overlap.
///
/// # Errors
///
/// A few words.
pub fn page_list(xml: &[u8]) -> Result<PageList, Reason> {
    let mut list = PageList::default();
    let (mut start, mut end) = (None, None);
    walk(xml, |path, text| {
        match path {
            ["PageList", "PageRange", "Start"] => start = Some(number(text)?),
            ["PageList", "PageRange", "End"] => end = Some(number(text)?),
            ["PageList", "PageRange"] => {
                let (Some(from), Some(last)) = (start.take(), end.take()) else {
                    return Err("a range without bounds");
                };
                let to = last
                    .checked_add(1)
                    .filter(|to| *to > from)
                    .ok_or("a range that ends before it starts")?;
                push(&mut list.ranges, (from, to))?;
            }
            ["PageList", "NextMarker"] => list.next = marker(text),
            _ => {}
        }
        Ok(())
    })?;
    list.ranges.sort_unstable();
    if list.ranges.windows(2).any(|pair| pair[1].0 < pair[0].1) {
        return Err("ranges that overlap");
    }
    Ok(list)
}

/// Reads the answer of List Blobs.
///
/// # Errors
///
/// A few words.
pub fn blob_list(xml: &[u8]) -> Result<BlobList, Reason> {
    let mut list = BlobList::default();
    let mut entry = BlobEntry::default();
    walk(xml, |path, text| {
        match path {
            ["EnumerationResults", "NextMarker"] => list.next = marker(text),
            ["EnumerationResults", "Blobs", "Blob"] => push(&mut list.entries, std::mem::take(&mut entry))?,
            ["EnumerationResults", "Blobs", "Blob", rest @ ..] => match rest {
                ["Name"] => entry.name = text.to_owned(),
                ["Snapshot"] => entry.snapshot = Some(text.to_owned()),
                ["Properties", "Content-Length"] => entry.length = number(text)?,
                ["Properties", "BlobType"] => entry.blob_type = text.to_owned(),
                ["Properties", "LeaseStatus"] => entry.leased = text == "locked",
                ["Properties", "Etag"] => entry.etag = text.to_owned(),
                ["Properties", "Last-Modified"] => entry.modified = OffsetDateTime::parse(text, &Rfc2822).ok(),
                ["Metadata", key] if entry.metadata.len() < 200 => {
                    entry.metadata.insert(key.to_ascii_lowercase(), text.to_owned());
                }
                _ => {}
            },
            _ => {}
        }
        Ok(())
    })?;
    Ok(list)
}

/// Reads the answer of List Containers.
///
/// # Errors
///
/// A few words.
pub fn container_list(xml: &[u8]) -> Result<ContainerList, Reason> {
    let mut list = ContainerList::default();
    walk(xml, |path, text| {
        match path {
            ["EnumerationResults", "NextMarker"] => list.next = marker(text),
            ["EnumerationResults", "Containers", "Container", "Name"] => push(&mut list.names, text.to_owned())?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(list)
}

/// The code in an error answer, if it is one.
#[must_use]
pub fn error_code(xml: &[u8]) -> Option<String> {
    let mut code = None;
    walk(xml, |path, text| {
        if path == ["Error", "Code"] {
            code = Some(text.to_owned());
        }
        Ok(())
    })
    .ok()?;
    code
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), Reason> {
    if list.len() >= MAX_ENTRIES {
        return Err("more entries than the service ever sends");
    }
    list.push(item);
    Ok(())
}

fn number(text: &str) -> Result<u64, Reason> {
    text.trim().parse().map_err(|_| "a number that is none")
}

fn marker(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// Calls `at_end` for every element when it ends, with the names from the root down and its text.
fn walk(xml: &[u8], mut at_end: impl FnMut(&[&str], &str) -> Result<(), Reason>) -> Result<(), Reason> {
    let xml = std::str::from_utf8(xml)
        .map_err(|_| "not UTF-8")?
        .trim_start_matches('\u{feff}');
    let mut reader = Reader::from_str(xml);
    let mut path: Vec<String> = Vec::new();
    let mut texts: Vec<String> = Vec::new();
    let mut seen_root = false;
    let mut enter = |path: &mut Vec<String>, name: &str| {
        if path.len() >= MAX_DEPTH {
            return Err("nested too deeply");
        }
        if path.is_empty() && std::mem::replace(&mut seen_root, true) {
            return Err("two roots");
        }
        path.push(name.to_owned());
        Ok(())
    };
    let mut end = |path: &[String], text: &str| {
        let mut names = [""; MAX_DEPTH];
        for (slot, name) in names.iter_mut().zip(path) {
            *slot = name;
        }
        at_end(&names[..path.len()], text)
    };
    loop {
        match reader.read_event().map_err(|_| "broken XML")? {
            Event::Start(tag) => {
                enter(&mut path, tag.name().into_inner())?;
                texts.push(String::new());
            }
            Event::End(_) => {
                let text = texts.pop().ok_or("an end without a start")?;
                end(&path, &text)?;
                path.pop();
            }
            Event::Empty(tag) => {
                enter(&mut path, tag.name().into_inner())?;
                end(&path, "")?;
                path.pop();
            }
            Event::Text(text) => append(&mut texts, &text)?,
            Event::CData(text) => append(&mut texts, &text)?,
            Event::GeneralRef(reference) => {
                let resolved = entity(&reference).ok_or("an unknown entity")?;
                append(&mut texts, resolved.encode_utf8(&mut [0; 4]))?;
            }
            Event::DocType(_) => return Err("a document type"),
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
    match (path.is_empty(), seen_root) {
        (false, _) => Err("cut short"),
        (_, false) => Err("no XML"),
        _ => Ok(()),
    }
}

fn append(texts: &mut [String], more: &str) -> Result<(), Reason> {
    let Some(text) = texts.last_mut() else { return Ok(()) };
    if text.len() + more.len() > MAX_TEXT {
        return Err("a text that is too long");
    }
    text.push_str(more);
    Ok(())
}

/// The five entities of XML and character references.
fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_ranges_with_a_marker() {
        let xml = b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><PageList><PageRange><Start>1024</Start><End>1535</End></PageRange>\
            <PageRange><Start>0</Start><End>511</End></PageRange><ClearRange><Start>512</Start><End>1023</End></ClearRange><NextMarker>1536</NextMarker></PageList>";
        let list = page_list(xml).unwrap();
        assert_eq!(list.ranges, [(0, 512), (1024, 1536)]);
        assert_eq!(list.next.as_deref(), Some("1536"));
        assert_eq!(page_list(b"<PageList/>").unwrap(), PageList::default());
    }

    #[test]
    fn blobs_with_snapshots_and_metadata() {
        let xml = b"<EnumerationResults><Blobs><Blob><Name>a &amp; b&#x21;.vhd</Name><Snapshot>2026-01-01T00:00:00.0000000Z</Snapshot><Properties>\
            <Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified><Content-Length>1024</Content-Length><BlobType>PageBlob</BlobType>\
            <LeaseStatus>locked</LeaseStatus></Properties><Metadata><Owner>tv</Owner></Metadata></Blob></Blobs><NextMarker /></EnumerationResults>";
        let list = blob_list(xml).unwrap();
        let entry = &list.entries[0];
        assert_eq!(
            (entry.name.as_str(), entry.length, entry.leased),
            ("a & b!.vhd", 1024, true)
        );
        assert_eq!(entry.metadata["owner"], "tv");
        assert!(entry.modified.is_some() && entry.snapshot.is_some() && list.next.is_none());
    }

    #[test]
    fn hostile_xml_ends_in_words() {
        let deep = "<a>".repeat(1000);
        let long = format!(
            "<PageList><NextMarker>{}</NextMarker></PageList>",
            "x".repeat(MAX_TEXT + 1)
        );
        let many = format!(
            "<PageList>{}</PageList>",
            "<PageRange><Start>0</Start><End>1</End></PageRange>".repeat(MAX_ENTRIES + 1)
        );
        for bad in [
            "",
            "planted",
            "<PageList>",
            "<PageList><PageRange></PageRange></PageList>",
            "<PageList><PageRange><Start>9</Start><End>1</End></PageRange></PageList>",
            "<PageList><PageRange><Start>0</Start><End>18446744073709551615</End></PageRange></PageList>",
            "<PageList><PageRange><Start>-1</Start><End>1</End></PageRange></PageList>",
            "<PageList><PageRange><Start>0</Start><End>9</End></PageRange><PageRange><Start>5</Start><End>12</End></PageRange></PageList>",
            "<!DOCTYPE a [<!ENTITY b \"c\">]><PageList>&b;</PageList>",
            "<PageList>&b;</PageList>",
            "<PageList></Page>",
            &deep,
            &long,
            &many,
        ] {
            assert!(page_list(bad.as_bytes()).is_err(), "{}", &bad[..bad.len().min(80)]);
        }
        assert_eq!(error_code(b"<html><body>502</body></html>"), None);
    }
}
