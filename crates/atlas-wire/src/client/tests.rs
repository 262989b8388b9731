use proptest::prelude::*;

use super::*;

#[test]
fn what_is_not_spoken_yet_is_unsupported() {
    for r#type in ["resume", "rekey", "rebase", "welcome"] {
        let body = format!(r#"{{"type":"{type}"}}"#);
        assert_eq!(
            FromClient::decode(body.as_bytes()),
            Err(Error::Unknown {
                r#type: r#type.into()
            })
        );
    }
    let error = FromClient::decode(br#"{"type":"ack","received":-1}"#).unwrap_err();
    assert!(error.to_string().starts_with("ack: received: "), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = FromClient::decode(&bytes);
        let _ = ToClient::decode(&bytes);
    }

    #[test]
    fn acks_survive_writing_and_reading(received: u64) {
        let ack = FromClient::from(Ack { received });
        let mut bytes = Vec::new();
        ack.encode(&mut bytes);
        prop_assert_eq!(FromClient::decode(&bytes[1..]), Ok(ack));
    }
}
