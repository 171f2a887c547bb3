//! [`Priority`]: how far the threads of an engine stand back for the other threads of the process.
//!
//! Linux keeps a priority for each thread, and a thread begins with that of the one which starts it: stages have that of the
//! control plane. Elsewhere a priority belongs to the whole process, which is not ours, so nothing is done.

use serde::{Deserialize, Serialize};

/// Who goes first. A processor that has nothing else to do is used fully at any priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// All threads are alike.
    #[default]
    Normal,
    /// Threads of the engine get a seventieth of what others get that want the same processor: `nice` 19.
    Low,
    /// They run where nobody else wants to, and are interrupted at once by who does: `SCHED_IDLE` of Linux. On a machine that is always
    /// busy they hardly come on.
    Idle,
}

impl Priority {
    /// Gives it to the calling thread. One that stands back further already is left alone.
    pub fn apply(self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = linux::apply(self) {
            tracing::warn!(priority = ?self, %error, "a thread of the engine cannot stand back");
        }
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use rustix::process::{getpriority_process, setpriority_process};
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };

    use super::Priority;

    /// What `nice` calls as far back as can be.
    const NICEST: i32 = 19;

    pub(super) fn apply(priority: Priority) -> Result<(), String> {
        match priority {
            Priority::Normal => Ok(()),
            // Here the process is the thread.
            Priority::Low if getpriority_process(None) == Ok(NICEST) => Ok(()),
            Priority::Low => setpriority_process(None, NICEST).map_err(|error| error.to_string()),
            Priority::Idle => {
                let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
                let thread = thread_native_id();
                set_thread_priority_and_policy(thread, ThreadPriority::Min, policy)
                    .map_err(|error| format!("{error:?}"))
            }
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy,
    };

    use super::*;

    type Seen = (i32, ThreadSchedulePolicy);

    fn seen() -> Seen {
        (rustix::process::getpriority_process(None).unwrap(), thread_schedule_policy().unwrap())
    }

    /// Applies a priority on a thread of its own; what that thread has then, and one that it starts.
    fn applied(priority: Priority) -> (Seen, Seen) {
        let outer = std::thread::spawn(move || {
            priority.apply();
            (seen(), std::thread::spawn(seen).join().unwrap())
        });
        outer.join().unwrap()
    }

    #[test]
    fn a_thread_stands_back_alone_and_takes_those_with_it_that_it_starts() {
        let before = seen();
        assert_eq!(applied(Priority::Normal), (before, before));
        let (low, started) = applied(Priority::Low);
        assert_eq!((low.0, started.0), (19, 19));
        let (idle, started) = applied(Priority::Idle);
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        assert_eq!((idle.1, started.1), (policy, policy));
        assert_eq!(seen(), before);
    }
}
