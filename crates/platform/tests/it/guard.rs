//! The guard: who gets in, in which words the others are refused, and what every answer carries.

use axum::http::Method;
use axum::response::IntoResponse;
use platform::access::{Permission, Role};
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::web::extract::{Json, Query};
use platform::web::pagination::PageQuery;
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access};
use platform::{App, Area};
use serde_json::json;
use testkit::{Kit, both};

pub(crate) static GUARDED: Area = Area {
    name: "guarded",
    routes,
    jobs: &[],
    schedules: &[],
    evidence: &[],
    drills: &[],
    facts: None,
    navigation: &[],
    tasks: &[],
};

fn routes() -> Routes {
    let read = Openness::Organization(Permission::DomainsRead);
    let manage = Openness::Organization(Permission::DomainsManage);
    Routes::new()
        .add(routes::get("/api/v1/organizations/{organization}/things", "thing.list", read, list))
        .add(
            routes::post("/api/v1/organizations/{organization}/things", "thing.create", manage, create)
                .records("thing."),
        )
        .add(routes::post("/o/{organization}/things", "thing.form", manage, form).records("thing."))
        .add(routes::get("/o/{organization}/things", "thing.page", read, list))
        .add(routes::get("/api/v1/organizations/{organization}/broken", "broken.get", read, broken))
        .add(routes::get("/o/{organization}/broken", "broken.page", read, broken))
        .add(routes::get("/api/v1/organizations/{organization}/named", "named.list", read, paged))
        .add(routes::post("/api/v1/organizations/{organization}/named", "named.create", manage, named))
        .add(routes::get("/api/v1/where", "where.get", Openness::Public, whence))
        .add(routes::post("/api/v1/organizations/{organization}/secrets", "secret.create", manage, secret))
        .add(routes::get(
            "/provider/things",
            "thing.provider",
            Openness::Provider(Permission::ProviderRead),
            list,
        ))
}

async fn broken() -> web::Result {
    Err(DbError::Check("select password from secret_table".to_owned()).into())
}

async fn paged(Query(page): Query<PageQuery>) -> web::Result {
    Ok(Json(json!({ "limit": page.limit()? })).into_response())
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Named {
    name: String,
}

async fn named(Json(named): Json<Named>) -> web::Result {
    Ok(Json(named).into_response())
}

async fn whence(access: Access) -> web::Result {
    Ok(Json(json!({ "ip": access.ctx.origin.ip })).into_response())
}

async fn secret(Json(_): Json<serde_json::Value>) -> web::Result {
    let body = Json(json!({ "secret": "shown once" }));
    Ok(([(axum::http::header::CACHE_CONTROL, "no-store")], body).into_response())
}

async fn list() -> web::Result {
    Ok(Json(json!({ "items": [1, 2] })).into_response())
}

async fn make(app: &App, access: &Access) -> web::Result {
    let id = access.organization_id()?;
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let recorded = tx.record(Event::new(id, "thing.created"));
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await?;
    Ok(Json(json!({ "sequence": written.events[0].sequence })).into_response())
}

async fn create(
    axum::extract::State(app): axum::extract::State<App>,
    access: Access,
    Json(_): Json<serde_json::Value>,
) -> web::Result {
    make(&app, &access).await
}

async fn form(axum::extract::State(app): axum::extract::State<App>, access: Access) -> web::Result {
    make(&app, &access).await
}

pub(crate) const LIST: &str = "/api/v1/organizations/harbor/things";

pub(crate) async fn count(kit: &Kit) -> usize {
    let id = kit.organization("harbor").await;
    kit.actions(id).await.iter().filter(|action| *action == "thing.created").count()
}

#[tokio::test]
async fn nobody_a_stranger_and_a_member_without_the_right_are_refused() {
    both(
        async |kit| {
            kit.organization("harbor").await;
            kit.nobody().get(LIST).await.expect(401);
            kit.owner_of("meridian").await.get(LIST).await.expect(404);
            kit.owner_of("meridian").await.get("/api/v1/organizations/nowhere/things").await.expect(404);
            kit.as_role("harbor", Role::Member).await.get(LIST).await.expect(403);
            kit.as_role("harbor", Role::Auditor).await.get(LIST).await.expect(200);
            kit.as_role("harbor", Role::Auditor).await.post(LIST, json!({})).await.expect(403);
            kit.as_role("harbor", Role::Admin).await.post(LIST, json!({})).await.expect(200);
            assert_eq!(count(kit).await, 1);
        },
        &[&GUARDED],
    )
    .await;
}

#[tokio::test]
async fn an_organization_admin_is_nobody_in_the_providers_console() {
    both(
        async |kit| {
            kit.owner_of("harbor").await.get("/provider/things").await.expect(404);
            kit.owner_of("northwind").await.get("/provider/things").await.expect(200);
            kit.owner_of("northwind").await.get(LIST).await.expect(404);
        },
        &[&GUARDED],
    )
    .await;
}

#[tokio::test]
async fn a_token_has_its_scopes_in_its_organization_and_nothing_else() {
    both(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            kit.organization("meridian").await;
            let mut token = kit.token_of(harbor, "domains.read");
            token.get(LIST).await.expect(200);
            token.post(LIST, json!({})).await.expect(403);
            token.get("/api/v1/organizations/meridian/things").await.expect(404);
            token.get("/provider/things").await.expect(404);
        },
        &[&GUARDED],
    )
    .await;
}

#[tokio::test]
async fn a_form_without_the_token_or_from_another_site_is_refused() {
    both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            owner.submit("/o/harbor/things", &[]).await.expect(200);
            let other = owner.clone().with_header("origin", "https://evil.example");
            let mut evil = other.clone();
            evil.submit("/o/harbor/things", &[]).await.expect(403);
            let mut fished = owner.clone();
            fished.cookies.clear();
            fished.submit("/o/harbor/things", &[]).await.expect(403);
            // The same holds for JSON sent with a session's cookie.
            fished.post(LIST, json!({})).await.expect(403);
            assert_eq!(count(kit).await, 1);
        },
        &[&GUARDED],
    )
    .await;
}

#[tokio::test]
async fn an_idempotency_key_gives_the_first_answer_again() {
    both(
        async |kit| {
            let owner = kit.owner_of("harbor").await;
            let mut keyed = owner.clone().with_header("idempotency-key", "one");
            let first = keyed.post(LIST, json!({"a": 1})).await.expect(200);
            let again = keyed.post(LIST, json!({"a": 1})).await.expect(200);
            assert_eq!(first.body, again.body);
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
            keyed.post(LIST, json!({"a": 2})).await.expect(422);
            for wrong in ["a b", &"x".repeat(129)] {
                owner.clone().with_header("idempotency-key", wrong).post(LIST, json!({})).await.expect(400);
            }
            assert_eq!(count(kit).await, 1);
        },
        &[&GUARDED],
    )
    .await;
}

#[tokio::test]
async fn a_list_is_no_object_whose_members_have_lost_their_names() {
    both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            owner.post(LIST, json!([null, null])).await.expect(422);
            assert_eq!(count(kit).await, 0);
        },
        &[&GUARDED],
    )
    .await;
}

#[tokio::test]
async fn an_etag_saves_the_second_answer() {
    both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let etag = owner.get(LIST).await.expect(200).header("etag").unwrap().to_owned();
            let mut knowing = owner.clone().with_header("if-none-match", &etag);
            assert!(knowing.get(LIST).await.expect(304).body.is_empty());
        },
        &[&GUARDED],
    )
    .await;
}

#[tokio::test]
async fn pages_carry_strict_headers_and_refusals_become_pages() {
    both(
        async |kit| {
            let answer = kit.nobody().get("/o/harbor/things").await.expect(303);
            assert_eq!(answer.location(), "/sign-in?next=%2Fo%2Fharbor%2Fthings");
            let missing = kit.nobody().get("/nowhere").await.expect(404);
            assert!(missing.text().contains("<h1"), "{}", missing.text());
            let csp = missing.header("content-security-policy").unwrap();
            assert!(csp.contains("default-src 'none'") && !csp.contains("unsafe"), "{csp}");
            assert_eq!(missing.header("x-content-type-options"), Some("nosniff"));
            let api = kit.nobody().get("/api/v1/nowhere").await.expect(404);
            assert_eq!(api.header("content-type"), Some("application/problem+json"));
        },
        &[&GUARDED],
    )
    .await;
}

#[tokio::test]
async fn bad_bodies_are_refused_whole() {
    both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            for (content_type, body, status) in [
                (Some("application/json"), "{".to_owned(), 400),
                (Some("text/plain"), "{}".to_owned(), 415),
                (None, "{}".to_owned(), 415),
                (Some("application/json"), format!("\"{}\"", "x".repeat(300_000)), 413),
            ] {
                owner.send(Method::POST, LIST, content_type, body.into_bytes()).await.expect(status);
            }
            assert_eq!(count(kit).await, 0);
        },
        &[&GUARDED],
    )
    .await;
}
