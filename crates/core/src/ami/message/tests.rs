use super::*;
use crate::call::CallId;

#[test]
fn an_originate_response_is_an_event_though_it_has_a_response_header() {
    let id = CallId::new(std::time::UNIX_EPOCH, 5);
    let text =
        format!("Event: OriginateResponse\r\nActionID: {id}\r\nResponse: Failure\r\nReason: 8\r\n");
    let frame = Frame::new(text.into());
    let expected = Event::OriginateResponse { id: Some(ActionId::Call(id)), result: Err(8) };
    assert_eq!(Message::parse(&frame), Message::Event(expected));
}

#[test]
fn what_is_not_used_is_not_looked_into() {
    for other in ["Event: VarSet\r\nUniqueid: 1", "Hello", "", "Uniqueid: 1\r\nEvent: Hangup"] {
        assert_eq!(Message::parse(&Frame::new(other.into())), Message::Other, "{other}");
    }
}
