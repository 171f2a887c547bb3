//! [`Raw`]: a client that says whatever bytes a test wants.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};

/// What a client that speaks MySQL 4.1 asks for: also PLUGIN_AUTH, and that rows end with an OK packet.
const CAPABILITIES: u32 = 1 << 9 | 1 << 15 | 1 << 19 | 1 << 24;

pub(crate) struct Raw {
    stream: TcpStream,
    sequence: u8,
}

/// An error as the server sends it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Raw {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, sequence: 0 }
    }

    /// Logs in by `mysql_native_password`.
    pub(crate) fn login(address: SocketAddr, user: &str, password: &str) -> Result<Self, Refused> {
        let mut client = Self::connect(address);
        let greeting = client.read_ok()?;
        client.answer(&greeting, user, password);
        client.read_ok()?;
        Ok(client)
    }

    /// Answers a greeting.
    pub(crate) fn answer(&mut self, greeting: &[u8], user: &str, password: &str) {
        let proof = native(password, &salt(greeting));
        self.say_hello(user, "mysql_native_password", &proof);
    }

    /// Says who it is and how it proves that.
    pub(crate) fn say_hello(&mut self, user: &str, plugin: &str, proof: &[u8]) {
        let mut payload = CAPABILITIES.to_le_bytes().to_vec();
        payload.extend_from_slice(&(1_u32 << 24).to_le_bytes());
        payload.push(45);
        payload.extend_from_slice(&[0; 23]);
        payload.extend_from_slice(user.as_bytes());
        payload.push(0);
        payload.push(u8::try_from(proof.len()).unwrap());
        payload.extend_from_slice(proof);
        payload.extend_from_slice(plugin.as_bytes());
        payload.push(0);
        self.send(&payload);
    }

    /// Counts on from here, after packets that were sent as bytes.
    pub(crate) fn count_from(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn send(&mut self, payload: &[u8]) {
        let mut parts = payload.chunks(0xff_ffff).collect::<Vec<_>>();
        if payload.len().is_multiple_of(0xff_ffff) {
            parts.push(&[]);
        }
        for part in parts {
            let mut header = u32::try_from(part.len()).unwrap().to_le_bytes();
            header[3] = self.sequence;
            self.bytes(&[&header, part].concat());
            self.sequence = self.sequence.wrapping_add(1);
        }
    }

    /// Sends a command and reads the first packet of its answer.
    pub(crate) fn command(&mut self, command: u8, operand: &[u8]) -> Result<Vec<u8>, Refused> {
        self.sequence = 0;
        self.send(&[&[command], operand].concat());
        self.read_ok()
    }

    /// The packets of an answer to a query, up to the end of its rows.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<Vec<u8>>, Refused> {
        let mut packets = vec![self.command(3, sql.as_bytes())?];
        while !matches!(packets.last().and_then(|packet| packet.first()), Some(0 | 0xfe)) {
            packets.push(self.read_ok()?);
        }
        Ok(packets)
    }

    pub(crate) fn read_ok(&mut self) -> Result<Vec<u8>, Refused> {
        let payload = self.read().expect("an answer");
        if payload.first() != Some(&0xff) {
            return Ok(payload);
        }
        let code = u16::from_le_bytes([payload[1], payload[2]]);
        let text = String::from_utf8(payload[3..].to_vec()).unwrap();
        Err(Refused {
            code,
            text: text.strip_prefix('#').map_or(text.clone(), |it| it[5..].to_owned()),
        })
    }

    /// The next payload, however many packets it takes.
    pub(crate) fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut payload = Vec::new();
        loop {
            let mut header = [0; 4];
            self.stream.read_exact(&mut header)?;
            let [low, middle, high, sequence] = header;
            assert_eq!(sequence, self.sequence, "packets are counted");
            self.sequence = self.sequence.wrapping_add(1);
            let length = usize::try_from(u32::from_le_bytes([low, middle, high, 0])).unwrap();
            let start = payload.len();
            payload.resize(start + length, 0);
            self.stream.read_exact(&mut payload[start..])?;
            if length < 0xff_ffff {
                return Ok(payload);
            }
        }
    }

    /// Waits until the server has closed the connection.
    pub(crate) fn expect_end(&mut self) {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = self.stream.read_to_end(&mut rest);
        assert_eq!(rest, b"", "nothing is said before the end");
    }
}

/// The salt of a greeting.
pub(crate) fn salt(greeting: &[u8]) -> Vec<u8> {
    let version = greeting.iter().position(|byte| *byte == 0).unwrap();
    let first = version + 1 + 4;
    let second = first + 8 + 1 + 2 + 1 + 2 + 2 + 1 + 10;
    [&greeting[first..first + 8], &greeting[second..second + 12]].concat()
}

fn native(password: &str, salt: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let sha1 = |parts: &[&[u8]]| {
        let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().to_vec()
    };
    let hash = sha1(&[password.as_bytes()]);
    let mask = sha1(&[salt, &sha1(&[&hash])]);
    hash.iter().zip(mask).map(|(hash, mask)| hash ^ mask).collect()
}
