//! Bytes that are the same on every machine: four kinds of content, made from a seed.

use std::fmt::Write;

/// SplitMix64 (Steele, Lea, Flood 2014): eight bytes a step, any seed is a good one.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A sequence for this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0. The bias is below `bound / 2^64`.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }

    /// A number from 0 to 1, without 1.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A length from `least` to `most`, each octave as likely as any other.
    pub fn log_uniform(&mut self, least: f64, most: f64) -> f64 {
        (least.ln() + self.fraction() * (most / least).ln()).exp()
    }
}

/// A kind of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Incompressible, like encrypted or well-compressed data.
    Noise,
    /// Like pages of LZ4 in a columnar file: no repeats worth a match, but some bytes more frequent
    /// than others; zstd at level 1 gains about a fifth.
    Pages,
    /// Rows as comma-separated values.
    Csv,
    /// The same rows as lines of JSON.
    Json,
}

impl Content {
    /// `length` bytes of this kind.
    pub fn bytes(self, seed: u64, length: usize) -> Vec<u8> {
        let mut random = Random::new(seed);
        match self {
            Self::Noise => noise(&mut random, length),
            Self::Pages => pages(&mut random, length),
            Self::Csv => rows(&mut random, length, csv_row),
            Self::Json => rows(&mut random, length, json_row),
        }
    }
}

fn noise(random: &mut Random, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&random.bits().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A header and entropy of about 6.4 bits in each byte of a page.
fn pages(random: &mut Random, length: usize) -> Vec<u8> {
    /// Bytes of a page in a columnar file.
    const PAGE_BYTES: usize = 64 << 10;
    /// Of 16 literals, this many come from 16 values; the others from all 256.
    const FREQUENT: u64 = 10;
    let mut bytes = Vec::with_capacity(length + 16);
    let mut next_header = 0;
    while bytes.len() < length {
        if bytes.len() >= next_header {
            bytes.extend_from_slice(b"page\x15\x04\x19\x2c");
            next_header += PAGE_BYTES;
        }
        let values = random.bits().to_le_bytes();
        let choices = random.bits();
        bytes.extend(values.iter().enumerate().map(|(at, value)| {
            let choice = choices >> (at * 4) & 0xF;
            if choice < FREQUENT { value & 0x3C } else { *value }
        }));
    }
    bytes.truncate(length);
    bytes
}

/// What a row is about.
struct Row {
    id: u64,
    time: u64,
    zone: u64,
    payment: &'static str,
    cents: u64,
    distance: u64,
    driver: u64,
}

impl Row {
    const PAYMENTS: [&'static str; 4] = ["Credit card", "Cash", "No charge", "Dispute"];

    /// The row after the one with these values: ids and times ascend, the rest has its own distribution.
    fn next(random: &mut Random, id: &mut u64, time: &mut u64) -> Self {
        *id += 1 + random.below(3);
        *time += random.below(900);
        let zone = random.below(64).min(random.below(263));
        let kind = random.below(100);
        let payment = usize::from(kind >= 72) + usize::from(kind >= 94) + usize::from(kind >= 97);
        let distance = 10 + random.below(40) * random.below(40);
        Self {
            id: *id,
            time: *time,
            zone,
            payment: Self::PAYMENTS.get(payment).copied().unwrap_or_default(),
            cents: 300 + distance * 7 / 2 + 50 * random.below(8),
            distance,
            driver: random.below(13_000).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        }
    }
}

fn rows(random: &mut Random, length: usize, write: fn(&mut String, &Row)) -> Vec<u8> {
    let mut text = String::with_capacity(length + 256);
    let (mut id, mut time) = (random.below(1 << 30), 1_704_067_200_000 + random.below(1 << 34));
    while text.len() < length {
        write(&mut text, &Row::next(random, &mut id, &mut time));
    }
    let mut bytes = text.into_bytes();
    bytes.truncate(length);
    bytes
}

fn csv_row(text: &mut String, row: &Row) {
    let Row { id, time, zone, payment, cents, distance, driver } = row;
    let (dollars, rest) = (cents / 100, cents % 100);
    // Writing into a String does not fail.
    let _ =
        writeln!(text, "{id},{time},{zone},{payment},{dollars}.{rest:02},{distance},{driver:016X}");
}

fn json_row(text: &mut String, row: &Row) {
    let Row { id, time, zone, payment, cents, distance, driver } = row;
    let (dollars, rest) = (cents / 100, cents % 100);
    // Writing into a String does not fail.
    let _ = writeln!(
        text,
        "{{\"trip\":{id},\"time\":{time},\"zone\":{zone},\"payment\":\"{payment}\",\
         \"total\":{dollars}.{rest:02},\"distance\":{distance},\"driver\":\"{driver:016X}\"}}"
    );
}

#[cfg(test)]
mod tests {
    use cairn_repository::compressor::Compressor;
    use cairn_repository::config::Compression;

    use super::*;

    fn stored_share(content: Content) -> f64 {
        let bytes = content.bytes(1, 1 << 20);
        let mut compressor = Compressor::new(Compression::Auto);
        let (_, stored) = compressor.encode(&bytes).unwrap();
        stored.len() as f64 / bytes.len() as f64
    }

    #[test]
    fn each_kind_compresses_as_its_name_says() {
        assert!((0.99..=1.0).contains(&stored_share(Content::Noise)));
        let pages = stored_share(Content::Pages);
        assert!((0.75..0.85).contains(&pages), "{pages}");
        assert!(stored_share(Content::Csv) < 0.5);
        assert!(stored_share(Content::Json) < 0.4);
    }

    #[test]
    fn bytes_depend_on_the_seed_alone_and_have_the_length_asked_for() {
        for content in [Content::Noise, Content::Pages, Content::Csv, Content::Json] {
            let (long, short) = (content.bytes(7, 5000), content.bytes(7, 1001));
            assert_eq!(short.len(), 1001);
            assert_eq!(long[..1001], short);
            assert_ne!(content.bytes(8, 1001), short);
        }
    }

    #[test]
    fn lengths_stay_within_their_bounds() {
        let mut random = Random::new(3);
        for _ in 0..1000 {
            assert!((4.0..64.0).contains(&random.log_uniform(4.0, 64.0)));
        }
    }
}
