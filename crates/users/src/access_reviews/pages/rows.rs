//! The grants of a review as its page shows them: who that is, since when, and where it can be changed.

use std::collections::HashMap;

use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::ids::GroupId;
use platform::principals;
use platform::time::Timestamp;
use platform::web::ui::Tone;
use platform::web::{Access, Problem};

use super::super::{Choice, Grant, Item};
use crate::groups::{self, Keeper};

pub(super) struct Row {
    pub item: Item,
    /// The reader may decide about it.
    pub open: bool,
    /// The reader's own: somebody else decides.
    pub own: bool,
    pub decision: &'static str,
    pub tone: Tone,
    pub effect: String,
    pub name: String,
    /// Of somebody who has left: none.
    pub since: Option<Timestamp>,
    /// Addresses of the person and of the group, for those who may read them; else empty.
    pub person: String,
    pub target: String,
    pub keeper: Option<Keeper>,
}

fn row(item: Item) -> Row {
    let (decision, tone) = match item.decision {
        Some(Choice::Keep) => ("Keep", Tone::Good),
        Some(Choice::Revoke) => ("Revoke", Tone::Warn),
        None => ("Open", Tone::Info),
    };
    let effect = match (item.effect.as_deref(), item.verified_at) {
        (Some("revoked"), Some(_)) => "Seen to be gone".to_owned(),
        (Some("revoked"), None) => "Taken away".to_owned(),
        (Some("gone" | "refused"), _) => item.effect_words.clone(),
        _ => String::new(),
    };
    Row {
        item,
        open: false,
        own: false,
        decision,
        tone,
        effect,
        name: String::new(),
        since: None,
        person: String::new(),
        target: String::new(),
        keeper: None,
    }
}

pub(super) async fn rows(
    app: &App,
    access: &Access,
    items: Vec<Item>,
    reviews: bool,
) -> Result<Vec<Row>, Problem> {
    let (organization, account) = (access.organization_id()?, access.principal()?.account);
    let slug = access.organization()?.slug.clone();
    let reads = access.may(Permission::PeopleRead);
    app.db()
        .read(move |tx| {
            let mut keepers: HashMap<GroupId, Option<Keeper>> = HashMap::new();
            let mut rows = Vec::with_capacity(items.len());
            for item in items {
                let mut row = row(item);
                row.own = row.item.account.is_some() && row.item.account == account;
                row.open = reviews && !row.own;
                if let Some(person) = row.item.account
                    && let Some(member) = principals::membership(tx, organization, person)?
                {
                    row.name = member.name;
                    row.since = matches!(row.item.grant, Grant::Role(_)).then_some(member.created_at);
                    if reads {
                        row.person = format!("/o/{slug}/people/{person}");
                    }
                }
                if let Grant::Group(group) = row.item.grant
                    && reads
                    && principals::group(tx, organization, group)?.is_some()
                {
                    row.target = format!("/o/{slug}/groups/{group}");
                    row.keeper = match keepers.get(&group) {
                        Some(known) => known.clone(),
                        None => groups::keeper(tx, organization, group)?,
                    };
                    keepers.insert(group, row.keeper.clone());
                }
                rows.push(row);
            }
            Ok::<_, DbError>(rows)
        })
        .await
        .map_err(Problem::from)
}
