//! One page blob by the rules of the real service, also where Azurite is more lenient.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};

use super::service::{Answer, Request};

/// The blob.
pub struct Blob {
    /// Whether there is one.
    pub exists: bool,
    pub data: Vec<u8>,
    pub number: u64,
    pub lease: Option<String>,
    /// The lease never runs out.
    pub endless: bool,
    pub metadata: BTreeMap<String, String>,
    pub etag: u64,
    /// When it was made.
    pub created: String,
    /// The last copy onto it.
    pub copy: Option<String>,
    /// How often somebody must look at the copy until it has ended.
    pub copy_looks: usize,
    /// Its snapshots: name and metadata.
    pub snapshots: Vec<(String, BTreeMap<String, String>)>,
}

impl Blob {
    /// A blob of `size` zeroes.
    pub fn new(size: usize) -> Self {
        Self {
            exists: true,
            data: vec![0; size],
            number: 0,
            lease: None,
            endless: false,
            metadata: BTreeMap::new(),
            etag: 1,
            created: "Sat, 31 Jan 2026 12:00:00 GMT".to_owned(),
            copy: None,
            copy_looks: 0,
            snapshots: Vec::new(),
        }
    }

    /// The rules of the real service, as far as a disk needs them.
    pub fn carry_out(&mut self, request: &Request) -> Answer {
        let blob = self;
        let lease = request.header("x-ms-lease-id").to_owned();
        if !blob.exists && !request.headers.contains_key("x-ms-blob-type") {
            return Answer::error(404, "BlobNotFound");
        }
        if let Some(action) = request.headers.get("x-ms-lease-action") {
            if blob.copy_looks > 0 {
                return Answer::error(409, "PendingCopyOperation");
            }
            return lease_action(blob, action, request);
        }
        if request.method == "GET" && !lease.is_empty() && blob.lease.as_ref() != Some(&lease) {
            return match blob.lease {
                Some(_) => Answer::error(412, "LeaseIdMismatchWithBlobOperation"),
                None => Answer::error(412, "LeaseNotPresentWithBlobOperation"),
            };
        }
        if request.method == "PUT" {
            match &blob.lease {
                Some(held) if lease.is_empty() => {
                    let _ = held;
                    return Answer::error(412, "LeaseIdMissing");
                }
                Some(held) if *held != lease => return Answer::error(412, "LeaseIdMismatchWithBlobOperation"),
                None if !lease.is_empty() => return Answer::error(412, "LeaseNotPresentWithBlobOperation"),
                _ => {}
            }
            let wanted = request.header("if-match");
            if !wanted.is_empty() && wanted != format!("\"{}\"", blob.etag) {
                return Answer::error(412, "ConditionNotMet");
            }
            if let Some(wanted) = request.headers.get("x-ms-if-sequence-number-eq")
                && *wanted != blob.number.to_string()
            {
                return Answer::error(412, "SequenceNumberConditionNotMet");
            }
        }
        if request.headers.contains_key("x-ms-copy-source") {
            return blob.start_copy(request);
        }
        match (request.method.as_str(), request.target.as_str()) {
            ("PUT", _) if request.header("x-ms-blob-type") == "PageBlob" => {
                if blob.exists {
                    return Answer::error(409, "BlobAlreadyExists");
                }
                let length = request.header("x-ms-blob-content-length").parse().unwrap();
                blob.data = vec![0; length];
                blob.metadata = metadata_of(request);
                blob.exists = true;
                Answer::new(201)
            }
            ("HEAD", _) => {
                let mut answer = Answer::new(200)
                    .with("content-length", &blob.data.len().to_string())
                    .with("x-ms-blob-type", "PageBlob")
                    .with(
                        "x-ms-lease-state",
                        if blob.lease.is_some() { "leased" } else { "available" },
                    )
                    .with("x-ms-creation-time", &blob.created)
                    .with("etag", &format!("\"{}\"", blob.etag))
                    .with("x-ms-blob-sequence-number", &blob.number.to_string());
                if let Some(id) = &blob.copy {
                    blob.copy_looks = blob.copy_looks.saturating_sub(1);
                    let status = if blob.copy_looks > 0 { "pending" } else { "success" };
                    answer = answer.with("x-ms-copy-id", id).with("x-ms-copy-status", status);
                }
                for (key, value) in &blob.metadata {
                    answer = answer.with(&format!("x-ms-meta-{key}"), value);
                }
                answer
            }
            ("PUT", target) if target.contains("comp=snapshot") => {
                let id = format!("2026-01-31T12:00:0{}.0000000Z", blob.snapshots.len());
                blob.snapshots.push((id.clone(), metadata_of(request)));
                Answer::new(201).with("x-ms-snapshot", &id)
            }
            ("DELETE", target) if target.contains("snapshot=") => {
                blob.snapshots
                    .retain(|(id, _)| !target.contains(&id.replace(':', "%3A")) && !target.contains(id));
                Answer::new(202)
            }
            ("DELETE", _) => {
                blob.exists = false;
                Answer::new(202)
            }
            ("GET", target) if target.contains("comp=list") => {
                let mut body = "<EnumerationResults><Blobs>".to_owned();
                for (id, metadata) in &blob.snapshots {
                    body += &format!("<Blob><Name>tv</Name><Snapshot>{id}</Snapshot><Properties>");
                    body += &format!(
                        "<Content-Length>{}</Content-Length><BlobType>PageBlob</BlobType>",
                        blob.data.len()
                    );
                    body += "</Properties><Metadata>";
                    for (key, value) in metadata {
                        body += &format!("<{key}>{value}</{key}>");
                    }
                    body += "</Metadata></Blob>";
                }
                body += "</Blobs><NextMarker/></EnumerationResults>";
                Answer {
                    body: body.into_bytes(),
                    ..Answer::new(200)
                }
            }
            ("PUT", target) if target.contains("comp=metadata") => {
                blob.metadata = metadata_of(request);
                blob.etag += 1;
                Answer::new(200)
            }
            ("PUT", target) if target.contains("comp=properties") => {
                if request.header("x-ms-sequence-number-action") == "max" {
                    blob.number = blob
                        .number
                        .max(request.header("x-ms-blob-sequence-number").parse().unwrap());
                } else {
                    let length = request.header("x-ms-blob-content-length").parse().unwrap();
                    blob.data.resize(length, 0);
                }
                blob.etag += 1;
                Answer::new(200).with("x-ms-blob-sequence-number", &blob.number.to_string())
            }
            ("PUT", target) if target.contains("comp=page") => {
                let (start, end) = request.range();
                if end > blob.data.len() {
                    return Answer::error(416, "InvalidRange");
                }
                if request.header("x-ms-page-write") == "clear" {
                    blob.data[start..end].fill(0);
                } else {
                    let expected = request.header("content-md5");
                    if !expected.is_empty() && expected != STANDARD.encode(Md5::digest(&request.body)) {
                        return Answer::error(400, "Md5Mismatch");
                    }
                    blob.data[start..end].copy_from_slice(&request.body);
                }
                blob.etag += 1;
                Answer::new(201)
            }
            ("GET", target) if target.contains("comp=pagelist") => {
                let body = format!(
                    "<PageList><PageRange><Start>0</Start><End>{}</End></PageRange></PageList>",
                    blob.data.len() - 1
                );
                Answer {
                    body: body.into_bytes(),
                    ..Answer::new(200)
                }
            }
            ("GET", _) => {
                let (start, end) = request.range();
                if end > blob.data.len() {
                    return Answer::error(416, "InvalidRange");
                }
                let body = blob.data[start..end].to_vec();
                let mut answer = Answer::new(206).with(
                    "content-range",
                    &format!("bytes {start}-{}/{}", end - 1, blob.data.len()),
                );
                if request.header("x-ms-range-get-content-md5") == "true" {
                    answer = answer.with("content-md5", &STANDARD.encode(Md5::digest(&body)));
                }
                Answer { body, ..answer }
            }
            _ => Answer::error(400, "UnsupportedHttpVerb"),
        }
    }

    /// Copying onto a leased blob takes a lease that never runs out.
    fn start_copy(&mut self, request: &Request) -> Answer {
        if self.copy_looks > 0 {
            return Answer::error(409, "PendingCopyOperation");
        }
        if self.lease.is_some() && !self.endless {
            return Answer::error(412, "InfiniteLeaseDurationRequired");
        }
        self.metadata = metadata_of(request);
        self.copy = Some("copy-1".to_owned());
        self.copy_looks = 3;
        self.etag += 1;
        Answer::new(202)
            .with("x-ms-copy-id", "copy-1")
            .with("x-ms-copy-status", "pending")
    }
}

fn metadata_of(request: &Request) -> BTreeMap<String, String> {
    let pairs = request.headers.iter();
    pairs
        .filter_map(|(name, value)| Some((name.strip_prefix("x-ms-meta-")?.to_owned(), value.clone())))
        .collect()
}

fn lease_action(blob: &mut Blob, action: &str, request: &Request) -> Answer {
    let id = request.header("x-ms-lease-id").to_owned();
    match (action, &blob.lease) {
        ("acquire", held) => {
            let proposed = request.header("x-ms-proposed-lease-id").to_owned();
            if held.as_ref().is_some_and(|held| *held != proposed) {
                return Answer::error(409, "LeaseAlreadyPresent");
            }
            blob.endless = request.header("x-ms-lease-duration") == "-1";
            blob.lease = Some(proposed);
            Answer::new(201)
        }
        ("renew", Some(held)) if *held == id => Answer::new(200),
        ("renew", _) => Answer::error(409, "LeaseIdMismatchWithLeaseOperation"),
        ("release", Some(held)) if *held == id => {
            blob.lease = None;
            Answer::new(200)
        }
        ("break", _) => {
            blob.lease = None;
            Answer::new(202)
        }
        _ => Answer::error(409, "LeaseIdMismatchWithLeaseOperation"),
    }
}
