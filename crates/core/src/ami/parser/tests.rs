use proptest::prelude::*;

use super::*;

fn parse_in_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Received> {
    let (mut parser, mut buffer, mut received) = (Parser::default(), BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(item) = parser.parse(&mut buffer).expect("parses") {
            received.push(item);
        }
    }
    received
}

const TRANSCRIPT: &[u8] =
    b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\nActionID: 1\r\n\r\n\
    Event: Bare\nA: b\n\n\r\n\nEvent: Hangup\r\nCause: 16\r\n\r\n";

#[test]
fn transcript_cut_anywhere_parses_the_same() {
    let whole = parse_in_pieces([TRANSCRIPT]);
    assert_eq!(whole.len(), 4);
    assert_eq!(whole[0], Received::Banner("Asterisk Call Manager/11.0.0".into()));
    for cut in 0..TRANSCRIPT.len() {
        let (a, b) = TRANSCRIPT.split_at(cut);
        assert_eq!(parse_in_pieces([a, b]), whole, "cut at {cut}");
    }
    assert_eq!(parse_in_pieces(TRANSCRIPT.chunks(1)), whole);
}

#[test]
fn oversized_frame_is_skipped() {
    let mut wire = TRANSCRIPT.to_vec();
    wire.extend_from_slice(b"Event: Long\r\nX: ");
    wire.extend(std::iter::repeat_n(b'x', 3 * MAX_FRAME));
    wire.extend_from_slice(b"\r\n\r\nEvent: After\r\n\r\n");
    for size in [wire.len(), 1000, 7] {
        let received = parse_in_pieces(wire.chunks(size));
        let [.., Received::Oversized(length), Received::Frame(after)] = &received[..] else {
            panic!("{received:?}");
        };
        assert!(*length > 3 * MAX_FRAME);
        assert_eq!(after.text("Event").as_deref(), Some("After"));
    }
}

#[test]
fn endless_frame_takes_no_memory() {
    let (mut parser, mut buffer) = (Parser { greeted: true, ..Parser::default() }, BytesMut::new());
    for _ in 0..1000 {
        buffer.extend_from_slice(&[b'x'; 4096]);
        assert_eq!(parser.parse(&mut buffer).expect("parses"), None);
        assert!(buffer.len() <= MAX_FRAME + 4096);
    }
}

#[test]
fn peer_without_banner_is_rejected() {
    for peer in
        ["SSH-2.0-OpenSSH_9.2\r\n", "H", "Asterisk Call Managed", "HTTP/1.1 400 Bad Request\r\n"]
    {
        assert!(Parser::default().parse(&mut BytesMut::from(peer)).is_err(), "{peer}");
    }
    let mut endless = BytesMut::from(&b"Asterisk Call Manager/"[..]);
    endless.extend_from_slice(&[b'1'; MAX_BANNER]);
    assert!(Parser::default().parse(&mut endless).is_err());
}

proptest! {
    #[test]
    fn random_bytes_cut_anywhere_parse_the_same(
        noise in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], 0..300),
        cuts in proptest::collection::vec(1usize..40, 1..20),
    ) {
        let mut wire = b"Asterisk Call Manager/5\n".to_vec();
        wire.extend_from_slice(&noise);
        let whole = parse_in_pieces([&wire[..]]);
        let mut pieces = Vec::new();
        let mut rest = &wire[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break }
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(parse_in_pieces(pieces), whole);
    }
}
