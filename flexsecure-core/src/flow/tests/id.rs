//! Names of flows.

use crate::flow::{FlowId, NotAFlowId};

#[test]
fn name_is_read_back_as_written() {
    let id = FlowId::random().unwrap();
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(id.to_string().len(), 32);
    assert_eq!(FlowId::from_bits(0x47).to_string(), "00000000000000000000000000000047");
}

#[test]
fn names_differ() {
    assert_ne!(FlowId::random(), FlowId::random());
}

#[test]
fn name_has_one_spelling() {
    let strangers = [
        "",
        "47",
        "0000000000000000000000000000004",
        "000000000000000000000000000000047",
        "0000000000000000000000000000004G",
        "000000000000000000000000000000AB",
        "+0000000000000000000000000000047",
        " 0000000000000000000000000000047",
        "000000000000000000000000000000\u{e4}",
    ];
    for text in strangers {
        assert_eq!(text.parse::<FlowId>(), Err(NotAFlowId), "{text:?}");
    }
}
