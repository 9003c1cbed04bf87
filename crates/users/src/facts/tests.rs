//! Which duties bind an organization follows from its domains and its people.

use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::evidence::OrganizationFacts;
use platform::events::Event;
use platform::params;
use testkit::{Kit, both_with};

use crate::kit::believed;

platform::statements! {
    VERIFIED: Tenant =
        "insert into domains (organization_id, id, name, state, state_since, token, token_expires_at, proof_method,
           proof_hash, proof_resolvers, proved_at, misses, claim_new, claim_new_since, created_at)
         values ($1, $2, $3, 'verified', $4, 't', $4, 'dns_txt', $2, 'r', $4, 0, 0, $4, $4)";
}

async fn facts(kit: &Kit) -> OrganizationFacts {
    let id = kit.organization("harbor").await;
    kit.app.db().read(move |tx| super::organization_facts(tx, id)).await.unwrap()
}

#[tokio::test]
async fn a_verified_domain_and_somebody_from_outside_are_seen() {
    both_with(
        async |kit| {
            kit.member("harbor", "mara@harbor.example", Role::Owner).await;
            let before = facts(kit).await;
            assert!(!before.has_verified_domain && before.has_outside_users, "nobody is at a verified domain yet");
            let (id, ctx) = (kit.organization("harbor").await, kit.ctx());
            let at = ctx.clone();
            kit.app
                .db()
                .write(&ctx, move |tx| {
                    tx.execute(&VERIFIED, params![id, at.random_bytes::<16>(), "harbor.example", at.now])?;
                    let recorded = tx.record(Event::new(id, "domain.verified"));
                    Ok::<_, DbError>(Commit::changed((), recorded))
                })
                .await
                .unwrap();
            let verified = facts(kit).await;
            assert!(verified.has_verified_domain && !verified.has_outside_users);
            kit.member("harbor", "rita@printworks.example", Role::Member).await;
            assert!(facts(kit).await.has_outside_users);
        },
        believed,
    )
    .await;
}
