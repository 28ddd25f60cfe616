//! Serializer 1 against bytes that OpenJDK 17 and Pekko 1.7.0 wrote.

use annals_core::{ErrorKind, Payload, Serializer, SerializerId, Tag};
use annals_pekko::{JavaSerialized, untag};

use crate::hex;

pub(crate) const LONG: &str = "aced00057372000e6a6176612e6c616e672e4c6f6e673b8be490cc8f23df0200014a000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b02000078700000000000000007";
pub(crate) const INT: &str = "aced0005737200116a6176612e6c616e672e496e746567657212e2a0a4f781873802000149000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b0200007870fffffffd";
pub(crate) const SHORT: &str = "aced00057372000f6a6176612e6c616e672e53686f7274684d37133460da5202000153000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b0200007870fffe";
pub(crate) const BYTE: &str = "aced00057372000e6a6176612e6c616e672e427974659c4e6084ee50f51c02000142000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b0200007870fe";
pub(crate) const BOOLEAN: &str = "aced0005737200116a6176612e6c616e672e426f6f6c65616ecd207280d59cfaee0200015a000576616c7565787001";
pub(crate) const DOUBLE: &str = "aced0005737200106a6176612e6c616e672e446f75626c6580b3c24a296bfb0402000144000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b02000078703ff8000000000000";
pub(crate) const BYTES: &str = "aced0005757200025b42acf317f8060854e0020000787000000003010203";
pub(crate) const UUID: &str = "aced00057372000e6a6176612e7574696c2e55554944bc9903f7986d852f0200024a000c6c65617374536967426974734a000b6d6f737453696742697473787008090a0b0c0d0e0f0001020304050607";
pub(crate) const TAGGED_1: &str = "aced00057372002b6f72672e6170616368652e70656b6b6f2e70657273697374656e63652e6a6f75726e616c2e546167676564a0ab117085645fdd0200024c00077061796c6f61647400124c6a6176612f6c616e672f4f626a6563743b4c0004746167737400204c7363616c612f636f6c6c656374696f6e2f696d6d757461626c652f5365743b7870740003616263737200237363616c612e636f6c6c656374696f6e2e696d6d757461626c652e536574245365743100000000000000030200014c0005656c656d3171007e000178707400027430";
pub(crate) const TAGGED_4: &str = "aced00057372002b6f72672e6170616368652e70656b6b6f2e70657273697374656e63652e6a6f75726e616c2e546167676564a0ab117085645fdd0200024c00077061796c6f61647400124c6a6176612f6c616e672f4f626a6563743b4c0004746167737400204c7363616c612f636f6c6c656374696f6e2f696d6d757461626c652f5365743b7870740003616263737200237363616c612e636f6c6c656374696f6e2e696d6d757461626c652e536574245365743400000000000000030200044c0005656c656d3171007e00014c0005656c656d3271007e00014c0005656c656d3371007e00014c0005656c656d3471007e000178707400027430740002743174000274327400027433";
pub(crate) const TAGGED_6: &str = "aced00057372002b6f72672e6170616368652e70656b6b6f2e70657273697374656e63652e6a6f75726e616c2e546167676564a0ab117085645fdd0200024c00077061796c6f61647400124c6a6176612f6c616e672f4f626a6563743b4c0004746167737400204c7363616c612f636f6c6c656374696f6e2f696d6d757461626c652f5365743b7870740003616263737200327363616c612e636f6c6c656374696f6e2e67656e657269632e44656661756c7453657269616c697a6174696f6e50726f787900000000000000030300014c0007666163746f727974001a4c7363616c612f636f6c6c656374696f6e2f466163746f72793b78707372002a7363616c612e636f6c6c656374696f6e2e4974657261626c65466163746f727924546f466163746f727900000000000000030200014c0007666163746f72797400224c7363616c612f636f6c6c656374696f6e2f4974657261626c65466163746f72793b7870737200267363616c612e72756e74696d652e4d6f64756c6553657269616c697a6174696f6e50726f787900000000000000010200014c000b6d6f64756c65436c6173737400114c6a6176612f6c616e672f436c6173733b7870767200237363616c612e636f6c6c656374696f6e2e696d6d757461626c652e48617368536574240000000000000003020000787077040000000674000274307400027433740002743274000274317400027434740002743578";
pub(crate) const TAGGED_SAME: &str = "aced00057372002b6f72672e6170616368652e70656b6b6f2e70657273697374656e63652e6a6f75726e616c2e546167676564a0ab117085645fdd0200024c00077061796c6f61647400124c6a6176612f6c616e672f4f626a6563743b4c0004746167737400204c7363616c612f636f6c6c656374696f6e2f696d6d757461626c652f5365743b78707400027430737200237363616c612e636f6c6c656374696f6e2e696d6d757461626c652e536574245365743100000000000000030200014c0005656c656d3171007e0001787071007e0004";
pub(crate) const TAGGED_LONG: &str = "aced00057372002b6f72672e6170616368652e70656b6b6f2e70657273697374656e63652e6a6f75726e616c2e546167676564a0ab117085645fdd0200024c00077061796c6f61647400124c6a6176612f6c616e672f4f626a6563743b4c0004746167737400204c7363616c612f636f6c6c656374696f6e2f696d6d757461626c652f5365743b78707372000e6a6176612e6c616e672e4c6f6e673b8be490cc8f23df0200014a000576616c7565787200106a6176612e6c616e672e4e756d62657286ac951d0b94e08b02000078700000000000000007737200237363616c612e636f6c6c656374696f6e2e696d6d757461626c652e536574245365743100000000000000030200014c0005656c656d3171007e000178707400027430";
pub(crate) const TAGGED_BYTES: &str = "aced00057372002b6f72672e6170616368652e70656b6b6f2e70657273697374656e63652e6a6f75726e616c2e546167676564a0ab117085645fdd0200024c00077061796c6f61647400124c6a6176612f6c616e672f4f626a6563743b4c0004746167737400204c7363616c612f636f6c6c656374696f6e2f696d6d757461626c652f5365743b7870757200025b42acf317f8060854e00200007870000000020102737200237363616c612e636f6c6c656374696f6e2e696d6d757461626c652e536574245365743100000000000000030200014c0005656c656d3171007e000178707400027430";

fn java(bytes: &str) -> Payload {
    Payload::new(SerializerId::new(1), "", hex(bytes))
}

#[test]
fn texts_are_read_and_written() {
    for (text, bytes) in [
        ("abc", "aced0005740003616263"),
        ("", "aced0005740000"),
        ("é€\0😀", "aced000574000dc3a9e282acc080eda0bdedb880"),
    ] {
        let written = JavaSerialized.serialize(&text.to_owned()).unwrap();
        assert_eq!(written, java(bytes));
        let read: String = JavaSerialized.deserialize(&written).unwrap();
        assert_eq!(read, text);
    }
    let long: String =
        JavaSerialized.deserialize(&java("aced00057c0000000000000003616263")).unwrap();
    assert_eq!(long, "abc");
    let error = JavaSerialized.serialize(&"x".repeat(70_000)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    // Half of a surrogate pair.
    let half: String = JavaSerialized.deserialize(&java("aced0005740003eda0bd")).unwrap();
    assert_eq!(half, "?");
}

#[test]
fn numbers_in_their_boxes_are_read() {
    for (bytes, value) in [(LONG, 7), (INT, -3), (SHORT, -2), (BYTE, -2)] {
        let read: i64 = JavaSerialized.deserialize(&java(bytes)).unwrap();
        assert_eq!(read, value);
    }
    for other in [BOOLEAN, DOUBLE, BYTES, UUID, "aced000570"] {
        let number = Serializer::<i64>::deserialize(&JavaSerialized, &java(other)).unwrap_err();
        let text = Serializer::<String>::deserialize(&JavaSerialized, &java(other)).unwrap_err();
        for error in [number, text] {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.message().contains("serializer 1"), "{error}");
        }
    }
    assert_eq!(JavaSerialized.serialize(&7_i64).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn an_event_comes_out_of_its_tags() {
    let string = Payload::new(SerializerId::STRING, "", "abc");
    let names = |count| (0..count).map(|i| format!("t{i}")).collect::<Vec<_>>();
    for (bytes, inner, expected) in [
        (TAGGED_1, string.clone(), names(1)),
        (TAGGED_4, string.clone(), names(4)),
        (TAGGED_6, string, names(6)),
        // The payload and the tag are the same text: written once, then referred to.
        (TAGGED_SAME, Payload::new(SerializerId::STRING, "", "t0"), names(1)),
        (TAGGED_LONG, Payload::new(SerializerId::LONG, "", hex("0700000000000000")), names(1)),
        (TAGGED_BYTES, Payload::new(SerializerId::BYTES, "", vec![1, 2]), names(1)),
    ] {
        let (payload, tags) = untag(java(bytes)).unwrap();
        assert_eq!(payload, inner);
        assert_eq!(tags.iter().map(Tag::as_str).collect::<Vec<_>>(), expected);
        let akka = bytes.replace(
            "002b6f72672e6170616368652e70656b6b6f2e70657273697374656e6365",
            "001f616b6b612e70657273697374656e6365",
        );
        assert_eq!(untag(java(&akka)).unwrap(), (payload, tags), "as Akka named it");
    }
}

#[test]
fn what_has_no_tags_stays_as_it_is() {
    let json = Payload::new(SerializerId::JACKSON_JSON, "A", "{}");
    for payload in [json, java(LONG), java(UUID), java("aced0005740003616263"), java("aced000570")]
    {
        let (same, tags) = untag(payload.clone()).unwrap();
        assert_eq!((same, tags.is_empty()), (payload, true));
    }
    // Around an event of the application's own class, which cannot be written anew.
    let inner = &UUID["aced0005".len()..];
    let own = TAGGED_1.replace("740003616263", inner);
    assert_eq!(untag(java(&own)).unwrap().0, java(&own));
}

#[test]
fn damage_is_an_error() {
    for bytes in [LONG, BYTES, TAGGED_6] {
        for length in 0..bytes.len() / 2 {
            let cut = java(&bytes[..2 * length]);
            let error = untag(cut.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {length}");
            assert!(Serializer::<i64>::deserialize(&JavaSerialized, &cut).is_err());
        }
    }
    // Objects that hold objects without end, a circle, a vast array, a reference to nothing.
    let deep = [hex("aced0005"), hex("73720001410000000000000000020001").repeat(100_000)].concat();
    let circle =
        "aced00057372000141000000000000000002000 14c0001787400014178707100 7e0002".replace(' ', "");
    let vast = BYTES.replace("00000003010203", "7fffffff010203");
    for bytes in
        [deep, hex(&circle), hex(&vast), hex("aced0005717fffffff"), hex("aced00057100000000")]
    {
        let payload = Payload::new(SerializerId::new(1), "", bytes);
        assert!(Serializer::<String>::deserialize(&JavaSerialized, &payload).is_err());
    }
}
