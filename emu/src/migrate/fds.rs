//! Descriptors that clients have passed to the program: named ones (`getfd`) for `fd:NAME`, and
//! sets of them (`add-fd`) for `/dev/fdset/N`.
//!
//! A descriptor comes with the bytes of a command on a Unix socket (SCM_RIGHTS). Not here: what
//! it is used for.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// A descriptor cannot be had. Reads as QEMU's message for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FdError {
    /// The command came without one.
    #[error("No file descriptor supplied via SCM_RIGHTS")]
    None,
    /// Names are words, so that numbers stay what they are elsewhere.
    #[error("Parameter 'fdname' expects a name not starting with a digit")]
    Digit,
    /// There is none of that name.
    #[error("File descriptor named '{0}' has not been found")]
    Unknown(String),
    /// There is no such set, or no such member of it.
    #[error("File descriptor named 'fdset-id:{set}{}' not found", .fd.map_or(String::new(), |fd| format!(", fd:{fd}")))]
    NoSuchSet {
        /// The set.
        set: u64,
        /// Its member.
        fd: Option<i32>,
    },
    /// It could not be copied.
    #[error("The descriptor cannot be copied: {0}")]
    Copy(String),
}

/// One descriptor of a set.
struct Member {
    fd: OwnedFd,
    /// What the client calls it.
    opaque: Option<String>,
}

/// The set and the number that a descriptor was added under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Added {
    /// The set.
    pub set: u64,
    /// The descriptor's own number.
    pub fd: i32,
}

#[derive(Default)]
struct Table {
    /// What came with the command that a connection's thread is about to execute.
    offered: HashMap<ThreadId, Vec<OwnedFd>>,
    named: BTreeMap<String, OwnedFd>,
    sets: BTreeMap<u64, Vec<Member>>,
}

/// All descriptors that clients have passed.
#[derive(Default)]
pub struct Fds(Mutex<Table>);

impl Fds {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps descriptors for the next command that this thread executes; earlier ones that
    /// nobody wanted are closed.
    pub fn offer(&self, descriptors: Vec<OwnedFd>) {
        self.table()
            .offered
            .insert(thread::current().id(), descriptors);
    }

    /// Forgets what this thread's client has sent and no command has taken.
    pub fn forget(&self) {
        self.table().offered.remove(&thread::current().id());
    }

    fn claim(table: &mut Table) -> Result<OwnedFd, FdError> {
        let offered = table.offered.get_mut(&thread::current().id());
        match offered {
            Some(descriptors) if !descriptors.is_empty() => Ok(descriptors.remove(0)),
            _ => Err(FdError::None),
        }
    }

    /// `getfd`: names the descriptor that came with the command. One of that name is replaced.
    ///
    /// # Errors
    /// [`FdError::None`], [`FdError::Digit`].
    pub fn get(&self, name: &str) -> Result<(), FdError> {
        let mut table = self.table();
        let fd = Self::claim(&mut table)?;
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(FdError::Digit);
        }
        table.named.insert(name.to_owned(), fd);
        Ok(())
    }

    /// `closefd`, and what `fd:NAME` takes: a descriptor is used once.
    ///
    /// # Errors
    /// [`FdError::Unknown`].
    pub fn take(&self, name: &str) -> Result<OwnedFd, FdError> {
        self.table()
            .named
            .remove(name)
            .ok_or_else(|| FdError::Unknown(name.to_owned()))
    }

    /// `add-fd`: puts the descriptor that came with the command into a set, a new one without
    /// `set`.
    ///
    /// # Errors
    /// [`FdError::None`].
    pub fn add(&self, set: Option<u64>, opaque: Option<String>) -> Result<Added, FdError> {
        let mut table = self.table();
        let fd = Self::claim(&mut table)?;
        let set = set.unwrap_or_else(|| {
            // The least number that is free.
            (0..)
                .find(|set| !table.sets.contains_key(set))
                .unwrap_or(u64::MAX)
        });
        let added = Added {
            set,
            fd: fd.as_raw_fd(),
        };
        table
            .sets
            .entry(set)
            .or_default()
            .push(Member { fd, opaque });
        Ok(added)
    }

    /// `remove-fd`: closes a set, or one descriptor of it.
    ///
    /// # Errors
    /// [`FdError::NoSuchSet`].
    pub fn remove(&self, set: u64, fd: Option<i32>) -> Result<(), FdError> {
        let mut table = self.table();
        let missing = FdError::NoSuchSet { set, fd };
        let members = table.sets.get_mut(&set).ok_or(missing.clone())?;
        match fd {
            None => members.clear(),
            Some(fd) => {
                let before = members.len();
                members.retain(|member| member.fd.as_raw_fd() != fd);
                if members.len() == before {
                    return Err(missing);
                }
            }
        }
        if members.is_empty() {
            table.sets.remove(&set);
        }
        Ok(())
    }

    /// Calls `look` with every set, in order: its number, and its descriptors' numbers with what
    /// the client calls them.
    pub fn each_set(&self, mut look: impl FnMut(u64, &[(i32, Option<String>)])) {
        for (set, members) in &self.table().sets {
            let members: Vec<_> = members
                .iter()
                .map(|member| (member.fd.as_raw_fd(), member.opaque.clone()))
                .collect();
            look(*set, &members);
        }
    }

    /// A copy of a set's first descriptor, for `/dev/fdset/N`.
    ///
    /// # Errors
    /// [`FdError::NoSuchSet`], [`FdError::Copy`].
    pub fn of_set(&self, set: u64) -> Result<OwnedFd, FdError> {
        let table = self.table();
        let member = table
            .sets
            .get(&set)
            .and_then(|members| members.first())
            .ok_or(FdError::NoSuchSet { set, fd: None })?;
        member
            .fd
            .try_clone()
            .map_err(|e| FdError::Copy(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_fd() -> OwnedFd {
        std::fs::File::open("/dev/null").unwrap().into()
    }

    #[test]
    fn a_name_stands_for_what_came_with_the_command_and_is_used_once() {
        let fds = Fds::default();
        assert_eq!(fds.get("a"), Err(FdError::None));
        fds.offer(vec![some_fd()]);
        fds.get("a").unwrap();
        assert_eq!(fds.get("b"), Err(FdError::None));
        fds.offer(vec![some_fd()]);
        assert_eq!(fds.get("0a"), Err(FdError::Digit));
        fds.take("a").unwrap();
        assert_eq!(
            fds.take("a").unwrap_err().to_string(),
            "File descriptor named 'a' has not been found"
        );
    }

    #[test]
    fn what_another_connection_was_sent_is_not_claimed() {
        let fds = Fds::default();
        thread::scope(|scope| {
            scope.spawn(|| fds.offer(vec![some_fd()]));
        });
        assert_eq!(fds.get("a"), Err(FdError::None));
    }

    #[test]
    fn sets_have_numbers_and_members() {
        let fds = Fds::default();
        fds.offer(vec![some_fd(), some_fd()]);
        let first = fds.add(None, None).unwrap();
        let second = fds.add(None, Some("second".into())).unwrap();
        assert_eq!((first.set, second.set), (0, 1));
        fds.of_set(1).unwrap();
        fds.remove(1, Some(second.fd)).unwrap();
        assert_eq!(
            fds.remove(1, None),
            Err(FdError::NoSuchSet { set: 1, fd: None })
        );
        assert!(fds.of_set(1).is_err());
        fds.remove(0, None).unwrap();
    }
}
