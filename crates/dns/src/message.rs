//! Questions in, answers out (RFC 1035). Only what we answer ourselves is ever parsed in full.

use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::Names;

/// Seconds that our answers may be kept, as Docker's.
const TTL: u32 = 600;
/// Least size of a datagram that everybody takes.
pub(crate) const UDP_MIN: usize = 512;
const HEADER: usize = 12;

/// Most of one datagram.
pub(crate) const MESSAGE_MAX: usize = 65535;

/// What to do with a request.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Send this back.
    Answer(Vec<u8>),
    /// Ask somebody else; an answer over UDP may have this many bytes.
    Forward { udp_limit: usize },
    /// Not worth an answer.
    Ignore,
}

/// Decides on a request.
pub(crate) fn decide(request: &[u8], names: &dyn Names) -> Decision {
    let Ok(message) = Message::from_vec(request) else {
        return if request.len() >= HEADER && request[2] & 0x80 == 0 {
            Decision::Answer(failure(request, ResponseCode::FormErr))
        } else {
            Decision::Ignore
        };
    };
    if message.metadata.message_type != MessageType::Query {
        return Decision::Ignore;
    }
    let udp_limit = usize::from(message.edns.as_ref().map_or(0, |e| e.max_payload())).max(UDP_MIN);
    let ours = message.metadata.op_code == OpCode::Query;
    let local = match message.queries.as_slice() {
        [query] if ours && query.query_class == DNSClass::IN => answer(query, names),
        _ => None,
    };
    match local {
        None => Decision::Forward { udp_limit },
        Some(records) => {
            let mut reply = Message::response(message.metadata.id, OpCode::Query);
            reply.metadata.recursion_desired = message.metadata.recursion_desired;
            reply.metadata.recursion_available = true;
            reply.add_queries(message.queries.iter().cloned());
            reply.add_answers(records);
            match reply.to_vec() {
                Ok(bytes) => Decision::Answer(bytes),
                Err(_) => Decision::Answer(failure(request, ResponseCode::ServFail)),
            }
        }
    }
}

/// The records for a name or address of ours; `None` if it is not.
fn answer(query: &Query, names: &dyn Names) -> Option<Vec<Record>> {
    let name = query.name();
    match query.query_type() {
        RecordType::A | RecordType::AAAA => {
            let text = name.to_ascii();
            let ips = names.addresses(text.trim_end_matches('.'))?;
            let records = ips.into_iter().filter_map(|ip| match (ip, query.query_type()) {
                (IpAddr::V4(ip), RecordType::A) => Some(Record::from_rdata(name.clone(), TTL, RData::A(A(ip)))),
                (IpAddr::V6(ip), RecordType::AAAA) => {
                    Some(Record::from_rdata(name.clone(), TTL, RData::AAAA(AAAA(ip))))
                }
                _ => None,
            });
            Some(records.collect())
        }
        RecordType::PTR => {
            let net = name.parse_arpa_name().ok()?;
            let ip = net.addr();
            let pointers = names.pointers(ip)?;
            let records = pointers.iter().filter_map(|host| {
                let mut target = Name::from_ascii(host).ok()?;
                target.set_fqdn(true);
                Some(Record::from_rdata(name.clone(), TTL, RData::PTR(PTR(target))))
            });
            Some(records.collect())
        }
        _ => None,
    }
}

/// A refusal that needs no parsing: the request's header turned round, its questions if they can be found.
pub(crate) fn failure(request: &[u8], code: ResponseCode) -> Vec<u8> {
    let questions = question_end(request);
    let mut out = request[..questions.unwrap_or(HEADER).min(request.len())].to_vec();
    out.resize(out.len().max(HEADER), 0);
    out[2] |= 0x80;
    out[3] = 0x80 | (code.low() & 0x0f);
    out[4..HEADER].fill(0);
    if questions.is_some() {
        out[4..6].copy_from_slice(&request[4..6]);
    }
    out
}

/// Cuts an answer that is too long for a datagram: questions stay, the client is told to ask by TCP.
pub(crate) fn truncate(answer: &mut Vec<u8>, limit: usize) {
    if answer.len() <= limit {
        return;
    }
    let end = question_end(answer).filter(|end| *end <= limit);
    answer.truncate(end.unwrap_or(HEADER));
    answer[2] |= 0x02;
    answer[6..HEADER].fill(0);
    if end.is_none() {
        answer[4..6].fill(0);
    }
}

/// Where the questions end; `None` if the message is malformed.
fn question_end(message: &[u8]) -> Option<usize> {
    let count = u16::from_be_bytes([*message.get(4)?, *message.get(5)?]);
    let mut at = HEADER;
    for _ in 0..count {
        loop {
            let length = usize::from(*message.get(at)?);
            at += 1;
            match length {
                0 => break,
                1..=63 => at += length,
                // A compressed name ends here.
                _ => {
                    at += 1;
                    break;
                }
            }
        }
        at += 4;
    }
    (at <= message.len()).then_some(at)
}

/// Whether an answer belongs to a request: same question (id is checked by the caller).
pub(crate) fn same_question(request: &[u8], answer: &[u8]) -> bool {
    if answer.len() < HEADER || answer[2] & 0x80 == 0 {
        return false;
    }
    match (question_end(request), question_end(answer)) {
        (Some(a), Some(b)) => a == b && request[HEADER..a].eq_ignore_ascii_case(&answer[HEADER..b]),
        // Some servers leave the question out of a refusal.
        _ => answer[4..6] == [0, 0],
    }
}

/// Whether another server may know better: the answer is a failure of the server itself.
pub(crate) fn is_server_failure(answer: &[u8]) -> bool {
    matches!(answer.get(3).map(|b| b & 0x0f), Some(2 | 4 | 5))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One;

    impl Names for One {
        fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
            name.eq_ignore_ascii_case("web").then(|| vec![IpAddr::from([10, 0, 0, 2])])
        }
        fn pointers(&self, ip: IpAddr) -> Option<Vec<String>> {
            (ip == IpAddr::from([10, 0, 0, 2])).then(|| vec!["web.net1".to_owned()])
        }
    }

    fn ask(name: &str, kind: RecordType) -> Vec<u8> {
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(Name::from_ascii(name).expect("name"), kind));
        message.to_vec().expect("encodes")
    }

    fn reply(name: &str, kind: RecordType) -> Message {
        match decide(&ask(name, kind), &One) {
            Decision::Answer(bytes) => Message::from_vec(&bytes).expect("parses"),
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn members_are_answered_for() {
        let got = reply("WEB.", RecordType::A);
        assert_eq!(got.answers[0].data, RData::A(A::new(10, 0, 0, 2)));
        let got = reply("web.", RecordType::AAAA);
        assert_eq!((got.answers.len(), got.metadata.response_code), (0, ResponseCode::NoError));
        let got = reply("2.0.0.10.in-addr.arpa.", RecordType::PTR);
        assert_eq!(got.answers[0].data.to_string(), "web.net1.");
    }

    #[test]
    fn others_are_forwarded() {
        for (name, kind) in
            [("example.com.", RecordType::A), ("web.", RecordType::MX), ("9.0.0.10.in-addr.arpa.", RecordType::PTR)]
        {
            assert!(matches!(decide(&ask(name, kind), &One), Decision::Forward { udp_limit: 512 }), "{name}");
        }
    }

    #[test]
    fn garbage_never_panics() {
        let good = ask("web.", RecordType::A);
        for cut in 0..good.len() {
            decide(&good[..cut], &One);
            failure(&good[..cut], ResponseCode::ServFail);
            same_question(&good, &good[..cut]);
        }
        for byte in 0..good.len() {
            let mut bad = good.clone();
            bad[byte] ^= 0xff;
            decide(&bad, &One);
            same_question(&good, &bad);
            let mut long = bad.clone();
            long.resize(600, 0xc0);
            truncate(&mut long, 512);
            assert!(long.len() <= 512);
        }
    }

    #[test]
    fn failures_carry_the_question() {
        let request = ask("a.b.", RecordType::A);
        let got = Message::from_vec(&failure(&request, ResponseCode::ServFail)).expect("parses");
        assert_eq!(got.metadata.response_code, ResponseCode::ServFail);
        assert_eq!(got.queries.len(), 1);
        assert_eq!(got.metadata.message_type, MessageType::Response);
    }
}
