//! A record of anybody's bytes: refused, or the one form of what it says.

#![cfg_attr(fuzzing, no_main)]

use atlas_wal::{Record, Scratch};

atlas_fuzz::target!(|data| {
    let mut scratch = Scratch::default();
    let Ok(record) = Record::decode(data, &mut scratch) else {
        return;
    };
    let mut again = Vec::new();
    record.encode(&mut again).expect("it was decoded");
    assert_eq!(again, data);
    let owned = record.to_owned();
    owned.with(|same| assert_eq!(*same, record));
    assert_eq!(record.arguments.iter().count(), record.arguments.len());
});
