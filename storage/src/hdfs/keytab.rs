//! [`Keytab`]: the key of a Kerberos principal.

use std::fmt;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{MemfdFlags, memfd_create};

/// Where the key of a principal is.
#[derive(Clone)]
pub struct Keytab(Place);

#[derive(Clone)]
enum Place {
    File(PathBuf),
    /// Kerberos reads keytabs only from files, so this is one that is on no disk and goes when the last
    /// configuration that holds it does.
    Memory(Arc<std::fs::File>),
}

impl Keytab {
    /// A keytab that is a file.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self(Place::File(path.as_ref().to_owned()))
    }

    /// A keytab of these bytes, which are never written to a disk.
    pub fn bytes(bytes: &[u8]) -> std::io::Result<Self> {
        let mut file = std::fs::File::from(memfd_create("keytab", MemfdFlags::CLOEXEC)?);
        file.write_all(bytes)?;
        Ok(Self(Place::Memory(Arc::new(file))))
    }

    /// The name under which this process can open it.
    pub(super) fn path(&self) -> String {
        match &self.0 {
            Place::File(path) => path.display().to_string(),
            Place::Memory(file) => format!("/proc/self/fd/{}", file.as_raw_fd()),
        }
    }
}

impl fmt::Debug for Keytab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => f.debug_tuple("File").field(path).finish(),
            Place::Memory(_) => f.write_str("Memory(***)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_can_be_read_as_a_file_and_are_not_shown() {
        let keytab = Keytab::bytes(b"key of cairn").unwrap();
        let shown = format!("{keytab:?}");
        let copy = keytab.clone();
        drop(keytab);
        for _ in 0..2 {
            assert_eq!(std::fs::read(copy.path()).unwrap(), b"key of cairn");
        }
        assert!(!shown.contains("key of cairn"), "{shown}");
    }
}
