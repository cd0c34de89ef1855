use super::*;

const KEEPALIVE: Duration = Duration::from_secs(3);

fn session(auth: Auth) -> (Session<u32>, Instant) {
    let now = Instant::now();
    let settings = SessionSettings {
        username: "originatord".into(),
        secret: "s3cr3t".to_owned().into(),
        auth,
        keepalive: KEEPALIVE,
        action_timeout: Duration::from_secs(5),
    };
    (Session::new(settings, now), now)
}

fn sent(session: &mut Session<u32>) -> String {
    String::from_utf8(session.output().split().to_vec()).expect("text")
}

fn frame(text: &str) -> Received {
    Received::Frame(Frame::new(text.to_owned().into()))
}

fn logged_in() -> (Session<u32>, Instant) {
    let (mut session, now) = session(Auth::Plain);
    session.receive(now, Received::Banner("Asterisk Call Manager/11.0.0".into())).expect("greets");
    let login = sent(&mut session);
    assert!(login.contains("Secret: s3cr3t\r\n") && login.contains("Events: "), "{login}");
    let answer = session.receive(now, frame("Response: Success\r\nActionID: 1")).expect("logs in");
    assert_eq!(answer, SessionEvent::LoggedIn);
    (session, now)
}

#[test]
fn md5_login_answers_challenge() {
    let (mut session, now) = session(Auth::Md5);
    session.receive(now, Received::Banner("Asterisk Call Manager/11.0.0".into())).expect("greets");
    assert!(
        sent(&mut session).starts_with("Action: Challenge\r\nActionID: 1\r\nAuthType: MD5\r\n")
    );
    session
        .receive(now, frame("Response: Success\r\nActionID: 1\r\nChallenge: 840415273"))
        .expect("goes on");
    // echo -n 840415273s3cr3t | md5sum
    let login = sent(&mut session);
    assert!(login.contains("Key: cc5da49435fc4c44ff1252628d392068\r\n"), "{login}");
    assert!(!login.contains("s3cr3t"));
    let refusal = frame("Response: Error\r\nActionID: 2\r\nMessage: Authentication failed");
    let error = SessionError::LoginRefused("Authentication failed".into());
    assert_eq!(session.receive(now, refusal), Err(error));
}

#[test]
fn only_auto_sends_secret_without_challenge() {
    for (auth, falls_back) in [(Auth::Auto, true), (Auth::Md5, false)] {
        let (mut session, now) = session(auth);
        session.receive(now, Received::Banner("Asterisk Call Manager/1.0".into())).expect("greets");
        let refusal = frame("Response: Error\r\nActionID: 1\r\nMessage: Must specify AuthType");
        assert_eq!(session.receive(now, refusal).is_ok(), falls_back);
        assert_eq!(sent(&mut session).contains("Secret: "), falls_back);
    }
}

#[test]
fn each_message_is_handled_in_each_phase() {
    let in_phase = |phase: Phase| {
        let (mut session, now) = if phase == Phase::Up { logged_in() } else { session(Auth::Md5) };
        if matches!(phase, Phase::Challenged | Phase::LoggingIn) {
            session
                .receive(now, Received::Banner("Asterisk Call Manager/11.0.0".into()))
                .expect("greets");
        }
        if phase == Phase::LoggingIn {
            let challenge = frame("Response: Success\r\nActionID: 1\r\nChallenge: 840415273");
            session.receive(now, challenge).expect("goes on");
        }
        if phase == Phase::Up {
            session.send(now, &Action::CoreShowChannels, 10).expect("sends");
        }
        assert_eq!(session.phase, phase);
        session.output().clear();
        (session, now)
    };
    // The results of a success, an error, a response to no action, an event, and an oversized
    // frame.
    let table = [
        (Phase::Greeting, ["nothing", "nothing", "nothing", "nothing", "nothing"]),
        (
            Phase::Challenged,
            ["nothing, and sends a Login", "login refused: no", "nothing", "nothing", "nothing"],
        ),
        (Phase::LoggingIn, ["logged in", "login refused: no", "nothing", "nothing", "nothing"]),
        (Phase::Up, ["answer", "answer", "nothing", "event", "nothing"]),
    ];
    for (phase, expected) in table {
        // The id of the last action.
        let id = if phase == Phase::Challenged { 1 } else { 2 };
        let messages = [
            frame(&format!("Response: Success\r\nActionID: {id}\r\nChallenge: 7")),
            frame(&format!("Response: Error\r\nActionID: {id}\r\nMessage: no")),
            frame("Response: Success\r\nActionID: 99"),
            frame("Event: Hangup\r\nUniqueid: 1"),
            Received::Oversized(100_000),
        ];
        for (message, expected) in messages.into_iter().zip(expected) {
            let (mut session, now) = in_phase(phase);
            let mut result = match session.receive(now, message.clone()) {
                Ok(SessionEvent::LoggedIn) => "logged in".to_owned(),
                Ok(SessionEvent::Response(10, _)) => "answer".to_owned(),
                Ok(SessionEvent::Response(other, _)) => panic!("an answer for {other}"),
                Ok(SessionEvent::Event(_)) => "event".to_owned(),
                Ok(SessionEvent::Pong(_)) => "pong".to_owned(),
                Ok(SessionEvent::PingRefused(_)) => "ping refused".to_owned(),
                Ok(SessionEvent::Nothing) => "nothing".to_owned(),
                Err(error) => error.to_string(),
            };
            if sent(&mut session).starts_with("Action: Login\r\n") {
                result.push_str(", and sends a Login");
            }
            assert_eq!(result, expected, "{message:?} in {phase:?}");
        }
    }
}

#[test]
fn responses_match_their_actions_in_any_order() {
    let (mut session, now) = logged_in();
    session.send(now, &Action::CoreShowChannels, 10).expect("sends");
    session.send(now, &Action::Ping, 11).expect("sends");
    for (id, purpose) in [(3, 11), (2, 10)] {
        let answer = frame(&format!("Response: Error\r\nActionID: {id}\r\nMessage: no"));
        let Ok(SessionEvent::Response(for_what, response)) = session.receive(now, answer) else {
            panic!()
        };
        assert_eq!((for_what, response.success, &response.message[..]), (purpose, false, "no"));
    }
    for stray in [
        "Response: Success\r\nActionID: 2",
        "Response: Success",
        "Response: Success\r\nActionID: x",
    ] {
        assert_eq!(session.receive(now, frame(stray)), Ok(SessionEvent::Nothing), "{stray}");
    }
    assert_eq!((session.pending(), session.deadlines.len()), (0, 0));
}

#[test]
fn timed_out_action_returns_its_purpose_once() {
    let (mut session, now) = logged_in();
    session.send(now, &Action::CoreShowChannels, 10).expect("sends");
    let later = now + Duration::from_secs(5);
    session.last_answer = later;
    assert_eq!(session.tick(later), Ok(vec![10]));
    assert_eq!(session.tick(later), Ok(vec![]));
    let late = frame("Response: Success\r\nActionID: 2");
    assert_eq!(session.receive(later, late), Ok(SessionEvent::Nothing));
}

#[test]
fn session_ends_after_two_silent_keepalives() {
    let (mut session, now) = logged_in();
    assert_eq!(session.deadline(), now + KEEPALIVE);
    assert_eq!(session.tick(now + KEEPALIVE), Ok(vec![]));
    assert!(sent(&mut session).starts_with("Action: Ping\r\n"));
    assert_eq!(session.tick(now + 2 * KEEPALIVE), Err(SessionError::Silent(2 * KEEPALIVE)));
}

#[test]
fn pong_reports_round_trip() {
    let (mut session, now) = logged_in();
    assert_eq!(session.tick(now + KEEPALIVE), Ok(vec![]));
    let ping = sent(&mut session);
    let id = ping.lines().find_map(|line| line.strip_prefix("ActionID: ")).expect("an id");
    let took = Duration::from_millis(70);
    let pong = frame(&format!("Response: Success\r\nActionID: {id}\r\nPing: Pong"));
    assert_eq!(session.receive(now + KEEPALIVE + took, pong), Ok(SessionEvent::Pong(took)));
}

#[test]
fn responses_and_lists_keep_session_alive_events_do_not() {
    let (mut session, now) = logged_in();
    for (second, id) in (1..20).zip(2..) {
        let now = now + Duration::from_secs(second);
        session.send(now, &Action::Ping, 0).expect("sends");
        session
            .receive(now, frame(&format!("Response: Success\r\nActionID: {id}")))
            .expect("is received");
        assert!(session.tick(now).is_ok());
    }
    for second in 20..60 {
        let now = now + Duration::from_secs(second);
        session.receive(now, frame("Event: CoreShowChannel\r\nUniqueid: 1")).expect("is received");
        assert!(session.tick(now).is_ok());
    }
    // A peer that sends events but answers nothing counts as dead.
    let ends = (60..70).find(|second| {
        let now = now + Duration::from_secs(*second);
        session.receive(now, frame("Event: Newchannel\r\nUniqueid: 1")).expect("is received");
        session.tick(now).is_err()
    });
    assert_eq!(ends, Some(65));
}

#[test]
fn events_before_login_are_ignored() {
    let (mut session, now) = session(Auth::Md5);
    assert_eq!(session.receive(now, frame("Event: Shutdown")), Ok(SessionEvent::Nothing));
}

#[test]
fn stopping_asterisk_is_not_sent_the_secret() {
    let (mut session, now) = session(Auth::Auto);
    session.receive(now, Received::Banner("Asterisk Call Manager/11.0.0".into())).expect("greets");
    let refusal = frame("Response: Error\r\nActionID: 1\r\nMessage: Asterisk is shutting down");
    let error = SessionError::LoginRefused("Asterisk is shutting down".into());
    assert_eq!(session.receive(now, refusal), Err(error));
    assert!(!sent(&mut session).contains("Secret: "));
}

#[test]
fn refused_ping_counts_once_pings_have_worked() {
    let (mut session, now) = logged_in();
    for (second, id, answer, expected) in [
        (3, 2, "Error\r\nMessage: Permission denied", SessionEvent::Pong(Duration::ZERO)),
        (6, 3, "Success\r\nPing: Pong", SessionEvent::Pong(Duration::ZERO)),
        (
            9,
            4,
            "Error\r\nMessage: Permission denied",
            SessionEvent::PingRefused("Permission denied".into()),
        ),
    ] {
        let now = now + Duration::from_secs(second);
        assert_eq!(session.tick(now), Ok(vec![]));
        let result = session.receive(now, frame(&format!("Response: {answer}\r\nActionID: {id}")));
        assert_eq!(result, Ok(expected), "{answer}");
    }
}

#[test]
fn session_pings_before_it_ends_as_silent() {
    let (mut session, now) = logged_in();
    let late = now + 20 * KEEPALIVE;
    assert_eq!(session.tick(late), Ok(vec![]));
    assert!(sent(&mut session).starts_with("Action: Ping\r\n"));
    assert_eq!(session.deadline(), late + KEEPALIVE);
    assert!(session.tick(late + KEEPALIVE).is_err());
}
