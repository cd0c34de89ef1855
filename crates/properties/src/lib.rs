//! Properties that hold for any input: the fuzzer searches for inputs that break them, and the tests
//! replay the inputs of `fuzz/corpus`.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use originatord::config::Config;
use originatord::http::auth::{Authenticator, Keys};
use originatord::http::body::ConfBody;
use originatord_core::ami::action::{Action, ActionId, MAX_LINE, Originate};
use originatord_core::ami::frame::Frame;
use originatord_core::ami::message::Message;
use originatord_core::ami::parser::{MAX_FRAME, NotAsterisk, Parser};
use originatord_core::ami::session::Session;
use originatord_core::ami::settings::Auth;
use originatord_core::call::numbering::Numbering;

const CONFIG: &str = "
    [[api_keys]]
    name = 'bot'
    key = 'k3y-of-the-bot'
    [[asterisk]]
    address = '127.0.0.1:5038'
    username = 'originatord'
    secret = 's3cret-of-asterisk'
";

fn sample() -> Config {
    Config::parse(CONFIG, Path::new("")).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// A byte stream decodes the same in pieces of any size, and the parser buffers at most one frame.
pub fn codec(data: &[u8]) {
    let decode = |piece: usize| {
        let (mut parser, mut buffer, mut received) =
            (Parser::default(), BytesMut::new(), Vec::new());
        for bytes in data.chunks(piece.max(1)) {
            buffer.extend_from_slice(bytes);
            loop {
                match parser.parse(&mut buffer) {
                    Ok(Some(item)) => received.push(item),
                    Ok(None) => break,
                    Err(NotAsterisk) => return (received, true),
                }
            }
            assert!(
                buffer.len() <= MAX_FRAME + piece + 4,
                "the parser buffers {} bytes",
                buffer.len()
            );
        }
        (received, false)
    };
    let whole = decode(data.len());
    assert_eq!(decode(1), whole);
    assert_eq!(decode(7), whole);
}

/// Reading a frame causes no panic. Its values in an Originate stay one line for each header, no
/// longer than Asterisk accepts, or the Originate is not encoded.
pub fn message(data: &[u8]) {
    let frame = Frame::new(Bytes::copy_from_slice(data));
    let _ = Message::parse(&frame);
    let text = String::from_utf8_lossy(data).into_owned();
    // Without a caller id there is no header for it.
    let headers = 12 - usize::from(text.is_empty());
    let originate = Action::Originate(Box::new(Originate {
        channel: format!("Local/{text}@telegram-out"),
        context: "conf-in".to_owned(),
        exten: text.clone(),
        priority: 1,
        timeout: Duration::from_secs(30),
        caller_id: text.clone(),
        variables: vec![("LANG".into(), text)],
        channel_id: "od-1".to_owned(),
        other_channel_id: "od-lock-1".to_owned(),
    }));
    let mut out = BytesMut::from(&b"before"[..]);
    if originate.encode(&ActionId::Counted(1), &mut out).is_err() {
        assert_eq!(&out[..], b"before", "an action that cannot be sent leaves no bytes");
        return;
    }
    let lines: Vec<&[u8]> = out[6..].split_inclusive(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), headers + 1, "one line for each header, and the end");
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with(b"\r\n") && line.len() <= MAX_LINE && !line.contains(&0))
    );
    assert_eq!(lines.iter().filter(|line| line.len() == 2).count(), 1, "one end");
}

/// No received bytes make a session panic, grow without bound, or send its secret unasked.
pub fn session(data: &[u8]) {
    let (&choice, data) = data.split_first().unwrap_or((&0, &[]));
    let auth = [Auth::Auto, Auth::Md5, Auth::Plain][usize::from(choice % 3)];
    let mut settings = sample().asterisk.session;
    settings.auth = auth;
    let start = Instant::now();
    let mut session: Session<u8> = Session::new(settings, start);
    let (mut parser, mut buffer, mut sent) = (Parser::default(), BytesMut::from(data), Vec::new());
    let mut now = start;
    while let Ok(Some(received)) = parser.parse(&mut buffer) {
        now += Duration::from_millis(u64::from(choice));
        if session.receive(now, received).is_err() || session.tick(now).is_err() {
            break;
        }
        if session.is_up() && session.pending() < 4 {
            let _ = session.send(now, &Action::CoreShowChannels, 0);
        }
        assert!(session.pending() <= 8, "{} actions are pending", session.pending());
        assert!(session.deadline() >= start);
        sent.extend_from_slice(&session.output().split());
    }
    if auth == Auth::Md5 {
        assert!(!String::from_utf8_lossy(&sent).contains("s3cret-of-asterisk"));
    }
}

/// A body is either refused with JSON that has an `error`, or its values cannot break out of their
/// AMI headers.
pub fn body(data: &[u8]) {
    static AUTHENTICATOR: OnceLock<Authenticator> = OnceLock::new();
    let authenticator = AUTHENTICATOR
        .get_or_init(|| Authenticator::new(Keys::new(&sample().api_keys), sample().http.listen));
    let lang = sample().default_lang;
    let request = ConfBody::parse(data).and_then(|body| {
        let caller = body.caller(authenticator)?;
        body.request(&caller, &lang, &Numbering::default())
    });
    match request {
        Err(error) => {
            assert!(error.status().is_client_error(), "{}", error.status());
            assert!(error.body().to_string().contains("error"), "{error:?}");
        }
        Ok(request) => {
            let texts =
                [request.room.to_string(), request.caller_id.to_string(), request.lang.to_string()];
            for text in texts {
                assert!(text.len() <= 64, "{text:?}");
                assert!(
                    !text.contains(|c: char| c.is_control() || ",;&|${}<>\"\\[]".contains(c)),
                    "{text:?}"
                );
                assert!(text.trim() == text && !text.contains("  "), "{text:?}");
            }
            assert!(!request.room.as_str().is_empty() && !request.lang.as_str().is_empty());
            assert!(
                !request.room.as_str().contains(['@', '/', '(', ')', '=']),
                "{:?}",
                request.room
            );
            let digits = request.number.digits();
            assert!((3..=15).contains(&digits.len()) && !digits.starts_with('0'), "{digits}");
            assert!(digits.bytes().all(|byte| byte.is_ascii_digit()));
        }
    }
}

/// A configuration file is accepted, or refused with problems that name one of its lines; no secret
/// is shown.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Skip configurations that would read other files or variables.
    if text.contains("_file") || text.contains("_env") {
        return;
    }
    match Config::parse(text, Path::new("")) {
        Ok(read) => assert!(!format!("{read:?}").contains("s3cret"), "a secret is shown"),
        Err(problems) => {
            let lines = text.lines().count() + 1;
            assert!(!problems.is_empty());
            assert!(
                problems.iter().all(|problem| (1..=lines).contains(&problem.line)),
                "{problems:?}"
            );
            assert!(problems.iter().all(|problem| !problem.text.contains('\n')), "{problems:?}");
        }
    }
}
