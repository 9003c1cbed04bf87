use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;

/// Cheap, so that tests of the queue do not wait for hashes.
const TINY: Cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };

fn pool(threads: usize, queue_max: usize, cost: Cost) -> PasswordPool {
    PasswordPool::start(PoolSettings { threads, queue_max, cost }).unwrap()
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

#[tokio::test]
async fn a_password_verifies_and_no_other_does() {
    let pool = pool(2, 16, TINY);
    let phc = pool.hash(password("correct horse"), &[7; 16]).await.unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{phc}");
    assert!(pool.verify(password("correct horse"), &phc).await.unwrap());
    for wrong in ["correct hors", "correct horse ", "Correct horse", ""] {
        assert!(!pool.verify(password(wrong), &phc).await.unwrap(), "{wrong}");
    }
    assert_ne!(phc, pool.hash(password("correct horse"), &[8; 16]).await.unwrap());
}

/// The hashes come from the reference implementation in C (argon2-cffi), so that an import keeps working.
#[tokio::test]
async fn hashes_of_other_costs_verify_and_ask_for_a_new_one() {
    let pool = pool(1, 16, Cost::DEFAULT);
    for (text, phc) in REFERENCE {
        assert!(pool.verify(password(text), phc).await.unwrap(), "{phc}");
        assert!(!pool.verify(password("other"), phc).await.unwrap(), "{phc}");
        assert!(pool.needs_rehash(phc), "{phc}");
    }
    let own = pool.hash(password("a"), &[1; 16]).await.unwrap();
    assert!(!pool.needs_rehash(&own));
    let low =
        super::super::PasswordPool::start(PoolSettings { cost: Cost::LOW_MEMORY, ..PoolSettings::default() })
            .unwrap();
    assert!(low.needs_rehash(&own) && low.verify(password("a"), &own).await.unwrap());
}

const REFERENCE: [(&str, &str); 3] = [
    (
        "correct horse battery staple",
        "$argon2id$v=19$m=65536,t=3,p=4$NXy2eQcChzfdid1Z5zkwQA$VUYKaHkaPz40uRj3o+AINnmJx+PKm0GPbt5fS8YVvWM",
    ),
    ("pässwörter 密码", "$argon2id$v=19$m=4096,t=3,p=1$S+JuvG9bu+I$+onpGDitbYpJSCoWhrxa2w"),
    (
        "x",
        "$argon2id$v=19$m=47104,t=1,p=1$F2GnbhS8y0YWHFA5Y9YSzg$H273ZsZ+KLonoEe96c0I8F4atRE5GbSPCiain45TGxI",
    ),
];

/// Field 19 of `/proc/self/task/…/stat` is the niceness of that thread (proc(5)).
#[tokio::test]
async fn hashing_stands_behind_all_other_work() {
    let pool = pool(1, 4, TINY);
    pool.hash(password("x"), &[1; 16]).await.unwrap();
    let niceness = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (name, rest) = stat.split_once(") ")?;
        name.ends_with("(passwords-0").then(|| rest.split(' ').nth(16).map(str::to_owned))?
    };
    let all: Vec<_> = std::fs::read_dir("/proc/self/task").unwrap().flatten().filter_map(niceness).collect();
    assert!(all.contains(&NICENESS.to_string()), "{all:?}");
}

#[tokio::test]
async fn absurd_or_broken_stored_hashes_are_refused_before_any_work() {
    let pool = pool(1, 16, TINY);
    let good = pool.hash(password("a"), &[1; 16]).await.unwrap();
    let before = pool.state().hashed;
    let absurd = good.replace("m=64", "m=4194304");
    assert!(matches!(pool.verify(password("a"), &absurd).await, Err(PoolError::Phc(PhcError::Cost(_)))));
    assert_eq!(pool.verify(password("a"), "plaintext").await, Err(PoolError::Phc(PhcError::Form)));
    assert_eq!(pool.state().hashed, before);
    assert!(
        PasswordPool::start(PoolSettings { cost: Cost { passes: 0, ..TINY }, ..PoolSettings::default() })
            .is_err()
    );
}

/// Security checklist, Accounts: "maximum password length"; an oversize one costs what any other costs.
#[tokio::test]
async fn an_oversize_password_matches_nothing_at_full_cost() {
    let pool = pool(1, 16, TINY);
    let empty = pool.hash(password(""), &[1; 16]).await.unwrap();
    let long = Password::new("a".repeat(5000));
    let before = pool.state().hashed;
    assert!(!pool.verify(long.clone(), &empty).await.unwrap());
    assert_eq!(pool.state().hashed, before + 1);
    assert_eq!(pool.hash(long, &[1; 16]).await, Err(PoolError::Oversize));
}

/// Security checklist, Accounts: "no enumeration by timing": unknown addresses take the same path at the same cost.
#[tokio::test]
async fn unknown_addresses_cost_one_hash_at_todays_cost() {
    let pool = pool(1, 16, Cost::LOW_MEMORY);
    assert_eq!(pool.dummy.cost, Cost::LOW_MEMORY);
    pool.verify_dummy(password("anything")).await.unwrap();
    assert_eq!(pool.state().hashed, 1);
}

/// Polls once, which queues the work.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Security checklist, Accounts: "hash pool bounded, so a login storm leaves token traffic alone".
#[tokio::test]
async fn beyond_the_queue_callers_are_turned_away_at_once() {
    // One thread that is busy for a long while, and room for two.
    let pool = pool(1, 2, Cost { memory_kib: 128 * 1024, passes: 8, lanes: 1 });
    let mut running = pin!(pool.hash(password("a"), &[1; 16]));
    assert!(poll_once(running.as_mut()).is_pending());
    while pool.state().queued > 0 {
        tokio::task::yield_now().await;
    }
    let mut first = pin!(pool.hash(password("b"), &[1; 16]));
    assert!(poll_once(first.as_mut()).is_pending());
    {
        let mut second = pin!(pool.verify_dummy(password("c")));
        assert!(poll_once(second.as_mut()).is_pending());
        let refused = pool.hash(password("d"), &[1; 16]).await;
        assert!(
            matches!(refused, Err(PoolError::Busy { retry_after }) if retry_after >= Duration::from_secs(1))
        );
        assert_eq!((pool.state().queued, pool.state().turned_away), (2, 1));
    }
    // The dropped caller's place is free again, and its work is never done.
    let mut third = pin!(pool.verify_dummy(password("e")));
    assert!(poll_once(third.as_mut()).is_pending());
    assert_eq!(pool.state().queued, 2);
    assert_eq!(pool.state().hashed, 0);
}

#[tokio::test]
async fn dropped_callers_cancel_their_work() {
    let pool = pool(1, 100, Cost::LOW_MEMORY);
    let mut wanted = pin!(pool.hash(password("a"), &[1; 16]));
    assert!(poll_once(wanted.as_mut()).is_pending());
    for _ in 0..50 {
        let mut unwanted = pin!(pool.hash(password("b"), &[1; 16]));
        assert!(poll_once(unwanted.as_mut()).is_pending());
    }
    wanted.await.unwrap();
    pool.hash(password("c"), &[1; 16]).await.unwrap();
    assert!(pool.state().hashed <= 3, "{:?}", pool.state());
}

#[tokio::test]
async fn stopping_the_pool_answers_those_who_wait() {
    let pool = Arc::new(pool(1, 100, Cost::DEFAULT));
    let (reply, answer) = oneshot::channel();
    let job = |reply| Job { password: password("a"), cost: TINY, salt: vec![1; 16], length: 32, reply };
    {
        let mut queue = pool.shared.lock();
        queue.stopped = true;
        queue.jobs.push_back(job(reply));
    }
    assert_eq!(pool.verify_dummy(password("a")).await, Err(PoolError::Stopped));
    drop(pool);
    // Either the thread took it before it was dropped, or the caller hears of the end.
    assert!(matches!(answer.await, Ok(Ok(_)) | Err(_)));
}

/// Prints the throughput of one busy thread of the pool against a bare loop over one re-used arena: the best of several
/// alternating batches, without an assertion, since machines and their load differ.
#[tokio::test]
async fn measure_pool_against_a_bare_loop() {
    const ROUNDS: u32 = 6;
    const BATCH: u32 = 6;
    for (name, cost) in [("19 MiB, 2 passes", Cost::DEFAULT), ("7 MiB, 5 passes", Cost::LOW_MEMORY)] {
        let pool = pool(1, 64, cost);
        let mut blocks = arena(cost);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.check().unwrap());
        let (mut bare, mut pooled) = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            let started = Instant::now();
            for _ in 0..BATCH {
                let memory = blocks.as_mut_slice();
                argon2
                    .hash_password_into_with_memory(b"pass phrase", &[1; 16], &mut [0; 32], memory)
                    .unwrap();
            }
            bare = bare.min(started.elapsed() / BATCH);
            let started = Instant::now();
            let batch = (0..BATCH).map(|_| pool.hash(password("pass phrase"), &[1; 16]));
            futures_util::future::try_join_all(batch).await.unwrap();
            pooled = pooled.min(started.elapsed() / BATCH);
        }
        let share = 100.0 * bare.as_secs_f64() / pooled.as_secs_f64();
        println!("{name}: bare {bare:?}, pool {pooled:?} per hash ({share:.1} %)");
    }
}
