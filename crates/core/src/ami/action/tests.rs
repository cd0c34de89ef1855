use super::*;

fn encoded(action: &Action) -> Result<String, Unsendable> {
    let mut out = BytesMut::new();
    action.encode(&ActionId::Counted(7), &mut out)?;
    Ok(String::from_utf8(out.to_vec()).expect("text"))
}

#[test]
fn originate_is_encoded_header_by_header() {
    let originate = Originate {
        channel: "Local/79991234567@telegram-out".into(),
        context: "conf-in".into(),
        exten: "КОМНАТА1".into(),
        priority: 1,
        timeout: Duration::from_secs(30),
        caller_id: "Боб".into(),
        variables: vec![("LANG".into(), "ru".into())],
        channel_id: "od-1".into(),
        other_channel_id: "od-lock-79991234567".into(),
    };
    assert_eq!(
        encoded(&Action::Originate(Box::new(originate))).unwrap(),
        "Action: Originate\r\nActionID: 7\r\nChannel: Local/79991234567@telegram-out\r\nContext: conf-in\r\n\
         Exten: КОМНАТА1\r\nPriority: 1\r\nTimeout: 30000\r\nCallerID: <Боб>\r\nVariable: LANG=ru\r\n\
         Async: true\r\nChannelId: od-1\r\nOtherChannelId: od-lock-79991234567\r\n\r\n"
    );
}

#[test]
fn value_cannot_break_out_of_its_line() {
    for bad in ["x\r\nAction: Logoff", "x\n", "\r", "\0", &"x".repeat(MAX_LINE)] {
        let mut out = BytesMut::from(&b"before"[..]);
        let action = Action::Hangup { channel: bad.to_owned() };
        assert_eq!(
            action.encode(&ActionId::Counted(1), &mut out),
            Err(Unsendable { name: "Channel" })
        );
        assert_eq!(&out[..], b"before");
    }
    let fits = "x".repeat(MAX_LINE - "Channel: \r\n".len());
    assert!(encoded(&Action::Hangup { channel: fits }).is_ok());
}

#[test]
fn secrets_are_not_printed() {
    let login = Action::LoginPlain { username: "u".into(), secret: Secret("s3cr3t".into()) };
    assert!(!format!("{login:?}").contains("s3cr3t"));
}
