//! Layers: each adds one concern to any storage and is a storage itself.
//!
//! A layer never looks inside its inner storage and forwards every method, which
//! `clippy::missing_trait_methods` enforces. [`stack`] is the one place that fixes their order, from the
//! outside to the inside:
//!
//! 1. metering: one user's call is one request, whatever it takes;
//! 2. retry: around all that follows, so that a call that waits to try again holds no permit;
//! 3. pacing: inside retry, for bytes that are sent again count again; outside the limit, for a call that waits for
//!    bandwidth must not keep a head or a list from being answered;
//! 4. limit: hears what the storage answers to each attempt, and shrinks when it pushes back;
//! 5. timeout: innermost, so that each attempt has its own time and no wait of ours counts as the storage's.

mod aimd;
mod bandwidth;
mod by_operation;
mod duration_text;
mod limit;
mod metered;
mod paced;
mod prefix;
mod read_only;
mod retry;
mod retry_budget;
mod timeout;

use std::num::NonZeroUsize;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use bandwidth::{Bandwidth, SpeedLimitWaits, SpeedLimits};
pub use limit::Limit;
pub use metered::Metered;
pub use paced::Paced;
pub use prefix::Prefix;
pub use read_only::ReadOnly;
pub use retry::{Retry, RetryConfig};
pub use timeout::{Timeout, TimeoutConfig};

use crate::Storage;

/// How a backend is driven; the defaults serve a local disk and a cloud service alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LayerConfig {
    /// Most operations in flight at once; the others wait. Fewer while the storage pushes back.
    pub max_in_flight: NonZeroUsize,
    /// When passing faults are tried again.
    pub retry: RetryConfig,
    /// When a call is given up.
    pub timeout: TimeoutConfig,
    /// How fast bytes may go: shared by every storage that is opened with a clone of this, changeable while they
    /// work. Unlimited unless who owns the storages sets it.
    #[serde(skip)]
    pub bandwidth: Bandwidth,
}

impl LayerConfig {
    /// Enough to hide the latency of a cloud service at 16 MiB a pack, few enough for a disk.
    const MAX_IN_FLIGHT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(31);
}

impl Default for LayerConfig {
    fn default() -> Self {
        Self {
            max_in_flight: Self::MAX_IN_FLIGHT,
            retry: RetryConfig::default(),
            timeout: TimeoutConfig::default(),
            bandwidth: Bandwidth::default(),
        }
    }
}

/// The backend inside its layers, in the one order that is right.
///
/// The metric handles are resolved here, against the recorder of the calling thread.
pub fn stack(backend: Arc<dyn Storage>, config: &LayerConfig) -> Arc<dyn Storage> {
    let timed = Arc::new(Timeout::new(backend, config.timeout.clone()));
    let limited = Arc::new(Limit::new(timed, config.max_in_flight));
    let paced = Arc::new(Paced::new(limited, config.bandwidth.clone()));
    let retried = Arc::new(Retry::new(paced, config.retry.clone()));
    Arc::new(Metered::new(retried))
}
