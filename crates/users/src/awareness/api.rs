//! JSON side of awareness.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::Commit;
use platform::events::Event;
use platform::ids::AccountId;
use platform::time::Timestamp;
use platform::web::extract::{Json, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Acknowledged, BODY_CHARS_MAX, Missing, NewNotice, Notice, Share, jobs};
use crate::domains::name::hidden_character;
use crate::names::Name;

const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const ONE: &str = "/api/v1/organizations/{organization}/awareness";
    const OWN: &str = "/api/v1/organizations/{organization}/awareness/acknowledgement";
    const MISSING: &str = "/api/v1/organizations/{organization}/awareness/missing";
    const REMIND: &str = "/api/v1/organizations/{organization}/awareness/reminders";
    Routes::new()
        .add(
            routes::get(ONE, "awareness.show", Openness::Member, show)
                .summary("The notice on passwords in force, and whether you acknowledged it")
                .gives::<AwarenessView>(200),
        )
        .add(
            routes::post(ONE, "awareness.publish", MANAGE, publish)
                .summary("Publish a notice; it is mailed to whoever has yet to acknowledge")
                .takes::<NoticeBody>()
                .gives::<NoticeView>(201)
                .records("awareness."),
        )
        .add(
            routes::post(OWN, "awareness.acknowledge", Openness::Member, acknowledge)
                .summary("Say that you read the notice. Takes a person, not a token")
                .takes::<AcknowledgeBody>()
                .gives_nothing(204)
                .records("awareness."),
        )
        .add(
            routes::get(MISSING, "awareness.missing", READ, list)
                .summary("People with access who have yet to acknowledge, by address")
                .paged()
                .gives::<Page<MissingView>>(200),
        )
        .add(
            routes::post(REMIND, "awareness.remind", MANAGE, remind)
                .summary("Mail the notice again to whoever has yet to acknowledge")
                .gives_nothing(204)
                .records("awareness."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AwarenessNotice)]
pub struct NoticeView {
    pub version: u32,
    pub title: String,
    pub body: String,
    /// Acknowledgements from before it count no more.
    pub renews: bool,
    pub published_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub published_at: Timestamp,
}

impl From<Notice> for NoticeView {
    fn from(notice: Notice) -> Self {
        let Notice { version, title, body, renews, published_by, published_at } = notice;
        Self { version, title, body, renews, published_by, published_at }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Awareness)]
pub struct AwarenessView {
    pub notice: Option<NoticeView>,
    /// When you acknowledged, if that still counts.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub acknowledged_at: Option<Timestamp>,
    /// For those who read people: how many have access.
    pub people: Option<u64>,
    /// And how many of them acknowledged in the last 12 months.
    pub acknowledged: Option<u64>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAwarenessNotice)]
pub struct NoticeBody {
    #[schema(example = "Passwords: what we ask of you")]
    pub title: String,
    /// Plain text, up to 5000 characters; paragraphs are parted by empty lines.
    #[schema(example = "Use a password manager.")]
    pub body: String,
    /// Everybody reads again: acknowledgements from before count no more.
    #[serde(default)]
    pub renews: bool,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AwarenessAcknowledgement)]
pub struct AcknowledgeBody {
    /// The version that was read.
    #[schema(example = 1)]
    pub version: u32,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AwarenessMissing)]
pub struct MissingView {
    #[schema(value_type = String)]
    pub account: AccountId,
    pub email: String,
    pub name: String,
    /// An acknowledgement that counts no more.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub told_at: Option<Timestamp>,
}

impl From<Missing> for MissingView {
    fn from(one: Missing) -> Self {
        let Missing { account, email, name, last_at, told_at } = one;
        Self { account, email, name, last_at, told_at }
    }
}

/// What the caller sees: the notice, their own acknowledgement, and the share for those who read people.
pub(super) async fn look(
    app: &App,
    access: &Access,
) -> Result<(Option<Notice>, Option<Timestamp>, Option<Share>), Problem> {
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    let (account, reads) = (access.principal()?.account, access.may(Permission::PeopleRead));
    let found = app.db().read(move |tx| {
        let notice = super::latest(tx, organization)?;
        let own = match account {
            Some(account) => super::acknowledged_at(tx, organization, account, now)?,
            None => None,
        };
        let share = if reads { Some(super::share(tx, organization, now)?) } else { None };
        Ok::<_, Problem>((notice, own, share))
    });
    found.await
}

async fn show(State(app): State<App>, access: Access) -> platform::web::Result {
    let (notice, acknowledged_at, share) = look(&app, &access).await?;
    let view = AwarenessView {
        notice: notice.map(NoticeView::from),
        acknowledged_at,
        people: share.map(|share| share.people),
        acknowledged: share.map(|share| share.acknowledged),
    };
    Ok(Json(view).into_response())
}

fn read_notice(body: &NoticeBody) -> Result<NewNotice, Problem> {
    let title = Name::parse(&body.title).map_err(|error| {
        let wrong = error.to_string().replacen("a name", "a title", 1);
        Problem::invalid(&wrong).field("title", wrong)
    })?;
    let text = body.body.trim().replace("\r\n", "\n");
    let field = |why: String| Problem::invalid(&why).field("body", why);
    if text.is_empty() {
        return Err(field("write what people should know".to_owned()));
    }
    let long = text.chars().count();
    if long > BODY_CHARS_MAX {
        return Err(field(format!("a notice has up to {BODY_CHARS_MAX} characters; this one has {long}")));
    }
    if let Some((at, _)) = hidden_character(&text.replace('\n', " ")) {
        return Err(field(format!("there is a hidden character at position {}: delete it", at + 1)));
    }
    Ok(NewNotice { title, body: text, renews: body.renews })
}

pub(super) async fn make(app: &App, access: &Access, body: &NoticeBody) -> Result<Notice, Problem> {
    let new = read_notice(body)?;
    let principal = access.principal()?;
    let by = if principal.name.is_empty() { principal.email.clone() } else { principal.name.clone() };
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done =
        app.db().write(&access.ctx, move |tx| super::publish(&ctx, tx, organization, &by, &new)).await?;
    Ok(done.value)
}

async fn publish(
    State(app): State<App>,
    access: Access,
    Json(body): Json<NoticeBody>,
) -> platform::web::Result {
    let made = make(&app, &access, &body).await?;
    Ok((StatusCode::CREATED, Json(NoticeView::from(made))).into_response())
}

pub(super) async fn say(app: &App, access: &Access, version: u32) -> Result<(), Problem> {
    // Nobody says it for somebody else, the operator neither.
    let account = access.account()?;
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::acknowledge(&ctx, tx, organization, account, version))
        .await?;
    match done.value {
        Acknowledged::Done => Ok(()),
        Acknowledged::NotMember => Err(Problem::not_found("member")),
        Acknowledged::NotThisText => Err(Problem::conflict("this is not the text in force")
            .cure("read the notice again, then acknowledge that version")),
    }
}

async fn acknowledge(
    State(app): State<App>,
    access: Access,
    Json(body): Json<AcknowledgeBody>,
) -> platform::web::Result {
    say(&app, &access, body.version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn page(app: &App, access: &Access, query: &PageQuery) -> Result<Page<Missing>, Problem> {
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    let (after, limit) = (query.after()?, query.limit()?);
    let found = app.db().read(move |tx| super::missing(tx, organization, &after, now, limit + 1)).await?;
    Ok(Page::of(found, limit, |one| one.email.clone()))
}

async fn list(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    Ok(Json(page(&app, &access, &query).await?.map(MissingView::from)).into_response())
}

pub(super) async fn tell(app: &App, access: &Access) -> Result<(), Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| {
            if super::latest(tx, organization)?.is_none() {
                return Ok::<_, Problem>(Commit::unchanged(false));
            }
            jobs::schedule(&ctx, tx, organization)?;
            let recorded = tx.record(Event::new(organization, "awareness.reminder_asked"));
            Ok(Commit::changed(true, recorded))
        })
        .await?;
    if done.value {
        Ok(())
    } else {
        Err(Problem::conflict("there is no notice yet").cure("publish one first"))
    }
}

async fn remind(State(app): State<App>, access: Access) -> platform::web::Result {
    tell(&app, &access).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
