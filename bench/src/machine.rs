//! What the numbers were measured on.

use std::fs;

use serde::{Deserialize, Serialize};

/// A description of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    pub name: String,
    /// Model of the processor.
    pub processor: String,
    /// Logical processors that this program may use.
    pub cpus: usize,
    /// Memory.
    pub memory_bytes: u64,
    /// The kernel.
    pub kernel: String,
}

impl Machine {
    /// This machine; what cannot be found out stays empty.
    pub fn here(name: Option<&str>) -> Self {
        let system = rustix::system::uname();
        let host = system.nodename().to_string_lossy();
        let memory = rustix::system::sysinfo();
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            name: file_name(name.unwrap_or(&host)),
            processor: processor(&processors).unwrap_or_default().to_owned(),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: memory.totalram.saturating_mul(memory.mem_unit.into()),
            kernel: format!(
                "{} {}",
                system.sysname().to_string_lossy(),
                system.release().to_string_lossy()
            ),
        }
    }
}

/// What can be a part of a file's name.
fn file_name(name: &str) -> String {
    let plain = |character: char| match character {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' => character,
        _ => '-',
    };
    let name: String = name.chars().map(plain).collect();
    if name.is_empty() { "machine".to_owned() } else { name }
}

fn processor(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths() {
        assert_eq!(file_name("a b/../c"), "a-b-..-c");
        assert_eq!(Machine::here(Some("")).name, "machine");
        assert!(Machine::here(None).memory_bytes > 0);
    }

    #[test]
    fn the_processor_is_named() {
        assert_eq!(processor("flags: x\nmodel name\t: Fast 9000\n"), Some("Fast 9000"));
        assert_eq!(processor(""), None);
    }
}
