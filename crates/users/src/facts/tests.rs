use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::evidence::OrganizationFacts;
use platform::ids::{AccountId, OrganizationId};
use platform::params;
use testkit::Kit;

platform::statements! {
    VERIFIED: Tenant =
        "insert into domains (organization_id, id, name, state, state_since, token, token_expires_at, proof_method,
           proof_hash, proof_resolvers, proved_at, misses, claim_new, claim_new_since, created_at)
         values ($1, $2, $3, 'verified', $4, 't', $4, 'dns_txt', $2, 'r', $4, 0, 0, $4, $4)";
    SET_STATE: Tenant = "update domains set state = $2 where organization_id = $1 and name = $3";
}

/// Gives `organization` a verified domain, as the proof would have.
pub(crate) async fn verified_domain(kit: &Kit, organization: OrganizationId, name: &'static str) {
    let ctx = kit.ctx();
    let inner = ctx.clone();
    let rule = move |tx: &mut platform::db::Tx| {
        tx.execute(&VERIFIED, params![organization, inner.id::<AccountId>(), name, inner.now])?;
        let recorded = tx.record(Event::new(organization, "domain.verified"));
        Ok::<_, DbError>(Commit::changed((), recorded))
    };
    kit.app.db().write(&ctx, rule).await.unwrap();
}

async fn set_state(kit: &Kit, organization: OrganizationId, name: &'static str, state: &'static str) {
    let ctx = kit.ctx();
    let rule = move |tx: &mut platform::db::Tx| {
        tx.execute(&SET_STATE, params![organization, state, name])?;
        let recorded = tx.record(Event::new(organization, "domain.changed"));
        Ok::<_, DbError>(Commit::changed((), recorded))
    };
    kit.app.db().write(&ctx, rule).await.unwrap();
}

async fn facts(kit: &Kit, organization: OrganizationId) -> (bool, bool) {
    let read = crate::AREA.facts.expect("this area reads the facts");
    let OrganizationFacts { has_verified_domain, has_outside_users } =
        kit.app.db().read(move |tx| read(tx, organization)).await.unwrap();
    (has_verified_domain, has_outside_users)
}

#[tokio::test]
async fn domains_and_outsiders_are_seen_in_one_organization_only() {
    testkit::both_with(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            assert_eq!(facts(kit, harbor).await, (false, false));
            kit.owner_of("harbor").await;
            assert_eq!(facts(kit, harbor).await, (false, true), "without a domain everybody is outside");
            // Somebody else's domain is not one's own.
            let quay = kit.organization("quay").await;
            verified_domain(kit, quay, "quay.example").await;
            assert_eq!(facts(kit, harbor).await, (false, true));
            verified_domain(kit, harbor, "harbor.example").await;
            assert_eq!(facts(kit, harbor).await, (true, false));
            kit.member("harbor", "guest@quay.example", Role::Member).await;
            assert_eq!(facts(kit, harbor).await, (true, true));
            verified_domain(kit, harbor, "second.example").await;
            kit.member("harbor", "ann@second.example", Role::Member).await;
            set_state(kit, quay, "quay.example", "removed").await;
            verified_domain(kit, harbor, "quay.example").await;
            assert_eq!(facts(kit, harbor).await, (true, false));
            for (state, inside) in
                [("at_risk", true), ("suspended", false), ("verified", true), ("removed", false)]
            {
                set_state(kit, harbor, "second.example", state).await;
                assert_eq!(facts(kit, harbor).await, (true, !inside), "{state}");
            }
        },
        crate::kit::believed,
    )
    .await;
}
