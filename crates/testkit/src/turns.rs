//! Two requests at once whose order a test decides.
//!
//! Every write of the program ends with the heads of its ledgers, whose rows it locks. Whoever holds them stops each write
//! where it has done all its work and has not committed: there the other one is let go on until it waits as well. No
//! luck, no sleep. On SQLite, where one write runs after the other, the requests do, too.

use std::time::Duration;

use platform::db::EngineKind;

use crate::Kit;

/// How long a test waits until a request has come to where it is held.
const COMES_WITHIN: Duration = Duration::from_secs(15);

/// Transactions that wait for the one with this process id, or for one that does.
const WAITING: &str = "
    with recursive behind (pid) as (
      select $1::int
      union
      select a.pid from pg_stat_activity a join behind b on b.pid = any (pg_blocking_pids(a.pid))
      where a.wait_event_type = 'Lock'
    )
    select count(*) - 1 from behind";

/// Holds the ledgers of a test's schema.
struct Held {
    holder: tokio_postgres::Client,
    pid: i32,
    watcher: tokio_postgres::Client,
}

async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) =
        tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("the test server answers");
    tokio::spawn(connection);
    client
}

impl Held {
    async fn begin(url: &str) -> Self {
        let (holder, watcher) = (connect(url).await, connect(url).await);
        holder.batch_execute("begin; select 1 from ledger_heads for update").await.expect("the heads");
        let pid = holder.query_one("select pg_backend_pid()", &[]).await.expect("a process id").get(0);
        Self { holder, pid, watcher }
    }

    async fn until_waiting(&self, count: usize) {
        let come = async {
            loop {
                let row = self.watcher.query_one(WAITING, &[&self.pid]).await.expect("who waits");
                if usize::try_from(row.get::<_, i64>(0)).is_ok_and(|waiting| waiting >= count) {
                    return;
                }
            }
        };
        let come = tokio::time::timeout(COMES_WITHIN, come).await;
        assert!(come.is_ok(), "request {count} has ended, or hangs, before it came to its end");
    }

    async fn release(self) {
        self.holder.batch_execute("rollback").await.expect("the heads are free");
    }
}

impl Kit {
    /// Runs `first` up to its commit, then `second` until it waits for something, then both to their end.
    pub async fn overlapped<A, B>(
        &self,
        first: impl Future<Output = A> + Send + 'static,
        second: impl Future<Output = B> + Send + 'static,
    ) -> (A, B)
    where
        A: Send + 'static,
        B: Send + 'static,
    {
        if self.kind == EngineKind::Sqlite {
            return (first.await, second.await);
        }
        let held = Held::begin(&self.as_superuser()).await;
        let first = tokio::spawn(first);
        held.until_waiting(1).await;
        let second = tokio::spawn(second);
        held.until_waiting(2).await;
        held.release().await;
        (first.await.expect("the first request"), second.await.expect("the second request"))
    }

    /// Runs all of them until each waits for something, then to their end; their answers in the order given.
    pub async fn all_at_once<A: Send + 'static>(
        &self,
        requests: Vec<impl Future<Output = A> + Send + 'static>,
    ) -> Vec<A> {
        let mut answers = Vec::with_capacity(requests.len());
        if self.kind == EngineKind::Sqlite {
            for request in requests {
                answers.push(request.await);
            }
            return answers;
        }
        let held = Held::begin(&self.as_superuser()).await;
        let count = requests.len();
        let running: Vec<_> = requests.into_iter().map(tokio::spawn).collect();
        held.until_waiting(count).await;
        held.release().await;
        for one in running {
            answers.push(one.await.expect("a request"));
        }
        answers
    }
}
