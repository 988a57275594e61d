//! A name server that knows one address (RFC 1035): every name is the device. Whoever asks for anything but an IPv4 address hears
//! that there is none, so that nobody waits.

use std::{io, net::Ipv4Addr, time::Duration};

use tokio::net::UdpSocket;

const PORT: u16 = 53;
/// The longest question that is read; what comes behind it (EDNS, RFC 6891) is not needed.
const LONGEST: usize = 512;
/// How long an answer may be remembered, in seconds: the phone is soon in another network, where names lead elsewhere.
const TIME_TO_LIVE: u32 = 2;

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_ANY: u16 = 255;
const CLASS_IN: u16 = 1;
/// It is an answer.
const QR: u8 = 0x80;
/// The kind of question: 0 is an ordinary one.
const OPCODE: u8 = 0x78;
/// The server is the one to know.
const AA: u8 = 0x04;
/// The questioner would like the server to ask others.
const RD: u8 = 0x01;

/// Opens the socket.
pub(super) async fn bind(address: Ipv4Addr) -> io::Result<UdpSocket> {
    UdpSocket::bind((address, PORT)).await
}

/// Answers until it is aborted.
pub(super) async fn serve(socket: UdpSocket, address: Ipv4Addr) {
    let mut question = [0; LONGEST];
    loop {
        match socket.recv_from(&mut question).await {
            Ok((length, sender)) => {
                if let Some(answer) = answer_with(&question[..length], address) {
                    // Who does not get it asks again.
                    let _ = socket.send_to(&answer, sender).await;
                }
            }
            // The answer before met a closed port, or the interface is going.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// The answer to a question; nothing for what is none.
pub(crate) fn answer(query: &[u8]) -> Option<Vec<u8>> {
    answer_with(query, super::ADDRESS)
}

fn answer_with(query: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    let (header, rest) = query.split_at_checked(HEADER)?;
    let questions = u16::from_be_bytes([header[4], header[5]]);
    if header[2] & (QR | OPCODE) != 0 || questions != 1 {
        return None;
    }
    let name = name_length(rest)?;
    let &[t0, t1, c0, c1] = rest.get(name..name + 4)? else {
        return None;
    };
    let (kind, class) = (u16::from_be_bytes([t0, t1]), u16::from_be_bytes([c0, c1]));
    let has_one = matches!(kind, TYPE_A | TYPE_ANY) && class == CLASS_IN;

    let mut answer = Vec::with_capacity(HEADER + name + 4 + 16);
    answer.extend([header[0], header[1], QR | AA | (header[2] & RD), 0]);
    for count in [1, u16::from(has_one), 0, 0] {
        answer.extend(count.to_be_bytes());
    }
    answer.extend(&rest[..name + 4]);
    if has_one {
        // The name of the question, by where it is (4.1.4).
        answer.extend((0xc000 | HEADER as u16).to_be_bytes());
        answer.extend(TYPE_A.to_be_bytes());
        answer.extend(CLASS_IN.to_be_bytes());
        answer.extend(TIME_TO_LIVE.to_be_bytes());
        answer.extend(4u16.to_be_bytes());
        answer.extend(address.octets());
    }
    Some(answer)
}

/// Bytes of the name that a question begins with. A name that refers to another place has no business there.
fn name_length(question: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let label = usize::from(*question.get(at)?);
        at += 1;
        match label {
            0 => return Some(at),
            1..=63 if at + label < 255 => at += label,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

    fn question(kind: u16) -> Vec<u8> {
        let mut query = vec![0xab, 0xcd, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1];
        query.extend(b"\x12connectivitycheck1\x07gstatic\x03com\0");
        query.extend(kind.to_be_bytes());
        query.extend(CLASS_IN.to_be_bytes());
        // EDNS.
        query.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
        query
    }

    #[test]
    fn every_name_is_the_device() {
        let answer = answer_with(&question(TYPE_A), OWN).unwrap();
        assert_eq!(answer[..12], [0xab, 0xcd, 0x85, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
        assert_eq!(answer[answer.len() - 4..], OWN.octets());
        let no_v6 = answer_with(&question(28), OWN).unwrap();
        assert_eq!(no_v6[2..8], [0x85, 0, 0, 1, 0, 0]);
        assert_eq!(no_v6.len(), 12 + 32 + 4);
    }

    #[test]
    fn what_is_no_question_is_not_answered() {
        let good = question(TYPE_A);
        for length in 0..12 + 32 + 4 {
            assert_eq!(answer_with(&good[..length], OWN), None, "{length}");
        }
        let broken = |at: usize, byte: u8| {
            let mut query = good.clone();
            query[at] = byte;
            answer_with(&query, OWN)
        };
        assert_eq!(broken(2, 0x81), None, "an answer");
        assert_eq!(broken(5, 2), None, "two questions");
        assert_eq!(broken(12, 0xc0), None, "a name that refers to itself");
    }
}
