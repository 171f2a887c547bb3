//! What is done to a data set, and in which order.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// One timed step. A cycle of one tool on one set is all of them, in this order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// First backup into a fresh repository. Making the repository is not timed, unless the tool does it
    /// in the same command.
    Full,
    /// The same tree again.
    Unchanged,
    /// All of the newest snapshot into an empty directory.
    Restore,
    /// The tool's own verification of every byte.
    Check,
    /// The tree one step later.
    Incremental,
}

impl Scenario {
    /// All of them, in the order of a cycle.
    pub const ALL: [Self; 5] =
        [Self::Full, Self::Unchanged, Self::Restore, Self::Check, Self::Incremental];

    /// Its name; also the label of the snapshot that it makes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Unchanged => "unchanged",
            Self::Restore => "restore",
            Self::Check => "check",
            Self::Incremental => "incremental",
        }
    }

    /// Whether it writes about as many bytes as the set has.
    pub const fn is_writing(self) -> bool {
        match self {
            Self::Full | Self::Restore | Self::Incremental => true,
            Self::Unchanged | Self::Check => false,
        }
    }

    /// The question that it answers.
    pub const fn question(self) -> &'static str {
        match self {
            Self::Full => "the first backup",
            Self::Unchanged => "a backup when nothing has changed",
            Self::Restore => "everything back into an empty directory",
            Self::Check => "every stored byte verified",
            Self::Incremental => "a backup one step later",
        }
    }
}

impl std::fmt::Display for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The order of a round: as given, and reversed every second time, so that what drifts (heat, memory,
/// neighbours) falls on all alike.
pub fn round_order<T: Copy>(items: &[T], round: u32) -> Vec<T> {
    let mut order = items.to_vec();
    if !round.is_multiple_of(2) {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_second_round_is_reversed() {
        let rounds: Vec<char> =
            (0..3).flat_map(|round| round_order(&['a', 'b', 'c'], round)).collect();
        assert_eq!(rounds.iter().collect::<String>(), "abccbaabc");
    }

    #[test]
    fn names_are_those_of_the_command_line_and_of_the_results() {
        for scenario in Scenario::ALL {
            assert_eq!(Scenario::from_str(scenario.name(), false), Ok(scenario));
            let json = serde_json::to_string(&scenario).unwrap();
            assert_eq!(json, format!("\"{scenario}\""));
        }
    }
}
