use super::*;

#[test]
fn names_that_could_widen_a_topic_are_refused() {
    for (bad, why) in [
        ("", IdError::Empty),
        ("a/b", IdError::Character(1)),
        ("+", IdError::Character(0)),
        ("gate-#", IdError::Character(5)),
        ("-gate", IdError::Character(0)),
        ("Gate", IdError::Character(0)),
        ("gäte", IdError::Character(1)),
        ("a23456789012345678901234567890123", IdError::Long),
    ] {
        assert_eq!(CameraId::new(bad), Err(why), "{bad}");
    }
    assert!(CameraId::new("7-gate-north").is_ok());
}

#[test]
fn no_unit_is_called_as_a_topic_word() {
    assert_eq!(UnitId::new("all"), Err(IdError::Reserved));
    assert_eq!(UnitId::new("enroll"), Err(IdError::Reserved));
    assert!(CameraId::new("all").is_ok());
    assert_eq!(AgencyId::new("enroll"), Err(IdError::Reserved));
}

#[test]
fn a_name_is_checked_wherever_it_is_read() {
    assert!(serde_json::from_str::<UnitId>("\"all\"").is_err());
    let bytes = minicbor::to_vec("a/b").unwrap();
    assert!(minicbor::decode::<UnitId>(&bytes).is_err());
}

#[test]
fn an_epoch_survives_json_beyond_its_exact_numbers() {
    let epoch = Epoch::new(u64::MAX - 1);
    let json = serde_json::to_string(&epoch).unwrap();
    assert_eq!(json, "\"fffffffffffffffe\"");
    assert_eq!(serde_json::from_str::<Epoch>(&json).unwrap(), epoch);
    assert!("+fffffffffffffff".parse::<Epoch>().is_err());
}

#[test]
fn request_ids_are_32_digits() {
    let id = RequestId::from_bytes([0xab; 16]);
    assert_eq!(id.to_string().parse::<RequestId>(), Ok(id));
    assert!("abab".parse::<RequestId>().is_err());
}
