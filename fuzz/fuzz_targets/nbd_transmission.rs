//! A client that shakes hands properly and then sends any requests.

#![no_main]

use export_nbd::{feed, protocol};
use libfuzzer_sys::fuzz_target;

/// `NBD_FLAG_C_FIXED_NEWSTYLE | NBD_FLAG_C_NO_ZEROES`.
const CLIENT_FLAGS: u32 = 3;
const OPTION_STRUCTURED_REPLY: u32 = 8;
const OPTION_GO: u32 = 7;
const OPTION_SET_META_CONTEXT: u32 = 10;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, mut rest)) = data.split_first() else {
        return;
    };
    let mut stream = handshake(choice);
    if choice & 4 != 0 {
        // Nothing is put right, so that wrong magics and torn payloads come too.
        stream.extend_from_slice(rest);
    } else {
        while let Some((record, after)) = rest.split_first_chunk() {
            stream.extend_from_slice(&request(record));
            rest = after;
        }
    }
    let _ = feed(&stream);
});

fn handshake(choice: u8) -> Vec<u8> {
    let export: &[u8] = if choice & 1 == 0 { b"" } else { b"second" };
    let mut name = (export.len() as u32).to_be_bytes().to_vec();
    name.extend_from_slice(export);
    let mut stream = CLIENT_FLAGS.to_be_bytes().to_vec();
    if choice & 2 != 0 {
        option(&mut stream, OPTION_STRUCTURED_REPLY, &[]);
        let query = b"base:allocation";
        let mut meta = name.clone();
        meta.extend_from_slice(&1_u32.to_be_bytes());
        meta.extend_from_slice(&(query.len() as u32).to_be_bytes());
        meta.extend_from_slice(query);
        option(&mut stream, OPTION_SET_META_CONTEXT, &meta);
    }
    name.extend_from_slice(&[0, 0]);
    option(&mut stream, OPTION_GO, &name);
    stream
}

fn option(stream: &mut Vec<u8>, kind: u32, data: &[u8]) {
    stream.extend_from_slice(b"IHAVEOPT");
    stream.extend_from_slice(&kind.to_be_bytes());
    stream.extend_from_slice(&(data.len() as u32).to_be_bytes());
    stream.extend_from_slice(data);
}

/// A request that gets past the magic and, mostly, past alignment: flags, command, offset and length in 8 bytes.
fn request(record: &[u8; 8]) -> Vec<u8> {
    let [flags, command, high, sectors @ .., unit, odd] = *record;
    let unit = if unit & 1 == 0 { 512 } else { 1 };
    let offset = u64::from(high) << 56 | u64::from(u16::from_be_bytes([sectors[0], sectors[1]])) * unit;
    let length = u32::from(sectors[2]) * unit as u32 + u32::from(odd & 1);
    let mut bytes = protocol::REQUEST_MAGIC.to_be_bytes().to_vec();
    bytes.extend_from_slice(&u16::from(flags).to_be_bytes());
    bytes.extend_from_slice(&u16::from(command).to_be_bytes());
    bytes.extend_from_slice(&0x1122_3344_5566_7788_u64.to_be_bytes());
    bytes.extend_from_slice(&offset.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    if command == 1 {
        bytes.resize(bytes.len() + length as usize, record[7]);
    }
    bytes
}
