//! What a transaction of the store costs; a measurement, run by hand:
//! `tools/with-postgres.sh cargo test --release -p bailiwick-platform --test it -- --ignored --nocapture cost`.

use std::time::{Duration, Instant};

use platform::db::{Commit, DbError};
use platform::events::{self, Event};
use platform::{params, principals};
use testkit::both;

use crate::EMPTY;

platform::statements! {
    OF_TENANT: Tenant = "select count(*) from groups where organization_id = $1";
    OF_PLATFORM: Platform = "select name from organizations where id = $1";
}

fn say(what: &str, mut taken: Vec<Duration>) {
    taken.sort();
    let at = |part: usize| taken[taken.len() * part / 100];
    println!("{what:34} p10 {:>9.1?}  p50 {:>9.1?}  p90 {:>9.1?}", at(10), at(50), at(90));
}

#[tokio::test]
#[ignore = "a measurement"]
async fn cost_of_a_transaction() {
    both(
        async |kit| {
            let id = kit.organization("harbor").await;
            let db = kit.app.db();
            println!("{:?}", db.kind());
            for (what, tenant, platform) in [
                ("read, 1 tenant statement", 1, 0),
                ("read, 1 platform statement", 0, 1),
                ("read, 5 tenant statements", 5, 0),
                ("read, 5 alternating statements", 3, 2),
            ] {
                let mut taken = Vec::new();
                for _ in 0..3000 {
                    let started = Instant::now();
                    db.read(move |tx| {
                        for n in 0..tenant.max(platform) {
                            if n < tenant {
                                tx.scalar::<i64>(&OF_TENANT, params![id])?;
                            }
                            if n < platform {
                                tx.scalar::<String>(&OF_PLATFORM, params![id])?;
                            }
                        }
                        Ok::<_, DbError>(())
                    })
                    .await
                    .unwrap();
                    taken.push(started.elapsed());
                }
                say(what, taken);
            }
            let ctx = kit.ctx();
            let mut taken = Vec::new();
            for _ in 0..1000 {
                let started = Instant::now();
                db.write(&ctx, move |tx| {
                    principals::organization_for_update(tx, id)?;
                    let recorded = tx.record(Event::new(id, "test.counted"));
                    Ok::<_, DbError>(Commit::changed((), recorded))
                })
                .await
                .unwrap();
                taken.push(started.elapsed());
            }
            say("write with one event", taken);
            let mut taken = Vec::new();
            for _ in 0..300 {
                let started = Instant::now();
                let page = db.read(move |tx| events::list(tx, id, None, 200)).await.unwrap();
                assert_eq!(page.len(), 200);
                taken.push(started.elapsed());
            }
            say("read, a page of 200 events", taken);
        },
        &[&EMPTY],
    )
    .await;
}
