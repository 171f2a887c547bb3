//! *Does*: holds what one walk found, and gives it out in the words of the contract.
//!
//! *Memory*: 64 bytes for each segment beside its name; owners and link targets only where there are
//! any. Attributes and identities are made when a partition is asked for.
//!
//! *Invariants*: objects, partitions, tablets and segments are each one list in the order of the walk;
//! an entry's children are those from its `first` to the `first` of the next entry.

use std::collections::BTreeMap;
use std::ops::Range;

use cairn_actors::tablet::{
    ObjectKey, ObjectSpec, SegmentAddress, SegmentSpec, Skipped, TabletSpec,
};
use rustix::fs::FileType;

use super::attributes::{Attributes, Definition};
use super::root::join;
use super::stamp::{Moment, Stamp, identity_of};

/// A file, link or directory that a walk met.
#[derive(Debug)]
pub(super) struct Found {
    /// Its name in its directory.
    pub(super) name: String,
    /// What it is.
    pub(super) stamp: Stamp,
    /// Target of a link.
    pub(super) target: Option<Box<[u8]>>,
    /// Whether its identity cannot be trusted.
    pub(super) is_racy: bool,
}

/// What the view promises of a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    /// Type and permissions.
    pub(super) mode: u32,
    /// Length in bytes.
    pub(super) len: u64,
    /// Inode number.
    pub(super) inode: u64,
    /// When the content changed.
    pub(super) mtime: Moment,
    /// Whether the file had other names.
    pub(super) many_links: bool,
    is_racy: bool,
    ctime_nanos: i64,
    name_end: usize,
}

impl Listed {
    /// Whether it has bytes to read.
    pub(super) fn is_file(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::RegularFile
    }

    /// Whether a file is still the listed one, as far as can be told when links of ours have changed
    /// its change time.
    pub(super) fn is_still(&self, stamp: &Stamp) -> bool {
        stamp.file_type() == FileType::from_raw_mode(self.mode)
            && stamp.inode == self.inode
            && stamp.len == self.len
            && stamp.mtime == self.mtime
    }

    /// The identity as the view gives it.
    pub(super) fn identity(&self) -> Box<[u8]> {
        match self.is_racy {
            true => Box::default(),
            false => identity_of(self.inode, self.mtime.as_nanos(), self.ctime_nanos),
        }
    }
}

/// What only few segments have.
#[derive(Debug)]
enum Rarity {
    Target(Box<[u8]>),
    Owner(u32, u32),
}

#[derive(Debug)]
struct TabletPlace {
    name: Box<str>,
    first: usize,
}

/// What one walk found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    objects: Vec<ObjectSpec>,
    definitions: Vec<Definition>,
    skipped: Vec<Skipped>,
    first_partitions: Vec<usize>,
    first_tablets: Vec<usize>,
    tablets: Vec<TabletPlace>,
    segments: Vec<Listed>,
    names: String,
    rarities: BTreeMap<usize, Rarity>,
}

impl Listing {
    /// Starts an object; what is added next belongs to it.
    pub(super) fn start_object(&mut self, key: ObjectKey, definition: Definition) {
        self.first_partitions.push(self.first_tablets.len());
        self.definitions.push(definition);
        self.objects.push(ObjectSpec {
            key,
            depends_on: Vec::new(),
            fingerprint: Vec::new(),
            definition: Vec::new(),
            partitions: Vec::new(),
        });
    }

    /// Starts a partition of the last object.
    pub(super) fn start_partition(&mut self, name: &str, permissions: u32) {
        self.first_tablets.push(self.tablets.len());
        if let (Some(object), Some(definition)) =
            (self.objects.last_mut(), self.definitions.last_mut())
        {
            object.partitions.push(name.to_owned());
            definition.add(name, "", permissions);
        }
    }

    /// Starts a tablet of the last partition.
    pub(super) fn start_tablet(&mut self, name: &str, permissions: u32) {
        self.tablets.push(TabletPlace { name: name.into(), first: self.segments.len() });
        let partition = self.objects.last().and_then(|object| object.partitions.last());
        if let (Some(partition), Some(definition)) = (partition, self.definitions.last_mut()) {
            definition.add(partition, name, permissions);
        }
    }

    /// Adds a segment to the last tablet; `prefix` is its directory below the tablet's.
    pub(super) fn add_segment(&mut self, prefix: &str, found: Found) {
        let Found { name, stamp, target, is_racy } = found;
        if !prefix.is_empty() {
            self.names.push_str(prefix);
            self.names.push('/');
        }
        self.names.push_str(&name);
        if let Some(target) = target {
            self.rarities.insert(self.segments.len(), Rarity::Target(target));
        } else if stamp.mode & super::attributes::SET_ID != 0 {
            let owner = Rarity::Owner(stamp.owner.0, stamp.owner.1);
            self.rarities.insert(self.segments.len(), owner);
        }
        self.segments.push(Listed {
            mode: stamp.mode,
            len: stamp.len,
            inode: stamp.inode,
            mtime: stamp.mtime,
            many_links: stamp.many_links,
            is_racy,
            ctime_nanos: stamp.ctime.as_nanos(),
            name_end: self.names.len(),
        });
    }

    /// Records something that is left out.
    pub(super) fn skip(&mut self, what: String, reason: &str) {
        self.skipped.push(Skipped { what, reason: reason.to_owned() });
    }

    /// Ends the listing: what it holds is complete.
    pub(super) fn seal(&mut self) {
        for (object, definition) in self.objects.iter_mut().zip(self.definitions.drain(..)) {
            object.definition = definition.encode();
        }
        self.segments.shrink_to_fit();
        self.names.shrink_to_fit();
    }

    /// The objects.
    pub(super) fn objects(&self) -> &[ObjectSpec] {
        &self.objects
    }

    /// What was left out.
    pub(super) fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// The tablets of a partition; `None` when there is no such partition.
    pub(super) fn tablets(&self, object: u32, partition: u32) -> Option<Vec<TabletSpec>> {
        let tablets = self.tablets_of(object, partition)?;
        Some(tablets.map(|tablet| self.tablet_spec(tablet)).collect())
    }

    /// The position of a segment in the whole listing, and what the view promises of it; `None` when
    /// there is no such segment.
    pub(super) fn segment(&self, address: SegmentAddress) -> Option<(usize, &Listed)> {
        let mut tablets = self.tablets_of(address.object, address.partition)?;
        let tablet = tablets.nth(usize::try_from(address.tablet).ok()?)?;
        let position = self.segments_of(tablet).nth(usize::try_from(address.segment).ok()?)?;
        Some((position, self.segments.get(position)?))
    }

    /// The path of a segment from the warehouse; empty when there is no such segment.
    pub(super) fn path(&self, address: SegmentAddress) -> String {
        let path = || {
            let object = self.objects.get(usize::try_from(address.object).ok()?)?;
            let partition = object.partitions.get(usize::try_from(address.partition).ok()?)?;
            let mut tablets = self.tablets_of(address.object, address.partition)?;
            let tablet = &self.tablets[tablets.nth(usize::try_from(address.tablet).ok()?)?];
            let (position, _) = self.segment(address)?;
            let name = self.name_of(position);
            Some(join(&[&object.key.database, &object.key.name, partition, &tablet.name, name]))
        };
        path().unwrap_or_default()
    }

    fn tablets_of(&self, object: u32, partition: u32) -> Option<Range<usize>> {
        let (object, partition) = (usize::try_from(object).ok()?, usize::try_from(partition).ok()?);
        let spec = self.objects.get(object)?;
        if partition >= spec.partitions.len() {
            return None;
        }
        let place = self.first_partitions[object] + partition;
        let end = self.first_tablets.get(place + 1).copied().unwrap_or(self.tablets.len());
        Some(self.first_tablets[place]..end)
    }

    fn segments_of(&self, tablet: usize) -> Range<usize> {
        let end = self.tablets.get(tablet + 1).map_or(self.segments.len(), |next| next.first);
        self.tablets[tablet].first..end
    }

    fn name_of(&self, position: usize) -> &str {
        let start = position.checked_sub(1).map_or(0, |before| self.segments[before].name_end);
        &self.names[start..self.segments[position].name_end]
    }

    fn tablet_spec(&self, tablet: usize) -> TabletSpec {
        let segments = self.segments_of(tablet).map(|position| {
            let listed = &self.segments[position];
            SegmentSpec {
                name: self.name_of(position).to_owned(),
                len: listed.len,
                identity: listed.identity(),
                attributes: self.attributes_of(position).encode(),
            }
        });
        TabletSpec {
            index: String::new(),
            name: self.tablets[tablet].name.to_string(),
            segments: segments.collect(),
        }
    }

    fn attributes_of(&self, position: usize) -> Attributes<'_> {
        let listed = &self.segments[position];
        let permissions = listed.mode & 0o7777;
        match (FileType::from_raw_mode(listed.mode), self.rarities.get(&position)) {
            (FileType::Symlink, Some(Rarity::Target(target))) => {
                Attributes::Link { target, mtime: Some(listed.mtime) }
            }
            (FileType::Directory, _) => Attributes::Directory { permissions },
            (_, Some(Rarity::Owner(user, group))) => Attributes::File {
                permissions,
                mtime: Some(listed.mtime),
                owner: Some((*user, *group)),
            },
            _ => Attributes::File { permissions, mtime: Some(listed.mtime), owner: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_segment_takes_little_memory() {
        assert!(size_of::<Listed>() <= 64, "{}", size_of::<Listed>());
    }

    #[test]
    fn addresses_outside_of_the_listing_are_nothing() {
        let listing = Listing::default();
        let address = SegmentAddress { object: 0, partition: 0, tablet: 0, segment: 0 };
        assert!(listing.tablets(0, 0).is_none());
        assert!(listing.segment(address).is_none());
        assert_eq!(listing.path(address), "");
    }
}
