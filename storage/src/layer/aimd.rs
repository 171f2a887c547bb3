//! [`Aimd`]: how many operations a storage can take, learned from its answers.
//!
//! Additive increase, multiplicative decrease, as TCP finds the capacity of a path: half as many when the
//! storage pushes back, one more for every round of successes, never more than configured. Clients that share a
//! storage come to equal shares of it this way.
//!
//! Pure. An answer counts only when its call began after the last decrease: when a storage pushes back on a
//! hundred calls at once, that is one event and halves the number once.

/// How many operations may be in flight.
#[derive(Debug)]
pub(super) struct Aimd {
    max: usize,
    allowed: usize,
    /// Successes of this round; a round is as many as are allowed in flight.
    successes: usize,
    epoch: Epoch,
}

/// The time between two decreases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Epoch(u64);

impl Aimd {
    /// Begins at its maximum: most storages never push back.
    pub(super) fn new(max: usize) -> Self {
        Self { max, allowed: max, successes: 0, epoch: Epoch::default() }
    }

    /// How many operations may be in flight now.
    pub(super) fn allowed(&self) -> usize {
        self.allowed
    }

    /// What a call remembers from its beginning to its answer.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// A call of `epoch` succeeded.
    pub(super) fn succeeded(&mut self, epoch: Epoch) {
        if epoch != self.epoch || self.allowed == self.max {
            return;
        }
        self.successes += 1;
        if self.successes >= self.allowed {
            self.successes = 0;
            self.allowed += 1;
        }
    }

    /// The storage pushed back on a call of `epoch`.
    pub(super) fn pushed_back(&mut self, epoch: Epoch) {
        if epoch != self.epoch {
            return;
        }
        self.epoch = Epoch(self.epoch.0.wrapping_add(1));
        self.successes = 0;
        self.allowed = (self.allowed / 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_halves_once_for_all_calls_of_one_epoch() {
        let mut aimd = Aimd::new(32);
        let epoch = aimd.epoch();
        for _ in 0..32 {
            aimd.pushed_back(epoch);
        }
        assert_eq!(aimd.allowed(), 16);
        aimd.pushed_back(aimd.epoch());
        assert_eq!(aimd.allowed(), 8);
    }

    #[test]
    fn it_grows_by_one_a_round_up_to_its_maximum() {
        let mut aimd = Aimd::new(4);
        aimd.pushed_back(aimd.epoch());
        let mut seen = Vec::new();
        for _ in 0..8 {
            aimd.succeeded(aimd.epoch());
            seen.push(aimd.allowed());
        }
        assert_eq!(seen, [2, 3, 3, 3, 4, 4, 4, 4]);
    }

    #[test]
    fn a_success_of_a_call_that_began_before_the_decrease_tells_nothing() {
        let mut aimd = Aimd::new(2);
        let before = aimd.epoch();
        aimd.pushed_back(before);
        aimd.succeeded(before);
        assert_eq!(aimd.allowed(), 1);
        aimd.succeeded(aimd.epoch());
        assert_eq!(aimd.allowed(), 2);
    }

    proptest! {
        #[test]
        fn it_stays_between_one_and_its_maximum(max in 1_usize..100, answers: Vec<(bool, bool)>) {
            let mut aimd = Aimd::new(max);
            for (is_ok, is_stale) in answers {
                let epoch = if is_stale { Epoch(u64::MAX) } else { aimd.epoch() };
                if is_ok { aimd.succeeded(epoch) } else { aimd.pushed_back(epoch) }
                prop_assert!((1..=max).contains(&aimd.allowed()));
            }
        }
    }
}
