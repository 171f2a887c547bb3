//! Layers: each adds one concern to any storage and is a storage itself.
//!
//! A layer never looks inside its inner storage and forwards every method, which
//! `clippy::missing_trait_methods` enforces. [`stack`] is the one place that fixes their order:
//! metering outside (one user's call is one request), retry around the limit (a call that waits to try
//! again holds no permit), timeout inside (each attempt has its own).

mod by_operation;
mod duration_text;
mod limit;
mod metered;
mod prefix;
mod read_only;
mod retry;
mod timeout;

use std::num::NonZeroUsize;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use limit::Limit;
pub use metered::Metered;
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
    /// Most operations in flight at once; the others wait.
    pub max_in_flight: NonZeroUsize,
    /// When passing faults are tried again.
    pub retry: RetryConfig,
    /// When a call is given up.
    pub timeout: TimeoutConfig,
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
        }
    }
}

/// The backend inside its layers, in the one order that is right.
///
/// The metric handles are resolved here, against the recorder of the calling thread.
pub fn stack(backend: Arc<dyn Storage>, config: &LayerConfig) -> Arc<dyn Storage> {
    let timed = Arc::new(Timeout::new(backend, config.timeout.clone()));
    let limited = Arc::new(Limit::new(timed, config.max_in_flight));
    let retried = Arc::new(Retry::new(limited, config.retry.clone()));
    Arc::new(Metered::new(retried))
}
