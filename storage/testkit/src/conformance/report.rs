//! What came of a run of all cases.

use std::fmt;

use super::CaseFailure;

/// What came of a case.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The rule holds.
    Passed,
    /// The storage does not promise what the rule is about, as it says itself.
    Skipped(&'static str),
    /// The rule is broken, or the case could not be carried out.
    Failed(CaseFailure),
}

/// A case and what came of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct CaseReport {
    /// The name of the case.
    pub name: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

/// What came of a run of all cases. Displays as one line for each, and a sum.
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    /// The storage, as it displays itself.
    pub storage: String,
    /// The cases in their order.
    pub cases: Vec<CaseReport>,
}

impl Report {
    /// Whether no case failed.
    pub fn is_ok(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &CaseFailure)> {
        self.cases.iter().filter_map(|case| match &case.verdict {
            Verdict::Failed(failure) => Some((case.name, failure)),
            _ => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut passed, mut skipped, mut failed) = (0, 0, 0);
        for case in &self.cases {
            match &case.verdict {
                Verdict::Passed => {
                    passed += 1;
                    writeln!(f, "ok      {}", case.name)?;
                }
                Verdict::Skipped(reason) => {
                    skipped += 1;
                    writeln!(f, "skipped {}: {reason}", case.name)?;
                }
                Verdict::Failed(failure) => {
                    failed += 1;
                    writeln!(f, "FAILED  {}: {}", case.name, failure.with_causes())?;
                }
            }
        }
        write!(f, "{}: {passed} passed, {skipped} skipped, {failed} failed", self.storage)
    }
}
