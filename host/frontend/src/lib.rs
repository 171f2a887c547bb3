//! Sessions, jobs and the MySQL protocol of Cairn's reference host: `host/DESIGN.md` has the picture.
//!
//! [`Frontend`] is what all sessions share: a warehouse, repositories, jobs. [`FrontendService`] shows it to [`mysql`];
//! [`Operator`] is somebody at another door; [`Session::of_operator`] is a session without a connection.

mod account;
mod blocking;
mod clock;
mod connections;
mod execute;
mod frontend;
mod job;
pub mod mysql;
mod operator;
mod quote;
mod refresh;
mod refusal;
mod repository;
mod service;
mod session;
mod settings;
mod sweep;

pub use frontend::{Frontend, Parts};
pub use job::{JobView, Jobs, WatchedJob};
pub use operator::{LoginRefused, Operator, WatchedRepository};
pub use service::FrontendService;
pub use session::Session;
pub use settings::JobSettings;
pub use sweep::{SweepRule, Sweeps};
