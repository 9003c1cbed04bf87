use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::time::{DAY, HOUR};
use testkit::both_with;

use super::{Purpose, consume, create};
use crate::kit::real_sign_in;

platform::statements! {
    ADDRESSES: Platform = "select email from links order by email";
}

#[tokio::test]
async fn a_links_row_goes_thirty_days_behind_its_end() {
    both_with(
        async |kit| {
            let northwind = kit.organization("northwind").await;
            let ctx = kit.ctx();
            let inside = ctx.clone();
            let made = kit.app.db().write(&ctx, move |tx| {
                create(&inside, tx, Purpose::Recovery, None, "unused@harbor.example")?;
                let used = create(&inside, tx, Purpose::Recovery, None, "used@harbor.example")?;
                consume(tx, Purpose::Recovery, &used, inside.now)?;
                create(&inside, tx, Purpose::SetUp, None, "week@harbor.example")?;
                let recorded = tx.record(Event::new(northwind, "account.link_created"));
                Ok::<_, DbError>(Commit::changed((), recorded))
            });
            made.await.unwrap();
            let left = async || {
                let read = kit.app.db().read(|tx| tx.list(&ADDRESSES, &[], |row| row.get::<String>(0)));
                read.await.unwrap()
            };
            kit.advance(DAY * 29);
            kit.settle().await;
            assert_eq!(left().await.len(), 3);
            kit.advance(DAY * 2 + HOUR);
            kit.settle().await;
            assert_eq!(left().await, ["week@harbor.example"], "both links of an hour are over for 30 days");
            kit.advance(DAY * 8);
            kit.settle().await;
            assert!(left().await.is_empty());
        },
        real_sign_in,
    )
    .await;
}
