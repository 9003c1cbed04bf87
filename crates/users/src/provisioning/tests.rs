//! Provisioning over HTTP, as identity providers use it. The lines of the security checklist under SCIM are the names of
//! the tests in [`security`].

use platform::ids::{AccountId, OrganizationId};
use platform::principals::{self, Account, Membership};
use serde_json::{Value, json};
use testkit::{Client, Kit, KitOptions};

use crate::domains::tests::{Scene, add, check, script, scripted, value};

mod limits;
mod protocol;
mod security;
mod sync;

pub(super) const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(super) const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

pub(super) async fn on_both<F: AsyncFn(&Kit)>(test: F) {
    testkit::both_with(
        async |kit| {
            kit.organization("northwind").await;
            test(kit).await;
        },
        options,
    )
    .await;
}

fn options() -> KitOptions {
    scripted()
}

/// `slug` proves that `name` is its own.
pub(super) async fn verify(kit: &Kit, slug: &str, name: &str) {
    let mut owner = kit.owner_of(slug).await;
    let domain = add(&mut owner, slug, name).await;
    script(kit).set(name, Scene::Record(value(&domain)));
    let checked = check(&mut owner, slug, &domain).await;
    assert_eq!(checked["domain"]["state"], "verified", "{checked}");
    kit.settle().await;
}

/// A directory of `slug` as its identity provider has it.
pub(super) struct Idp {
    pub client: Client,
    pub path: String,
}

impl Idp {
    pub async fn of(kit: &Kit, slug: &str) -> Self {
        Self::named(kit, slug, "Entra ID").await
    }

    pub async fn named(kit: &Kit, slug: &str, name: &str) -> Self {
        let (client, path) = crate::directories::tests::directory(kit, slug, name).await;
        Self { client, path }
    }

    pub fn at(&self, rest: &str) -> String {
        format!("{}{rest}", self.path)
    }

    pub async fn get(&mut self, rest: &str) -> Value {
        let path = self.at(rest);
        self.client.get(&path).await.expect(200).json()
    }

    pub async fn user(&mut self, user_name: &str, more: Value) -> Value {
        let mut body = json!({ "schemas": [CORE], "userName": user_name, "active": true });
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        let path = self.at("/Users");
        self.client.post(&path, body).await.expect(201).json()
    }

    pub async fn group(&mut self, name: &str, members: &[&Value]) -> Value {
        let members: Vec<Value> = members.iter().map(|member| json!({ "value": member["id"] })).collect();
        let body = json!({ "schemas": [GROUP], "displayName": name, "members": members });
        let path = self.at("/Groups");
        self.client.post(&path, body).await.expect(201).json()
    }

    pub async fn patch(&mut self, kind: &str, record: &Value, operations: Value) -> testkit::Answer {
        let path = self.at(&format!("/{kind}/{}", record["id"].as_str().unwrap()));
        self.client.patch(&path, json!({ "schemas": [PATCH], "Operations": operations })).await
    }

    pub async fn set_active(&mut self, user: &Value, active: bool) -> testkit::Answer {
        let operations = json!([{ "op": "Replace", "path": "active", "value": active }]);
        self.patch("Users", user, operations).await
    }

    pub async fn delete(&mut self, kind: &str, record: &Value) -> testkit::Answer {
        let path = self.at(&format!("/{kind}/{}", record["id"].as_str().unwrap()));
        self.client.delete(&path).await
    }

    pub async fn find(&mut self, kind: &str, filter: &str) -> Vec<Value> {
        let filter: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let found = self.get(&format!("/{kind}?filter={filter}")).await;
        found["Resources"].as_array().unwrap().clone()
    }

    /// The directory's page of the API.
    pub fn api(&self, slug: &str, rest: &str) -> String {
        let id = self.path.rsplit('/').next().unwrap();
        format!("/api/v1/organizations/{slug}/directories/{id}{rest}")
    }
}

pub(super) async fn account(kit: &Kit, email: &str) -> Option<Account> {
    let email = email.to_owned();
    kit.app.db().read(move |tx| principals::account_by_email(tx, &email)).await.unwrap()
}

pub(super) async fn membership(
    kit: &Kit,
    organization: OrganizationId,
    account: AccountId,
) -> Option<Membership> {
    kit.app.db().read(move |tx| principals::membership(tx, organization, account)).await.unwrap()
}

/// Addresses of who is in the organization's group of this name.
pub(super) async fn group_members(
    kit: &Kit,
    organization: OrganizationId,
    name: &str,
) -> Option<Vec<String>> {
    let name = name.to_owned();
    kit.app
        .db()
        .read(move |tx| {
            let Some(group) = principals::group_by_name(tx, organization, &name)? else { return Ok(None) };
            let members = principals::group_members(tx, organization, group.id, "", 100)?;
            Ok::<_, platform::db::DbError>(Some(members.into_iter().map(|member| member.email).collect()))
        })
        .await
        .unwrap()
}
