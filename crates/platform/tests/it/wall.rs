//! The second wall: on PostgreSQL a tenant statement that forgets its organization somewhere sees no other's rows. SQLite
//! has none, and there the same wrong statements do show them: so these tests say something.

use platform::db::{Commit, Db, DbError, EngineKind, SecondWall, Tx};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::params;
use testkit::{Kit, both, database};

use crate::EMPTY;

platform::statements! {
    ADD: Tenant =
        "insert into groups (organization_id, id, name, name_key, description, created_at) values ($1, $2, $3, $3, '', 0)";
    MINE: Tenant = "select name from groups where organization_id = $1 order by name";
    EVERYBODYS: Platform = "select name from groups order by name";
    /// The joined table is not held to the organization.
    WRONG_JOIN: Tenant =
        "select o.name from groups g join groups o on o.created_at = g.created_at
         where g.organization_id = $1 order by o.name";
    /// As above, in a nested select.
    WRONG_COUNT: Tenant =
        "select (select count(*) from groups) from groups g where g.organization_id = $1 limit 1";
    WRONG_UPDATE: Tenant = "update groups set description = 'seen' where organization_id = $1 or name = $2";
    WRONG_DELETE: Tenant = "delete from groups where organization_id = $1 or name = $2";
    /// Stores into another organization than the one it says it is about.
    WRONG_INSERT: Tenant =
        "insert into groups (organization_id, id, name, name_key, description, created_at)
         values ($2, $3, 'planted', 'planted', cast($1 as text), 0)",
        postgres
        "insert into groups (organization_id, id, name, name_key, description, created_at)
         values ($2, $3, 'planted', 'planted', encode($1, 'hex'), 0)";
    ACROSS: TenantAcross =
        "select o.name from groups g join groups o on o.created_at = g.created_at
         where g.organization_id = $1 order by o.name";
}

/// Two organizations with two groups each.
async fn two(kit: &Kit) -> (OrganizationId, OrganizationId) {
    let (harbor, quay) = (kit.organization("harbor").await, kit.organization("quay").await);
    let (ctx, at) = (kit.ctx(), kit.ctx());
    kit.app
        .db()
        .write(&ctx, move |tx| {
            // Many at once, of two organizations in turn.
            let row = |organization: OrganizationId, name: &str| {
                params![organization, at.random_bytes::<16>(), name].to_vec()
            };
            let rows = vec![row(harbor, "h1"), row(quay, "q1"), row(harbor, "h2"), row(quay, "q2")];
            assert_eq!(tx.execute_many(&ADD, rows)?, 4);
            let recorded = tx.record(Event::new(harbor, "group.created"));
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await
        .unwrap();
    (harbor, quay)
}

fn names(
    tx: &mut platform::db::ReadTx,
    statement: &'static platform::db::Statement,
    of: Option<OrganizationId>,
) -> Result<Vec<String>, DbError> {
    let of: Vec<platform::db::Value> = of.into_iter().map(Into::into).collect();
    tx.list(statement, &of, |row| row.get(0))
}

#[tokio::test]
async fn a_tenant_statement_with_a_wrong_join_sees_its_own_rows_alone() {
    both(
        async |kit| {
            let (harbor, quay) = two(kit).await;
            let seen = kit.app.db().read(move |tx| names(tx, &WRONG_JOIN, Some(harbor))).await.unwrap();
            let counted = kit.app.db().read(move |tx| tx.scalar::<i64>(&WRONG_COUNT, params![quay]));
            let counted = counted.await.unwrap().unwrap();
            match kit.kind {
                EngineKind::Postgres => {
                    assert_eq!(kit.app.db().second_wall(), SecondWall::Stands);
                    assert_eq!(seen, ["h1", "h1", "h2", "h2"]);
                    assert_eq!(counted, 2);
                }
                EngineKind::Sqlite => {
                    assert_eq!(seen.len(), 8, "the statement is wrong: {seen:?}");
                    assert_eq!(counted, 4);
                }
            }
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn what_looks_across_says_so() {
    both(
        async |kit| {
            let (harbor, _) = two(kit).await;
            let seen = kit.app.db().read(move |tx| names(tx, &ACROSS, Some(harbor))).await.unwrap();
            assert_eq!(seen.len(), 8);
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_wrong_write_touches_its_own_rows_alone() {
    both(
        async |kit| {
            let (harbor, quay) = two(kit).await;
            let wall = kit.kind == EngineKind::Postgres;
            let write = async |rule: fn(&mut Tx, OrganizationId, OrganizationId) -> Result<u64, DbError>| {
                let ctx = kit.ctx();
                let written = kit.app.db().write(&ctx, move |tx| {
                    let touched = rule(tx, harbor, quay)?;
                    let recorded = tx.record(Event::new(harbor, "group.renamed"));
                    Ok::<_, DbError>(Commit::changed(touched, recorded))
                });
                written.await.map(|written| written.value)
            };
            let updated = write(|tx, mine, _| tx.execute(&WRONG_UPDATE, params![mine, "q1"])).await;
            assert_eq!(updated, Ok(if wall { 2 } else { 3 }));
            let planted =
                write(|tx, mine, other| tx.execute(&WRONG_INSERT, params![mine, other, [9_u8; 16]])).await;
            if wall {
                assert!(matches!(planted, Err(DbError::OtherTenant(_))), "{planted:?}");
            } else {
                assert_eq!(planted, Ok(1));
            }
            let deleted = write(|tx, mine, _| tx.execute(&WRONG_DELETE, params![mine, "q1"])).await;
            assert_eq!(deleted, Ok(if wall { 2 } else { 3 }));
            let left = kit.app.db().read(|tx| names(tx, &EVERYBODYS, None)).await.unwrap();
            assert_eq!(left, if wall { ["q1", "q2"] } else { ["planted", "q2"] });
        },
        &[&EMPTY],
    )
    .await;
}

/// One transaction may have statements about several organizations and about all: each sees what it declares, in any
/// order, and nothing of a binding is left on the connection for whoever has it next.
#[tokio::test]
async fn every_statement_of_a_transaction_has_its_own_binding() {
    both(
        async |kit| {
            let (harbor, quay) = two(kit).await;
            for _ in 0..40 {
                let seen = kit.app.db().read(move |tx| {
                    Ok::<_, DbError>([
                        names(tx, &MINE, Some(harbor))?,
                        names(tx, &EVERYBODYS, None)?,
                        names(tx, &MINE, Some(quay))?,
                        names(tx, &MINE, Some(quay))?,
                        names(tx, &EVERYBODYS, None)?,
                        names(tx, &MINE, Some(harbor))?,
                    ])
                });
                let all = ["h1", "h2", "q1", "q2"].as_slice();
                let wanted = [&all[..2], all, &all[2..], &all[2..], all, &all[..2]];
                assert_eq!(
                    seen.await.unwrap().map(|names| names.join(" ")),
                    wanted.map(|names| names.join(" "))
                );
                let alone = kit.app.db().read(move |tx| names(tx, &MINE, Some(quay))).await.unwrap();
                assert_eq!(alone, ["q1", "q2"]);
            }
        },
        &[&EMPTY],
    )
    .await;
}

#[tokio::test]
async fn a_tenant_statement_without_its_organization_is_refused() {
    both(
        async |kit| {
            let refused = kit.app.db().read(move |tx| names(tx, &MINE, None)).await.unwrap_err();
            assert!(matches!(refused, DbError::NoTenant(_)), "{refused}");
        },
        &[&EMPTY],
    )
    .await;
}

/// Somebody who signs in with the program's own role and says nothing sees nothing.
#[tokio::test]
async fn a_connection_that_is_bound_to_nothing_sees_nothing() {
    let Some(server) = database::postgres_server() else { return };
    let postgres = database::postgres(&server).await;
    let db = Db::open(&postgres.url).await.unwrap();
    let platform::db::DatabaseUrl::Postgres(dsn) = &postgres.url else { panic!("not PostgreSQL") };
    let client = connect(dsn).await;
    let all = connect(&postgres.as_superuser().unwrap()).await;
    all.batch_execute(
        "insert into organizations values ('\\x01', 'a', 'A', 'customer', 'active', 0);
         insert into groups values ('\\x01', '\\x02', 'g', 'g', '', 0)",
    )
    .await
    .unwrap();
    let count = async |client: &tokio_postgres::Client| -> i64 {
        client.query_one("select count(*) from groups", &[]).await.unwrap().get(0)
    };
    assert_eq!(count(&all).await, 1, "a superuser is not held");
    assert_eq!(count(&client).await, 0);
    client.batch_execute("begin; set local bailiwick.organization = '*'").await.unwrap();
    assert_eq!(count(&client).await, 1);
    client.batch_execute("commit").await.unwrap();
    assert_eq!(count(&client).await, 0, "the setting ends with its transaction");
    let refused = client.execute("insert into groups values ('\\x01', '\\x03', 'x', 'x', '', 0)", &[]).await;
    assert!(refused.unwrap_err().as_db_error().unwrap().message().contains("row-level security"));
    // The program says so when its role is not held.
    let superuser = platform::db::DatabaseUrl::Postgres(postgres.as_superuser().unwrap());
    let bypassed = Db::open(&superuser).await.unwrap().second_wall();
    assert!(matches!(bypassed, SecondWall::Bypassed { role } if !role.is_empty()));
    drop(db);
    postgres.remove().await;
}

async fn connect(dsn: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(dsn, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
