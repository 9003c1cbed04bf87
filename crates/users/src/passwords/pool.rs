//! Hashes passwords with Argon2id on a few threads of its own.
//!
//! Promises: memory and threads are fixed at the start, each thread re-using one arena that is already faulted in (a
//! fresh 19 MiB for every hash costs page faults); a bounded queue, and beyond it "busy, retry after" at once; what no
//! caller waits for any more is not computed; the threads stand behind all others of the process, so that on a machine
//! with few cores a request by token does not wait for a hash. So a storm of sign-ins slows sign-ins, and nothing else.
//! The arena is overwritten by the next hash and not wiped in between, which would cost a tenth of the throughput.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Version};
use tokio::sync::oneshot;

use super::Password;
use super::phc::{Cost, HASH_BYTES, Phc, PhcError, SALT_BYTES};

#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    pub threads: usize,
    /// Requests that may wait, over all threads.
    pub queue_max: usize,
    /// For new hashes; stored ones are checked at their own cost.
    pub cost: Cost,
}

impl Default for PoolSettings {
    /// Half of the cores, so that the other half stays free for everything else.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = (cores / 2).max(1);
        Self { threads, queue_max: 64 * threads, cost: Cost::DEFAULT }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    #[error("too many people sign in right now: try again in {} s", retry_after.as_secs())]
    Busy { retry_after: Duration },
    #[error("the program is stopping: try again in a moment")]
    Stopped,
    #[error("the password is longer than {} characters: choose a shorter one", super::CHARS_MAX)]
    Oversize,
    #[error(transparent)]
    Phc(#[from] PhcError),
    #[error("cannot start a thread for hashing passwords: raise the limit of threads or lower the setting")]
    Threads,
}

/// How the pool does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    pub queued: usize,
    pub hashed: u64,
    pub turned_away: u64,
    /// Mean time of recent hashes.
    pub hash_time: Duration,
}

type Output = Result<Vec<u8>, PoolError>;

struct Job {
    password: Password,
    cost: Cost,
    salt: Vec<u8>,
    length: usize,
    reply: oneshot::Sender<Output>,
}

struct Queue {
    jobs: VecDeque<Job>,
    stopped: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    settings: PoolSettings,
    hashed: AtomicU64,
    turned_away: AtomicU64,
    hash_us: AtomicU64,
}

impl Shared {
    /// A panic elsewhere leaves the queue whole: it is only pushed to and popped from under the lock.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pool. Dropping it ends its threads after the hash they are at.
pub struct PasswordPool {
    shared: Arc<Shared>,
    /// Of no password: what unknown addresses are checked against.
    dummy: Phc,
}

impl PasswordPool {
    pub fn start(settings: PoolSettings) -> Result<Self, PoolError> {
        settings.cost.check()?;
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue { jobs: VecDeque::with_capacity(settings.queue_max), stopped: false }),
            work: Condvar::new(),
            settings,
            hashed: AtomicU64::new(0),
            turned_away: AtomicU64::new(0),
            hash_us: AtomicU64::new(25_000),
        });
        let pool = Self { shared, dummy: Phc::new(settings.cost, &[0; SALT_BYTES], [0; HASH_BYTES]) };
        for number in 0..settings.threads.max(1) {
            let shared = pool.shared.clone();
            std::thread::Builder::new()
                .name(format!("passwords-{number}"))
                .spawn(move || run(&shared))
                .map_err(|_| PoolError::Threads)?;
        }
        Ok(pool)
    }

    /// The PHC string to store. `salt` must be fresh random bytes.
    pub async fn hash(&self, password: Password, salt: &[u8; SALT_BYTES]) -> Result<String, PoolError> {
        if password.is_oversize() {
            return Err(PoolError::Oversize);
        }
        let cost = self.shared.settings.cost;
        let output = self.compute(password, cost, salt.to_vec(), HASH_BYTES).await?;
        let hash = output.try_into().map_err(|_| PoolError::Stopped)?;
        Ok(Phc::new(cost, salt, hash).to_string())
    }

    /// Whether the password is the one that was hashed, at the cost stored with the hash.
    pub async fn verify(&self, password: Password, phc: &str) -> Result<bool, PoolError> {
        let phc = Phc::parse(phc)?;
        let possible = !password.is_oversize();
        let output = self.compute(password, phc.cost, phc.salt.clone(), phc.hash_len()).await?;
        Ok(phc.matches(&output) & possible)
    }

    /// Does the work of [`verify`](Self::verify) for an address without a password, so that time tells nothing.
    pub async fn verify_dummy(&self, password: Password) -> Result<(), PoolError> {
        let dummy = &self.dummy;
        let output = self.compute(password, dummy.cost, dummy.salt.clone(), dummy.hash_len()).await?;
        std::hint::black_box(dummy.matches(&output));
        Ok(())
    }

    /// The hash was made at another cost than today's: make a new one now that the password is at hand.
    pub fn needs_rehash(&self, phc: &str) -> bool {
        Phc::parse(phc).is_ok_and(|phc| phc.cost != self.shared.settings.cost || phc.hash_len() != HASH_BYTES)
    }

    pub fn state(&self) -> PoolState {
        PoolState {
            queued: self.shared.lock().jobs.len(),
            hashed: self.shared.hashed.load(Ordering::Relaxed),
            turned_away: self.shared.turned_away.load(Ordering::Relaxed),
            hash_time: Duration::from_micros(self.shared.hash_us.load(Ordering::Relaxed)),
        }
    }

    async fn compute(&self, password: Password, cost: Cost, salt: Vec<u8>, length: usize) -> Output {
        let (reply, answer) = oneshot::channel();
        self.submit(Job { password, cost, salt, length, reply })?;
        answer.await.unwrap_or(Err(PoolError::Stopped))
    }

    fn submit(&self, job: Job) -> Result<(), PoolError> {
        let shared = &self.shared;
        let mut queue = shared.lock();
        if queue.stopped {
            return Err(PoolError::Stopped);
        }
        if queue.jobs.len() >= shared.settings.queue_max {
            queue.jobs.retain(|job| !job.reply.is_closed());
        }
        let waiting = queue.jobs.len();
        if waiting >= shared.settings.queue_max {
            drop(queue);
            shared.turned_away.fetch_add(1, Ordering::Relaxed);
            return Err(PoolError::Busy { retry_after: self.wait(waiting) });
        }
        queue.jobs.push_back(job);
        drop(queue);
        shared.work.notify_one();
        Ok(())
    }

    /// How long a full queue takes, in whole seconds of at least one.
    fn wait(&self, waiting: usize) -> Duration {
        let each = self.shared.hash_us.load(Ordering::Relaxed);
        let threads = u64::try_from(self.shared.settings.threads.max(1)).unwrap_or(1);
        let total_us = u64::try_from(waiting).unwrap_or(u64::MAX).saturating_mul(each) / threads;
        Duration::from_secs(total_us.div_ceil(1_000_000).clamp(1, 60))
    }
}

impl Drop for PasswordPool {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.stopped = true;
        // Their callers are told by the dropped replies.
        queue.jobs.clear();
        drop(queue);
        self.shared.work.notify_all();
    }
}

/// The niceness of hashing threads: of a core that others want too they get about a tenth.
const NICENESS: i32 = 10;

/// One thread: takes what waits longest and is still wanted.
fn run(shared: &Shared) {
    // Linux keeps a priority for each thread; `None` is the calling one. Raising the niceness needs no privilege.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "hashing has the priority of all other work: a storm of sign-ins may slow requests");
    }
    let mut arena = arena(shared.settings.cost);
    while let Some(job) = next(shared) {
        let started = Instant::now();
        // Nothing in here is known to panic; if something does, one request fails and not the pool.
        let output =
            catch_unwind(AssertUnwindSafe(|| hash(&job, &mut arena))).unwrap_or(Err(PoolError::Stopped));
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let before = shared.hash_us.load(Ordering::Relaxed);
        shared.hash_us.store(before - before / 8 + took / 8, Ordering::Relaxed);
        shared.hashed.fetch_add(1, Ordering::Relaxed);
        let _unwanted = job.reply.send(output);
    }
}

fn next(shared: &Shared) -> Option<Job> {
    let mut queue = shared.lock();
    loop {
        while let Some(job) = queue.jobs.pop_front() {
            if !job.reply.is_closed() {
                return Some(job);
            }
        }
        if queue.stopped {
            return None;
        }
        queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Writing every block faults the memory in.
fn arena(cost: Cost) -> Vec<Block> {
    vec![Block::new(); cost.check().map_or(0, |params| params.block_count())]
}

fn hash(job: &Job, arena: &mut Vec<Block>) -> Output {
    let params = job.cost.check()?;
    let blocks = params.block_count();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = vec![0; job.length];
    let password = job.password.text().as_bytes();
    let done = if blocks <= arena.len() {
        argon2.hash_password_into_with_memory(password, &job.salt, &mut output, arena.as_mut_slice())
    } else {
        // An imported hash of a higher cost: its memory is given back, so that one row cannot make all arenas grow.
        argon2.hash_password_into_with_memory(password, &job.salt, &mut output, vec![Block::new(); blocks])
    };
    done.map_err(|_| PoolError::Phc(PhcError::Form))?;
    Ok(output)
}

#[cfg(test)]
mod tests;
