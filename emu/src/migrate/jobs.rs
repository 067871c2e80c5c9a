//! Background jobs as QAPI knows them: what `snapshot-save` and its like start, told by events
//! and kept until somebody has seen their end.
//!
//! Not here: what a job does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::control::{Event, Events};

/// QAPI's `JobStatus`, as far as jobs here come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Created,
    Running,
    /// All went well; what is left is to say so.
    Waiting,
    Pending,
    Aborting,
    Concluded,
    /// Gone.
    Null,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::Aborting => "aborting",
            Self::Concluded => "concluded",
            Self::Null => "null",
        }
    }
}

/// A job is refused. Reads as QEMU's message for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// There is one of that name.
    #[error("Job ID '{0}' already in use")]
    Duplicate(String),
    /// Names are as in other places of the command line.
    #[error("Invalid job ID '{0}'")]
    Name(String),
    /// There is none of that name.
    #[error("Job not found")]
    Unknown,
    /// It still runs.
    #[error("Job '{id}' in state '{state}' cannot accept command verb 'dismiss'")]
    Busy {
        /// Its name.
        id: String,
        /// What it does.
        state: &'static str,
    },
    /// The host refuses a thread.
    #[error("the host refuses a thread: {0}")]
    Thread(String),
}

struct Job {
    id: String,
    kind: &'static str,
    status: Status,
    error: Option<String>,
}

/// All jobs.
pub struct Jobs {
    events: Arc<Events>,
    list: Mutex<Vec<Job>>,
}

impl Jobs {
    /// No jobs; what becomes of those to come is told to `events`.
    pub fn new(events: Arc<Events>) -> Arc<Self> {
        Arc::new(Self {
            events,
            list: Mutex::default(),
        })
    }

    fn list(&self) -> MutexGuard<'_, Vec<Job>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, id: &str, status: Status) {
        self.events.emit(&Event::with(
            "JOB_STATUS_CHANGE",
            json!({ "status": status.name(), "id": id }),
        ));
    }

    fn set(&self, id: &str, status: Status, error: Option<&str>) {
        if let Some(job) = self.list().iter_mut().find(|job| job.id == id) {
            job.status = status;
            job.error = error.map(str::to_owned);
        }
        self.tell(id, status);
    }

    /// Starts a job on a thread of its own. It has to be dismissed at its end.
    ///
    /// # Errors
    /// [`JobError::Duplicate`], [`JobError::Name`], [`JobError::Thread`].
    pub fn start(
        self: &Arc<Self>,
        id: &str,
        kind: &'static str,
        work: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> Result<(), JobError> {
        let good = id.starts_with(|c: char| c.is_ascii_alphabetic())
            && id
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        if !good {
            return Err(JobError::Name(id.to_owned()));
        }
        {
            let mut list = self.list();
            if list.iter().any(|job| job.id == id) {
                return Err(JobError::Duplicate(id.to_owned()));
            }
            list.push(Job {
                id: id.to_owned(),
                kind,
                status: Status::Created,
                error: None,
            });
        }
        self.tell(id, Status::Created);
        self.set(id, Status::Running, None);
        let (jobs, name) = (Arc::clone(self), id.to_owned());
        let started =
            std::thread::Builder::new()
                .name(format!("job-{id}"))
                .spawn(move || match work() {
                    Ok(()) => {
                        jobs.set(&name, Status::Waiting, None);
                        jobs.set(&name, Status::Pending, None);
                        jobs.set(&name, Status::Concluded, None);
                    }
                    Err(why) => {
                        jobs.set(&name, Status::Aborting, Some(&why));
                        jobs.set(&name, Status::Concluded, Some(&why));
                    }
                });
        if let Err(e) = started {
            self.list().retain(|job| job.id != id);
            return Err(JobError::Thread(e.to_string()));
        }
        Ok(())
    }

    /// `job-dismiss`: forgets a job that has ended.
    ///
    /// # Errors
    /// [`JobError::Unknown`], [`JobError::Busy`].
    pub fn dismiss(&self, id: &str) -> Result<(), JobError> {
        {
            let mut list = self.list();
            let at = list
                .iter()
                .position(|job| job.id == id)
                .ok_or(JobError::Unknown)?;
            if list[at].status != Status::Concluded {
                return Err(JobError::Busy {
                    id: id.to_owned(),
                    state: list[at].status.name(),
                });
            }
            list.remove(at);
        }
        self.tell(id, Status::Null);
        Ok(())
    }

    /// `query-jobs`.
    pub fn query(&self) -> Value {
        let list = self.list();
        Value::Array(list.iter().map(job_value).collect())
    }
}

/// QAPI's `JobInfo`. Progress counts the one step that a job is.
fn job_value(job: &Job) -> Value {
    let mut value = json!({
        "current-progress": u8::from(job.status == Status::Concluded),
        "status": job.status.name(),
        "total-progress": 1,
        "type": job.kind,
        "id": job.id,
    });
    if let Some(error) = &job.error {
        value["error"] = json!(error);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::EventSink;
    use std::time::{Duration, Instant};

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl EventSink for Heard {
        fn event(&self, event: &Event) {
            let status = event.data.as_ref().unwrap()["status"].as_str().unwrap();
            self.0.lock().unwrap().push(status.to_owned());
        }
    }

    #[track_caller]
    fn concluded(heard: &Heard) {
        let until = Instant::now() + Duration::from_secs(30);
        while heard.0.lock().unwrap().last().map(String::as_str) != Some("concluded") {
            assert!(Instant::now() < until, "{:?}", heard.0.lock().unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_job_is_told_of_and_kept_until_dismissed() {
        let events = Arc::new(Events::default());
        let heard = Arc::new(Heard::default());
        let sink: Arc<dyn EventSink> = Arc::clone(&heard) as _;
        events.subscribe(Arc::downgrade(&sink));
        let jobs = Jobs::new(Arc::clone(&events));
        jobs.start("a", "snapshot-save", || Ok(())).unwrap();
        concluded(&heard);
        assert_eq!(
            *heard.0.lock().unwrap(),
            ["created", "running", "waiting", "pending", "concluded"]
        );
        assert_eq!(
            jobs.start("a", "snapshot-save", || Ok(())),
            Err(JobError::Duplicate("a".into()))
        );
        jobs.dismiss("a").unwrap();
        assert_eq!(jobs.dismiss("a"), Err(JobError::Unknown));
        heard.0.lock().unwrap().clear();
        jobs.start("a", "snapshot-load", || Err("no".into()))
            .unwrap();
        concluded(&heard);
        assert_eq!(jobs.query()[0]["error"], "no");
        assert_eq!(
            *heard.0.lock().unwrap(),
            ["created", "running", "aborting", "concluded"]
        );
    }
}
