//! [`probe_atomic_create`]: whether a store keeps what it says of put-if-absent.
//!
//! Several services that speak a known protocol do not: they ignore the condition, or look first and put
//! later. The probe is a proof only of the opposite: a store that lets two writers win once in a million races
//! passes it. It finds those that do not decide at all, or that decide by looking first.

use bytes::Bytes;
use futures::future::join_all;

use crate::{
    ByteRange, Error, ErrorKind, ObjectPath, Operation, Payload, PutMode, Result, Storage,
};

/// How the names of its objects begin. They lie at the top, so that no directory stays of them.
const PREFIX: &str = "probe-";

/// Races, and writers in each: stores that look first let several win in nearly every one.
const RACES: usize = 3;
const WRITERS: u8 = 8;

/// Tries put-if-absent on names of its own and deletes them, where that is allowed. `false` at once when the storage does
/// not claim it.
pub async fn probe_atomic_create(storage: &dyn Storage) -> Result<bool> {
    if !storage.capabilities().atomic_create {
        return Ok(false);
    }
    let name: u128 = rand::random();
    for race in 0..RACES {
        let text = format!("{PREFIX}{name:032x}-{race}");
        let object = ObjectPath::parse(&text).map_err(|cause| {
            Error::new(ErrorKind::Other, Operation::Put, storage.backend(), text).with_source(cause)
        })?;
        let decides = race_on(storage, &object).await;
        if storage.capabilities().delete
            && let Err(error) = storage.delete(&object).await
        {
            tracing::debug!(%error, "a trace of the probe stays");
        }
        if !decides? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether an object is one that a probe could not delete.
pub fn is_trace_of_probe(path: &ObjectPath) -> bool {
    path.as_str().starts_with(PREFIX)
}

/// Whether one writer wins a race, and a later one loses.
async fn race_on(storage: &dyn Storage, object: &ObjectPath) -> Result<bool> {
    let create = async |writer: u8| -> Result<bool> {
        let payload = Payload::from(Bytes::from(vec![writer; 64]));
        match storage.put(object, payload, PutMode::Create).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    };
    let mut winners = Vec::new();
    for (writer, won) in (0..WRITERS).zip(join_all((0..WRITERS).map(&create)).await) {
        if won? {
            winners.push(writer);
        }
    }
    let late_won = create(WRITERS).await?;
    let holder = storage.get(object, ByteRange::Full).await?;
    Ok(!late_won && matches!(winners[..], [winner] if holder.first() == Some(&winner)))
}
