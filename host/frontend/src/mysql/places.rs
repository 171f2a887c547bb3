//! [`Places`]: how many connections there may be, in all and of one user, so that no user has all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error;
use super::service::SqlError;

/// What is taken and what there is.
#[derive(Debug)]
pub(super) struct Places {
    limit: usize,
    limit_of_user: usize,
    /// Guards counts only.
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of_users: HashMap<String, usize>,
}

/// A connection of a user, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    user: String,
}

impl Places {
    pub(super) fn new(limit: usize, limit_of_user: usize) -> Self {
        Self { limit, limit_of_user, taken: Mutex::default() }
    }

    /// Whether a client that comes now would be refused whoever it is.
    pub(super) fn are_taken(&self) -> bool {
        self.lock().all >= self.limit
    }

    /// A place for a user, which must have shown its password.
    pub(super) fn take(self: &Arc<Self>, user: &str) -> Result<Place, SqlError> {
        let mut taken = self.lock();
        if taken.all >= self.limit {
            return Err(error::too_many_connections());
        }
        let of_user = taken.of_users.get(user).copied().unwrap_or_default();
        if of_user >= self.limit_of_user {
            return Err(error::too_many_of_user(user));
        }
        taken.of_users.insert(user.to_owned(), of_user + 1);
        taken.all += 1;
        Ok(Place { places: Arc::clone(self), user: user.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(count) = taken.of_users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                taken.of_users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_does_not_take_all_places() {
        let places = Arc::new(Places::new(3, 2));
        let code = |user: &str| places.take(user).unwrap_err().code;
        let ann = [places.take("ann").unwrap(), places.take("ann").unwrap()];
        assert_eq!(code("ann"), 1203);
        let bob = places.take("bob").unwrap();
        assert!(places.are_taken());
        assert_eq!((code("bob"), code("carol")), (1040, 1040));
        drop(ann);
        assert!(!places.are_taken() && places.take("ann").is_ok());
        drop(bob);
        assert!(places.lock().of_users.is_empty(), "who is gone takes no memory");
    }

    #[test]
    fn a_limit_of_nothing_lets_nobody_in_and_leaves_no_trace() {
        let places = Arc::new(Places::new(3, 0));
        assert_eq!(places.take("ann").unwrap_err().code, 1203);
        assert_eq!(places.lock().all, 0);
    }
}
