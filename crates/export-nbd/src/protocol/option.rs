//! Parsing of the options of the handshake ("Option types").

use super::{ALLOCATION, MAX_STRING, opt};

/// An option, its data understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientOption<'a> {
    /// `NBD_OPT_EXPORT_NAME`
    ExportName(&'a str),
    /// `NBD_OPT_ABORT`
    Abort,
    /// `NBD_OPT_LIST`
    List,
    /// `NBD_OPT_STARTTLS`
    StartTls,
    /// `NBD_OPT_INFO`
    Info(InfoRequest<'a>),
    /// `NBD_OPT_GO`
    Go(InfoRequest<'a>),
    /// `NBD_OPT_STRUCTURED_REPLY`
    StructuredReply,
    /// `NBD_OPT_LIST_META_CONTEXT`
    ListMetaContext(MetaRequest<'a>),
    /// `NBD_OPT_SET_META_CONTEXT`
    SetMetaContext(MetaRequest<'a>),
    /// Anything else; its data are skipped.
    Unknown(u32),
}

/// What a client wants to know of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfoRequest<'a> {
    /// Name of the export; empty for the default one.
    pub name: &'a str,
    /// It asked for the canonical name.
    pub wants_name: bool,
    /// It asked for the description.
    pub wants_description: bool,
    /// It asked for the size constraints, and promises to keep to them.
    pub wants_block_size: bool,
}

/// Which metadata contexts of an export a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaRequest<'a> {
    /// Name of the export; empty for the default one.
    pub name: &'a str,
    /// How many queries there were.
    pub queries: u32,
    /// One of them names `base:allocation`.
    pub allocation: bool,
    /// One of them is the wildcard `base:`, which only listing knows.
    pub base_wildcard: bool,
}

/// Why the data of an option make no sense; sent to the client with `NBD_REP_ERR_INVALID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidOption(pub &'static str);

/// What option `kind` with `data` asks for.
///
/// # Errors
///
/// [`InvalidOption`] if the data are not of the option's form.
pub fn parse_option(kind: u32, data: &[u8]) -> Result<ClientOption<'_>, InvalidOption> {
    match kind {
        opt::EXPORT_NAME => string(data).map(ClientOption::ExportName),
        opt::ABORT => Ok(ClientOption::Abort),
        opt::LIST => empty(data).map(|()| ClientOption::List),
        opt::STARTTLS => empty(data).map(|()| ClientOption::StartTls),
        opt::STRUCTURED_REPLY => empty(data).map(|()| ClientOption::StructuredReply),
        opt::INFO => info_request(data).map(ClientOption::Info),
        opt::GO => info_request(data).map(ClientOption::Go),
        opt::LIST_META_CONTEXT => meta_request(data).map(ClientOption::ListMetaContext),
        opt::SET_META_CONTEXT => meta_request(data).map(ClientOption::SetMetaContext),
        other => Ok(ClientOption::Unknown(other)),
    }
}

fn info_request(data: &[u8]) -> Result<InfoRequest<'_>, InvalidOption> {
    let (name, rest) = counted_string(data)?;
    let (count, rest) = rest.split_first_chunk().ok_or(TOO_SHORT)?;
    if rest.len() != 2 * usize::from(u16::from_be_bytes(*count)) {
        return Err(InvalidOption(
            "the number of information requests does not match the option's length",
        ));
    }
    let mut request = InfoRequest {
        name,
        wants_name: false,
        wants_description: false,
        wants_block_size: false,
    };
    for kind in rest.as_chunks().0 {
        match u16::from_be_bytes(*kind) {
            super::info::NAME => request.wants_name = true,
            super::info::DESCRIPTION => request.wants_description = true,
            super::info::BLOCK_SIZE => request.wants_block_size = true,
            _ => {}
        }
    }
    Ok(request)
}

fn meta_request(data: &[u8]) -> Result<MetaRequest<'_>, InvalidOption> {
    let (name, rest) = counted_string(data)?;
    let (count, mut rest) = rest.split_first_chunk().ok_or(TOO_SHORT)?;
    let queries = u32::from_be_bytes(*count);
    let mut request = MetaRequest {
        name,
        queries,
        allocation: false,
        base_wildcard: false,
    };
    // A query takes at least its four bytes of length, so a huge count ends at the end of the data.
    for _ in 0..queries {
        let (query, after) = counted_string(rest)?;
        if !query.contains(':') {
            return Err(InvalidOption("a metadata query needs a namespace and a colon"));
        }
        request.allocation |= query == ALLOCATION;
        request.base_wildcard |= query == "base:";
        rest = after;
    }
    if rest.is_empty() {
        Ok(request)
    } else {
        Err(InvalidOption("data after the last metadata query"))
    }
}

const TOO_SHORT: InvalidOption = InvalidOption("the option's data end too early");

fn empty(data: &[u8]) -> Result<(), InvalidOption> {
    if data.is_empty() {
        Ok(())
    } else {
        Err(InvalidOption("this option takes no data"))
    }
}

/// A string that follows its length of 32 bits, and what comes after it.
fn counted_string(data: &[u8]) -> Result<(&str, &[u8]), InvalidOption> {
    let (length, rest) = data.split_first_chunk().ok_or(TOO_SHORT)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| TOO_SHORT)?;
    let (text, rest) = rest.split_at_checked(length).ok_or(TOO_SHORT)?;
    Ok((string(text)?, rest))
}

fn string(text: &[u8]) -> Result<&str, InvalidOption> {
    if text.len() > MAX_STRING {
        return Err(InvalidOption("a string is longer than 4096 bytes"));
    }
    match std::str::from_utf8(text) {
        Ok(text) if !text.contains('\0') => Ok(text),
        _ => Err(InvalidOption("a string is no UTF-8 or holds a NUL")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(name: &str, count: u16, infos: &[u16]) -> Vec<u8> {
        let mut data = (name.len() as u32).to_be_bytes().to_vec();
        data.extend(name.as_bytes());
        data.extend(count.to_be_bytes());
        data.extend(infos.iter().flat_map(|info| info.to_be_bytes()));
        data
    }

    fn meta(name: &str, count: u32, queries: &[&str]) -> Vec<u8> {
        let mut data = (name.len() as u32).to_be_bytes().to_vec();
        data.extend(name.as_bytes());
        data.extend(count.to_be_bytes());
        for query in queries {
            data.extend((query.len() as u32).to_be_bytes());
            data.extend(query.as_bytes());
        }
        data
    }

    #[test]
    fn go_names_an_export_and_the_facts_it_wants() {
        let data = go("disk", 3, &[3, 1, 999]);
        let Ok(ClientOption::Go(request)) = parse_option(opt::GO, &data) else {
            panic!("valid")
        };
        assert_eq!(request.name, "disk");
        assert!(request.wants_name && request.wants_block_size && !request.wants_description);
    }

    #[test]
    fn every_truncation_of_a_valid_option_is_invalid() {
        for (kind, data) in [
            (opt::GO, go("disk", 2, &[0, 3])),
            (opt::SET_META_CONTEXT, meta("disk", 2, &["base:allocation", "qemu:x"])),
        ] {
            assert!(parse_option(kind, &data).is_ok());
            for end in 0..data.len() {
                assert!(parse_option(kind, &data[..end]).is_err(), "option {kind} cut at {end}");
            }
            let longer = [data.as_slice(), &[0]].concat();
            assert!(
                parse_option(kind, &longer).is_err(),
                "option {kind} with a byte too many"
            );
        }
    }

    #[test]
    fn a_huge_count_of_queries_ends_with_the_data() {
        assert!(parse_option(opt::LIST_META_CONTEXT, &meta("", u32::MAX, &["base:"])).is_err());
    }

    #[test]
    fn only_the_contexts_we_know_are_chosen() {
        let data = meta("", 3, &["base:", "x-other:thing", "base:allocation"]);
        let Ok(ClientOption::SetMetaContext(request)) = parse_option(opt::SET_META_CONTEXT, &data) else {
            panic!("valid")
        };
        assert!(request.allocation && request.base_wildcard);
        assert!(parse_option(opt::SET_META_CONTEXT, &meta("", 1, &["no colon"])).is_err());
    }

    #[test]
    fn names_must_be_short_utf8_without_nul() {
        assert!(parse_option(opt::EXPORT_NAME, "größe".as_bytes()).is_ok());
        assert!(parse_option(opt::EXPORT_NAME, b"\xff").is_err());
        assert!(parse_option(opt::EXPORT_NAME, b"a\0b").is_err());
        assert!(parse_option(opt::EXPORT_NAME, &[b'a'; MAX_STRING]).is_ok());
        assert!(parse_option(opt::EXPORT_NAME, &[b'a'; MAX_STRING + 1]).is_err());
    }

    #[test]
    fn options_without_data_take_none_and_abort_does_not_care() {
        for kind in [opt::LIST, opt::STARTTLS, opt::STRUCTURED_REPLY] {
            assert!(parse_option(kind, b"").is_ok());
            assert!(parse_option(kind, b"x").is_err());
        }
        assert_eq!(parse_option(opt::ABORT, b"bye"), Ok(ClientOption::Abort));
        assert_eq!(parse_option(opt::EXTENDED_HEADERS, b""), Ok(ClientOption::Unknown(11)));
    }
}
