//! What a SAML provider calls somebody.

use serde_json::json;

use super::super::api;
use super::{MARA, Said, World, on_both};

/// As LemonLDAP::NG does whose format of the NameID is changed: the same person, by another name.
async fn by_another_name(world: &World<'_>, id: &'static str) -> testkit::Answer {
    let mut browser = world.kit.nobody();
    let asked = world.begin(&mut browser).await;
    let attributes = vec![("name", vec!["Mara Lind"]), ("mail", vec![MARA])];
    let said = Said { name_id: "_5f1c".to_owned(), attributes, id, ..world.said(&asked) };
    world.answer(&mut browser, &asked, &said).await
}

#[tokio::test]
async fn whom_a_provider_calls_otherwise_is_let_in_once_the_old_link_has_ended() {
    on_both(async |mut world| {
        drop(world.signed_in().await);
        let connection = format!("{}/{}", api("harbor"), world.connection);
        let mapping = json!({ "email_claim": "mail", "vouches_for_addresses": true });
        world.owner.patch(&connection, json!({ "mapping": mapping })).await.expect(200);
        let told = by_another_name(&world, "_a2").await.expect(403).text();
        assert!(told.contains("(claim `NameID`)") && !told.contains("`sub`"), "{told}");
        let links = world.owner.get(&format!("{connection}/links")).await.expect(200).json();
        let account = links["items"][0]["account"].as_str().unwrap();
        world.owner.delete(&format!("{connection}/links/{account}")).await.expect(204);
        by_another_name(&world, "_a3").await.expect(303);
        let links = world.owner.get(&format!("{connection}/links")).await.expect(200).json();
        assert_eq!(links["items"].as_array().unwrap().len(), 1);
    })
    .await;
}
