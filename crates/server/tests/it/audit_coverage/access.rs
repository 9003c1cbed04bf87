//! Members ask for what is offered, others decide; people of approved domains join.

use platform::access::Role;
use serde_json::{Value, json};
use testkit::{Answer, Client};

use super::Story;

const API: &str = "/api/v1/organizations/harbor";
const PAGES: &str = "/o/harbor";
const OPENINGS: &str = "/api/v1/account/openings";

fn id(view: &Answer) -> String {
    let view: Value = view.json();
    view["id"].as_str().unwrap_or_else(|| panic!("no id: {view}")).to_owned()
}

pub(super) async fn tell(story: &mut Story<'_>, owner: &mut Client) {
    let bea = story.kit.member("harbor", "bea@harbor.example", Role::Member).await;
    let mut member = story.kit.browser_of(bea).await;
    let (offered, group) = offers(story, owner).await;
    requests(story, owner, &mut member, &offered).await;
    domains(story, owner).await;
    let done = owner.submit(&format!("{PAGES}/access-offers/{offered}/end"), &[]).await;
    story.did("access_offer.delete_form", done).await;
    owner.delete(&format!("{API}/groups/{group}")).await.expect(204);
    story.aside().await;
}

async fn offers(story: &mut Story<'_>, owner: &mut Client) -> (String, String) {
    let group =
        id(&owner.post(&format!("{API}/groups"), json!({ "name": "Harbor pilots" })).await.expect(201));
    story.aside().await;
    let all = format!("{API}/access-offers");
    let made = owner.post(&all, json!({ "group": group })).await;
    let one = id(&story.did("access_offer.create", made).await);
    let terms = json!({ "approvals": 1, "days_max": 60, "hours_to_decide": 24 });
    let done = owner.patch(&format!("{all}/{one}"), terms).await;
    story.did("access_offer.update", done).await;
    let done = owner.delete(&format!("{all}/{one}")).await;
    story.did("access_offer.delete", done).await;
    let wanted = format!("group:{group}");
    let terms = [("approvals", "1"), ("days_max", "30"), ("hours_to_decide", "24")];
    let mut fields = terms.to_vec();
    fields.push(("wanted", wanted.as_str()));
    owner.get(&format!("{PAGES}/access-offers/new")).await.expect(200);
    let done = owner.submit(&format!("{PAGES}/access-offers/new"), &fields).await;
    story.did("access_offer.create_form", done).await;
    let listed = owner.get(&all).await.expect(200).json();
    let two = listed["items"][0]["id"].as_str().expect("an id").to_owned();
    let done = owner.submit(&format!("{PAGES}/access-offers/{two}/edit"), &terms).await;
    story.did("access_offer.update_form", done).await;
    (two, group)
}

async fn requests(story: &mut Story<'_>, owner: &mut Client, member: &mut Client, offer: &str) {
    let all = format!("{API}/access-requests");
    let body = json!({ "offer": offer, "reason": "the spring tide", "days": 5 });
    let made = member.post(&all, body.clone()).await;
    let one = format!("{all}/{}", id(&story.did("access_request.create", made).await));
    let done = owner.post(&format!("{one}/decision"), json!({ "approve": true })).await;
    story.did("access_request.decide", done).await;
    let done = owner.post(&format!("{one}/end"), json!({})).await;
    story.did("access_request.end", done).await;
    let made = member.post(&all, body).await.expect(201);
    story.aside().await;
    let done = member.post(&format!("{all}/{}/withdrawal", id(&made)), json!({})).await;
    story.did("access_request.withdraw", done).await;

    let form = format!("{PAGES}/access/ask/{offer}");
    member.get(&form).await.expect(200);
    let fields = [("reason", "the neap tide"), ("days", "3")];
    let made = story.did("access_request.create_form", member.submit(&form, &fields).await).await;
    let page = made.location().split('?').next().expect("a page").to_owned();
    owner.get(&page).await.expect(200);
    let done = owner.submit(&format!("{page}/decision"), &[("decision", "approve"), ("words", "")]).await;
    story.did("access_request.decide_form", done).await;
    let done = owner.submit(&format!("{page}/end"), &[]).await;
    story.did("access_request.end_form", done).await;
    let made = member.submit(&form, &fields).await.expect(303);
    let page = made.location().split('?').next().expect("a page").to_owned();
    story.aside().await;
    let done = member.submit(&format!("{page}/withdraw"), &[]).await;
    story.did("access_request.withdraw_form", done).await;
}

async fn domains(story: &mut Story<'_>, owner: &mut Client) {
    let all = format!("{API}/approved-domains");
    let done = owner.post(&all, json!({ "domain": "partner.example", "mode": "join" })).await;
    story.did("approved_domain.approve", done).await;
    let here = json!({ "organization": "harbor" });
    let kim = story.kit.account("kim@partner.example").await;
    let mut kim = story.kit.browser_of(kim).await;
    story.aside().await;
    let done = kim.post(&format!("{OPENINGS}/join"), here.clone()).await;
    story.did("opening.join", done).await;
    let lea = story.kit.account("lea@partner.example").await;
    let mut lea = story.kit.browser_of(lea).await;
    lea.get("/account/access").await.expect(200);
    story.aside().await;
    let done = lea.submit("/account/access/join", &[("organization", "harbor")]).await;
    story.did("opening.join_form", done).await;

    owner.get(&format!("{PAGES}/approved-domains/new")).await.expect(200);
    let fields = [("domain", "partner.example"), ("mode", "ask"), ("seen", "partner.example ask")];
    let done = owner.submit(&format!("{PAGES}/approved-domains/new"), &fields).await;
    story.did("approved_domain.approve_form", done).await;
    let max = story.kit.account("max@partner.example").await;
    let mut max = story.kit.browser_of(max).await;
    story.aside().await;
    let body = json!({ "organization": "harbor", "reason": "the books" });
    let done = max.post(&format!("{OPENINGS}/ask"), body).await;
    story.did("opening.ask", done).await;
    let done = max.post(&format!("{OPENINGS}/withdraw"), here).await;
    story.did("opening.withdraw", done).await;
    max.get("/account/access").await.expect(200);
    let fields = [("organization", "harbor"), ("reason", "the books"), ("days", "")];
    let done = max.submit("/account/access/ask", &fields).await;
    story.did("opening.ask_form", done).await;
    let done = max.submit("/account/access/withdraw", &[("organization", "harbor")]).await;
    story.did("opening.withdraw_form", done).await;
    let done = owner.submit(&format!("{PAGES}/approved-domains/partner.example/close"), &[]).await;
    story.did("approved_domain.remove_form", done).await;
    owner.post(&all, json!({ "domain": "partner.example", "mode": "ask" })).await.expect(200);
    story.aside().await;
    let done = owner.delete(&format!("{all}/partner.example")).await;
    story.did("approved_domain.remove", done).await;
}
