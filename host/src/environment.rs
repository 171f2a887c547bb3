//! [`Environment`]: the only place that looks at what surrounds the process.

use std::ffi::OsString;
use std::path::PathBuf;

use cairn_pipeline::storage;

/// The table of `--help`.
pub(crate) const HELP: &str = "\
Environment:
  CAIRN_REPO      the repository, where --repo is not given
  CAIRN_CONFIG    the configuration file, where --config is not given
  CAIRN_LOG       what to log to stderr, such as info or warn,cairn_storage=debug
  CAIRN_LOG_FORMAT
                  text or json
  NO_COLOR        no colours when it is set
  XDG_STATE_HOME  where the history of `cairn sql` is kept, by default ~/.local/state
  AWS_...         keys, region, profile and files as Amazon's tools know them, where [properties]
                  of the configuration file says nothing";

/// What the environment says.
#[derive(Default)]
pub(crate) struct Environment {
    pub(crate) repository: Option<String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) log: Option<String>,
    pub(crate) log_format: Option<String>,
    pub(crate) no_color: bool,
    /// Where programs keep what they remember.
    #[cfg(feature = "sql")]
    pub(crate) state: Option<PathBuf>,
    /// What storages may want to know: it holds secrets.
    pub(crate) of_storages: Vec<(&'static str, String)>,
    /// How this program was called.
    #[cfg(feature = "sql")]
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
            log_format: text("CAIRN_LOG_FORMAT"),
            no_color: set("NO_COLOR").is_some(),
            #[cfg(feature = "sql")]
            state: match set("XDG_STATE_HOME") {
                Some(state) => Some(state.into()),
                None => set("HOME").map(|home| PathBuf::from(home).join(".local/state")),
            },
            of_storages: storage::ENVIRONMENT
                .iter()
                .filter_map(|name| Some((*name, text(name)?)))
                .collect(),
            #[cfg(feature = "sql")]
            program: match std::env::args_os().next() {
                Some(program) => program.to_string_lossy().into_owned(),
                None => "cairn".to_owned(),
            },
        }
    }
}
