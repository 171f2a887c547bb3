use proptest::prelude::*;
use zeroize::Zeroizing;

use super::envelope::{Envelope, sealed_len};
use super::*;
use crate::decompressor::{Decompressor, open_chunk as prove_chunk};
use crate::pack::{ChunkKind, ChunkLocation, PackBuilder, entries_of_pack};
use crate::{PackId, RepositoryId, SlotId, Timestamp};

/// Keys of one generation of a repository, both made of one number.
pub(crate) fn sealer(number: u8) -> Sealer {
    Sealer::with_keys(keys(number))
}

fn keys(number: u8) -> Keys {
    let repository = RepositoryId::from_bytes([number; 16]);
    let master = Keys::of_master(repository, Zeroizing::new([number; 32]));
    let path = path("ring");
    // [1, [[0, data key]]]
    let ring = [&[0x82, 1, 0x81, 0x82, 0, 0x58, 32][..], &[number ^ 0xff; 32]].concat();
    let sealed = envelope::seal(&master, (ObjectKind::Ring, &path), 0, &[9; 32], &ring).unwrap();
    master.with_ring(&path, &sealed).unwrap()
}

fn path(text: &str) -> ObjectPath {
    ObjectPath::parse(text).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn location(codec: Codec, raw_len: usize, stored: &[u8]) -> ChunkLocation {
    ChunkLocation {
        pack: PackId::from_bytes([1; 32]),
        offset: 8,
        stored_len: u32::try_from(stored.len()).unwrap(),
        raw_len: u32::try_from(raw_len).unwrap(),
        codec,
        kind: ChunkKind::Segment,
    }
}

/// Made by another implementation, in another language, from `DESIGN.md`.
const VECTORS: [&str; 7] = [
    "c1d4374fcb59c9434301a68d221fcce509025effc8c8cb08ae7f0623b8ae3bad",
    "9d5030dec2a206b34f72d29b83ffce1c573e3bc743d0273cc3e743c6c93d842f",
    "434149524e534c31010000000000000040c9c2b64c707002720758da906a6364bbc17a92216d818715e2bb1a89\
     3f17fbf734c909d768b5e842776fcb9d1f136e1f06bb5fcc2e3ac4",
    "91345ea7b931866c9518fa977836a24df1c92ea1e7e39a68ead01fdd27bea30b",
    "7efc8d41000102030405060708090a0b7c74d1230708ec959ceeab1238e0009d52c0bea289e978",
    "434149524e4b5931870100616e77323032362d31312d32332d30382d30302d30302d3030308318400202582020\
     2122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f58305bd167b1eaddcea061e0e6c6\
     379bb40cb2baec383b160a3dc3bcd25962d6391bab222876af49da4ae7a05390379e3b6eb3d2cd38e5628c58b8\
     560170081dd29150a2eb8da889fbbb60eaea6fac742c04",
    "434149524e4b5931870101616e77323032362d31312d32332d30382d30302d30302d3030308300000058202021\
     22232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f58305b62bc1bbb4c1e527ebae01153\
     50b16ad79074a723fad81891a50c8a47ade60a6a53cc36cdc2b1c078c9a5ab55433e466ca321bdcf2ba298ffb6\
     280eb94f945f0ade643487a686c664472ea306778afa",
];

fn vector(number: usize) -> Vec<u8> {
    let (pairs, _) = VECTORS[number].as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

#[test]
fn only_the_master_key_opens_a_key_ring() {
    let (keys, path) = (keys(7), path("ring"));
    assert!(keys.with_ring(&path, &keys.seal_ring(&path)).is_ok());
    // Who has learnt a data key cannot give out a ring.
    let sealed_with_a_data_key = keys.seal(ObjectKind::Ring, &path, b"ring");
    let refused = keys.with_ring(&path, &sealed_with_a_data_key);
    assert_eq!(refused.err(), Some(Malformed::UNKNOWN_KEY));
}

#[test]
fn derived_values_are_those_of_the_design() {
    let keys = keys(7);
    assert_eq!(keys.chunk_id(b"plaintext").to_string(), VECTORS[0]);
    assert_eq!(keys.config_mac(b"config").to_hex().as_str(), VECTORS[1]);
    assert_eq!(hex(&keys.seal(ObjectKind::Record, &path("snapshots/x"), b"a record")), VECTORS[2]);
    let plain = [5; 16384 + 3];
    let sealed = keys.seal(ObjectKind::Run, &ObjectPath::root(), &plain);
    assert_eq!(blake3::hash(&sealed).to_hex().as_str(), VECTORS[3]);
}

#[test]
fn a_chunk_that_another_implementation_sealed_opens() {
    let (sealer, id) = (sealer(7), keys(7).chunk_id(b"a chunk"));
    let bytes = vector(4);
    let at = location(Codec::SealedRaw, 7, &bytes);
    let opened = prove_chunk(&mut Decompressor::new(&sealer), &id, &at, &bytes.into());
    assert_eq!(opened.unwrap(), b"a chunk"[..]);
}

#[test]
fn slots_that_another_implementation_made_open() {
    let id: SlotId = "000102030405060708090a0b0c0d0e0f".parse().unwrap();
    let passphrase = RepositorySecret::passphrase("passphrase").unwrap();
    for (number, secret) in [(5, passphrase), (6, RepositorySecret::key(vec![3; 32]).unwrap())] {
        let slot = Slot::decode(&vector(number)).unwrap();
        assert_eq!((slot.label().kind, slot.encode()), (secret.kind(), vector(number)));
        let keys = slot.unwrap(RepositoryId::from_bytes([7; 16]), id, &secret).unwrap();
        assert_eq!(**keys.unwrap().master(), [7; 32]);
    }
}

#[test]
fn a_slot_opens_with_its_secret_in_its_place_only() {
    let keys = keys(7);
    let (id, secret) = (SlotId::random(), RepositorySecret::key(vec![3; 32]).unwrap());
    let (slot, wrapping) = Slot::prepare(&secret, "vault").unwrap();
    let slot = Slot::decode(&slot.wrap(&keys, id, &wrapping).encode()).unwrap();
    let open = |slot: &Slot, repository, id, secret: &RepositorySecret| {
        slot.unwrap(repository, id, secret).unwrap().map(|keys| *keys.master().clone())
    };
    let repository = *keys.repository();
    assert_eq!(open(&slot, repository, id, &secret), Some([7; 32]));
    assert_eq!(open(&slot, RepositoryId::random(), id, &secret), None);
    assert_eq!(open(&slot, repository, SlotId::random(), &secret), None);
    let other = RepositorySecret::key(vec![4; 32]).unwrap();
    assert_eq!(open(&slot, repository, id, &other), None);
    let passphrase = RepositorySecret::passphrase("sesame").unwrap();
    assert_eq!(open(&slot, repository, id, &passphrase), None);
    let label = SlotLabel::decode(&slot.encode()).unwrap();
    assert_eq!((label.kind, label.note.as_str()), (SecretKind::Key, "vault"));
    assert!(label.created <= Timestamp::now());
}

#[test]
fn a_passphrase_opens_its_slot() {
    let (keys, id) = (keys(7), SlotId::random());
    let secret = RepositorySecret::passphrase("correct horse").unwrap();
    let (slot, wrapping) = Slot::prepare(&secret, "").unwrap();
    let slot = slot.wrap(&keys, id, &wrapping);
    let opened = slot.unwrap(*keys.repository(), id, &secret).unwrap();
    assert_eq!(**opened.unwrap().master(), [7; 32]);
    let wrong = RepositorySecret::passphrase("correct horse ").unwrap();
    assert!(slot.unwrap(*keys.repository(), id, &wrong).unwrap().is_none());
}

/// A slot for a passphrase by whoever can write to the store.
fn forged(change: impl FnOnce(&mut Vec<u8>)) -> Result<Slot, Malformed> {
    let mut bytes = vector(5);
    bytes.truncate(bytes.len() - 32);
    change(&mut bytes);
    let hash = blake3::hash(&bytes);
    bytes.extend_from_slice(hash.as_bytes());
    Slot::decode(&bytes)
}

#[test]
fn a_slot_that_asks_for_too_much_is_refused_before_anything_is_given() {
    // Behind the magic: array, version, kind, note, text of 23 bytes, array; then 18 40 (KiB), 02, 02.
    let at = 8 + 5 + 24 + 1;
    assert!(forged(|_| {}).is_ok());
    let what = |change: &dyn Fn(&mut Vec<u8>)| forged(change).unwrap_err().what();
    let too_much = "it asks for more than a reader gives";
    let huge = |bytes: &mut Vec<u8>| drop(bytes.splice(at..at + 2, [0x1a, 0, 4, 0, 1]));
    assert_eq!(what(&huge), too_much);
    assert_eq!(what(&|bytes| bytes[at + 3] = 9), too_much);
    assert_eq!(what(&|bytes| bytes[at + 2] = 17), too_much);
    assert_eq!(what(&|bytes| bytes[at + 2] = 0), too_much);
    assert_eq!(what(&|bytes| bytes[9] = 2), "unknown version of key slots");
    assert_eq!(what(&|bytes| bytes[10] = 2), "unknown kind of key slot");
    assert_eq!(what(&|bytes| bytes.push(0)), "bytes behind the end");
    assert_eq!(Slot::decode(&[0; 5000]).unwrap_err().what(), "a key slot of more than 4 KiB");
}

#[test]
fn rotation_keeps_the_old_and_seals_with_the_new() {
    let (old, new) = (keys(7), keys(7).rotated().unwrap());
    assert_eq!((old.generation(), new.generation()), (1, 2));
    let path = path("keyring/x/00000002");
    let reread = old.with_ring(&path, &new.seal_ring(&path)).unwrap();
    assert_eq!(old.chunk_id(b"x"), reread.chunk_id(b"x"));
    let by_old = old.seal(ObjectKind::Record, &path, b"before");
    let by_new = new.seal(ObjectKind::Record, &path, b"after");
    assert_eq!(reread.open(ObjectKind::Record, &path, &by_old).unwrap(), b"before");
    assert_eq!(reread.open(ObjectKind::Record, &path, &by_new).unwrap(), b"after");
    let unknown = old.open(ObjectKind::Record, &path, &by_new).unwrap_err();
    assert_eq!(unknown, Malformed::UNKNOWN_KEY);
    let (id, mut opened) = (new.chunk_id(b"c"), Vec::new());
    let chunk = chunk::seal(&new, &id, Codec::Raw, 1, b"c");
    assert!(open_chunk(&old, &id, Codec::Raw, 1, &chunk, &mut opened).is_err());
    assert!(open_chunk(&reread, &id, Codec::Raw, 1, &chunk, &mut opened).is_ok());
}

#[test]
fn nothing_secret_is_shown() {
    let secret = RepositorySecret::passphrase("open sesame").unwrap();
    let (slot, _) = Slot::prepare(&secret, "note").unwrap();
    let shown = format!("{secret:?} {:?} {:?} {slot:?}", keys(7), sealer(7));
    assert_eq!(
        shown,
        "RepositorySecret(passphrase, ***) Keys { .. } Sealer(sealing) \
         Slot { kind: Passphrase, note: \"note\", .. }"
    );
}

#[test]
fn weak_secrets_are_refused() {
    assert_eq!(RepositorySecret::passphrase("").unwrap_err(), KeyError::EmptyPassphrase);
    let lines = RepositorySecret::passphrase_line(b"two words\r\n".to_vec()).unwrap();
    assert_eq!(lines.bytes(), b"two words");
    let binary = RepositorySecret::passphrase_line(vec![0xff]).unwrap_err();
    assert_eq!(binary, KeyError::NotText);
    assert_eq!(RepositorySecret::key(vec![0; 31]).unwrap_err(), KeyError::ShortKey);
    let secret = RepositorySecret::key(vec![0; 32]).unwrap();
    assert_eq!(Slot::prepare(&secret, &"x".repeat(257)).unwrap_err(), KeyError::LongNote);
}

#[test]
fn a_plain_object_is_refused_where_everything_is_sealed_and_the_other_way_round() {
    let stored = Bytes::from_static(b"in clear, and longer than a header of what is sealed is");
    let refused = sealer(7).open(ObjectKind::Record, &path("x"), &stored).unwrap_err();
    assert_eq!(refused.what(), "not sealed, in an encrypted repository");
    let id = ChunkId::of(b"abc");
    let at = location(Codec::Raw, 3, b"abc");
    let refused = Decompressor::new(&sealer(7)).decode(&id, &at, &Bytes::from_static(b"abc"));
    assert_eq!(refused.unwrap_err().what(), "not sealed, in an encrypted repository");
    let (codec, sealed) = sealer(7).seal_chunk(&id, Codec::Raw, 3, b"abc").unwrap();
    let at = location(codec, 3, &sealed);
    let refused = Decompressor::new(&Sealer::plain()).decode(&id, &at, &sealed.into());
    assert_eq!(refused.unwrap_err().what(), "sealed, in a repository that is not encrypted");
}

#[test]
fn a_sealed_pack_keeps_to_its_capacity_and_is_like_no_other() {
    let sealer = sealer(7);
    let build = || {
        let mut pack = PackBuilder::new(&sealer, 20_000);
        for number in 0_u32.. {
            let (plain, id) = (number.to_le_bytes(), sealer.chunk_id(&number.to_le_bytes()));
            let (codec, sealed) = sealer.seal_chunk(&id, Codec::Raw, 4, &plain).unwrap();
            if !pack.has_room_for(sealed.len()) {
                break;
            }
            pack.push(id, ChunkKind::Segment, codec, 4, &sealed).unwrap();
        }
        pack.finish().unwrap()
    };
    let (one, two) = (build(), build());
    assert!((19_900..=20_000).contains(&one.bytes.len()), "{}", one.bytes.len());
    assert_ne!(one.id, two.id);
    assert_eq!(entries_of_pack(&sealer, &one.id, &one.bytes).unwrap(), one.entries);
    assert!(entries_of_pack(&Sealer::plain(), &one.id, &one.bytes).is_err());
    assert!(entries_of_pack(&self::sealer(8), &one.id, &one.bytes).is_err());
}

proptest! {
    #[test]
    fn objects_round_trip_whole_and_in_ranges(
        length in 1_usize..50_000,
        from: prop::sample::Index,
        to: prop::sample::Index,
    ) {
        let plain: Vec<u8> = (0_u32..).flat_map(u32::to_le_bytes).take(length).collect();
        let (keys, path) = (keys(7), path("a/b"));
        let sealed = keys.seal(ObjectKind::Record, &path, &plain);
        prop_assert_eq!(sealed.len() as u64, sealed_len(length as u64));
        prop_assert_eq!(&keys.seal(ObjectKind::Record, &path, &plain), &sealed);
        prop_assert_eq!(&keys.open(ObjectKind::Record, &path, &sealed).unwrap(), &plain);
        let whole = sealed.len() as u64;
        let envelope = Envelope::parse(&keys, ObjectKind::Record, &path, &sealed, whole).unwrap();
        prop_assert_eq!(envelope.plain_len(), length as u64);
        let (a, b) = (from.index(length), to.index(length));
        let (start, end) = (a.min(b), a.max(b) + 1);
        let (offset, stored) = envelope.pages_around(start as u64, (end - start) as u64);
        let pages = &sealed[usize::try_from(offset).unwrap()..][..usize::try_from(stored).unwrap()];
        let opened = envelope.open_range(start as u64, (end - start) as u64, pages).unwrap();
        prop_assert_eq!(&opened[..], &plain[start..end]);
    }

    #[test]
    fn no_change_of_an_object_or_its_place_gives_data(
        length in 1_usize..40_000,
        at: prop::sample::Index,
        flip in 1_u8..,
    ) {
        let (keys, here) = (keys(7), path("a/b"));
        let sealed = keys.seal(ObjectKind::Record, &here, &vec![1; length]);
        let open = |bytes: &[u8]| keys.open(ObjectKind::Record, &here, bytes);
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= flip;
        prop_assert!(open(&changed).is_err());
        prop_assert!(open(&sealed[..at.index(sealed.len())]).is_err());
        prop_assert!(open(&[&sealed[..], &[flip]].concat()).is_err());
        prop_assert!(keys.open(ObjectKind::Ring, &here, &sealed).is_err());
        prop_assert!(keys.open(ObjectKind::Record, &path("a/c"), &sealed).is_err());
        prop_assert!(self::keys(8).open(ObjectKind::Record, &here, &sealed).is_err());
    }

    #[test]
    fn no_change_of_a_chunk_or_its_place_gives_data(
        plain in prop::collection::vec(any::<u8>(), 1..300),
        at: prop::sample::Index,
        flip in 1_u8..,
    ) {
        let sealer = sealer(7);
        let (id, length) = (sealer.chunk_id(&plain), u32::try_from(plain.len()).unwrap());
        let (codec, sealed) = sealer.seal_chunk(&id, Codec::Raw, length, &plain).unwrap();
        let place = location(codec, plain.len(), &sealed);
        let open = |sealer: &Sealer, id: &ChunkId, place: &ChunkLocation, bytes: &[u8]| {
            prove_chunk(&mut Decompressor::new(sealer), id, place, &bytes.to_vec().into())
        };
        prop_assert_eq!(&open(&sealer, &id, &place, &sealed).unwrap()[..], &plain[..]);
        let mut changed = sealed.clone();
        changed[at.index(sealed.len())] ^= flip;
        prop_assert!(open(&sealer, &id, &place, &changed).is_err());
        prop_assert!(open(&self::sealer(8), &id, &place, &sealed).is_err());
        prop_assert!(open(&sealer, &ChunkId::of(&plain), &place, &sealed).is_err());
        let as_zstd = ChunkLocation { codec: Codec::SealedZstd, raw_len: length + 1, ..place };
        prop_assert!(open(&sealer, &id, &as_zstd, &sealed).is_err());
        let again = sealer.seal_chunk(&id, Codec::Raw, length, &plain).unwrap().1;
        prop_assert_ne!(&again[4..16], &sealed[4..16], "a nonce is used once");
    }

    #[test]
    fn reading_is_total(bytes: Vec<u8>, at: prop::sample::Index, with: u8) {
        let keys = keys(7);
        let header = [&b"CAIRNSL1\x01\0\0\0\0\0\0\0"[..], &[0; 32], &bytes].concat();
        prop_assert!(keys.open(ObjectKind::Run, &ObjectPath::root(), &bytes).is_err());
        prop_assert!(keys.open(ObjectKind::Run, &ObjectPath::root(), &header).is_err());
        prop_assert!(keys.with_ring(&path("x"), &header).is_err());
        let id = ChunkId::of(&bytes);
        prop_assert!(open_chunk(&keys, &id, Codec::Raw, 1, &bytes, &mut Vec::new()).is_err());
        let _ = Slot::decode(&bytes);
        let _ = forged(|slot| {
            let at = at.index(slot.len());
            slot[at] = with;
        });
        let _ = forged(|slot| {
            slot.truncate(8);
            slot.extend(bytes);
        });
    }
}
