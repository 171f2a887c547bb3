//! [`Environment`]: the only place that looks at what surrounds the process.

use std::ffi::OsString;
use std::path::PathBuf;

/// The table of `--help`.
pub(crate) const HELP: &str = "\
Environment:
  CAIRN_REPO    the repository, where --repo is not given
  CAIRN_CONFIG  the configuration file, where --config is not given
  CAIRN_LOG     what to log to stderr, such as info or warn,cairn_storage=debug
  NO_COLOR      no colours when it is set";

/// What the environment says.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) repository: Option<String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) log: Option<String>,
    pub(crate) no_color: bool,
    /// How this program was called.
    pub(crate) program: String,
}

impl Environment {
    /// Reads it. A variable that is empty counts as not set.
    #[expect(clippy::disallowed_methods, reason = "this is the one function that may")]
    pub(crate) fn read() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text =
            |name: &str| set(name).map(|value: OsString| value.to_string_lossy().into_owned());
        Self {
            repository: text("CAIRN_REPO"),
            config: set("CAIRN_CONFIG").map(PathBuf::from),
            log: text("CAIRN_LOG"),
            no_color: set("NO_COLOR").is_some(),
            program: match std::env::args_os().next() {
                Some(program) => program.to_string_lossy().into_owned(),
                None => "cairn".to_owned(),
            },
        }
    }
}
