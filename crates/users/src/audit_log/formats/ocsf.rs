//! Open Cybersecurity Schema Framework, 1.3: Authentication (3002), Account Change (3001), else API Activity (6003).

use serde_json::{Value, json};

use super::{EventView, Source, failed, ip, personal};

const VERSION: &str = "1.3.0";

/// A class with the activity in it.
struct Class {
    category: u32,
    uid: u32,
    activity: u32,
}

const fn account(activity: u32) -> Class {
    Class { category: 3, uid: 3001, activity }
}

const fn authentication(activity: u32) -> Class {
    Class { category: 3, uid: 3002, activity }
}

const OTHER: u32 = 99;

fn class(action: &str) -> Class {
    match action {
        "account.created" | "directory_user.created" => account(1),
        "account.activated" | "account.restored" | "directory_user.reactivated" | "member.restored" => {
            account(2)
        }
        "password.changed" | "password.change_refused" => account(3),
        "password.recovered" => account(4),
        "account.suspended" | "directory_user.deactivated" | "member.suspended" => account(5),
        "account.deleted" | "directory_user.deleted" => account(6),
        "factor.enrolled" => account(10),
        "factor.removed" | "factor.reset" => account(11),
        "session.started" | "single_sign_on.succeeded" | "single_sign_on.failed" => authentication(1),
        "session.ended" | "session.revoked" | "session.all_revoked" | "single_sign_on.logged_out" => {
            authentication(2)
        }
        sign_in if sign_in.starts_with("sign_in.") => authentication(1),
        other => Class { category: 6, uid: 6003, activity: api_activity(other) },
    }
}

/// Create, update or delete, by the last word of the action.
fn api_activity(action: &str) -> u32 {
    match action.rsplit(['.', '_']).next().unwrap_or_default() {
        "created" | "added" | "imported" | "made" | "started" | "published" => 1,
        "changed" | "renamed" | "updated" | "rotated" | "decided" | "replaced" | "undone" => 3,
        "deleted" | "removed" | "revoked" | "ended" | "left" => 4,
        _ => OTHER,
    }
}

pub(super) fn event(source: &Source, event: &EventView) -> Value {
    let class = class(&event.action);
    let failed = failed(event);
    let mut out = json!({
        "category_uid": class.category,
        "class_uid": class.uid,
        "activity_id": class.activity,
        "type_uid": class.uid * 100 + class.activity,
        "time": event.at.micros().div_euclid(1000),
        "severity_id": if failed { 3 } else { 1 },
        "status_id": if failed { 2 } else { 1 },
        "message": event.action,
        "metadata": {
            "version": VERSION,
            "product": {
                "name": "Bailiwick",
                "vendor_name": "Bailiwick",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "uid": format!("{}:{}", source.organization, event.sequence),
            "sequence": event.sequence,
            "log_name": "audit",
            "log_provider": source.host,
            "event_code": event.action,
        },
        "actor": actor(event),
        "unmapped": {
            "organization": source.slug,
            "actor": event.actor,
            "target": event.target,
            "details": event.details,
            "personal": event.personal,
            "leaf_hash": event.leaf_hash,
        },
    });
    let mut put = |name: &str, value: Value| out[name] = value;
    if class.activity == OTHER {
        put("activity_name", json!(event.action));
    }
    let endpoint = ip(event).map(|ip| json!({ "ip": ip.to_string() }));
    match class.uid {
        6003 => {
            put("api", json!({ "operation": event.action, "service": { "name": "Bailiwick" } }));
            put("resources", json!([{ "type": event.target.kind, "uid": event.target.id }]));
            // The schema wants one; most events do not record it.
            put("src_endpoint", endpoint.unwrap_or_else(|| json!({ "name": "not recorded" })));
        }
        _ => {
            put("user", user(event));
            if class.uid == 3002 {
                put("service", json!({ "name": "Bailiwick" }));
            }
            if let Some(endpoint) = endpoint {
                put("src_endpoint", endpoint);
            }
        }
    }
    out
}

fn actor(event: &EventView) -> Value {
    match event.actor.kind.as_str() {
        "account" => json!({ "user": { "uid": event.actor.id, "type_id": 1, "type": "User" } }),
        "api_token" => json!({ "app_name": "API token", "app_uid": event.actor.id }),
        "system" => json!({ "app_name": format!("Bailiwick ({})", event.actor.id) }),
        other => json!({ "app_name": other }),
    }
}

/// Whom it happened to: the target where that is an account, else whoever was named.
fn user(event: &EventView) -> Value {
    let mut user = json!({ "type_id": 1, "type": "User" });
    let named = personal(event, "email").or_else(|| personal(event, "subject"));
    if ["account", "directory_user"].contains(&event.target.kind.as_str()) {
        user["uid"] = json!(event.target.id);
    } else if named.is_none() {
        user["name"] = json!("not recorded");
    }
    if let Some(named) = named {
        user["name"] = json!(named);
    }
    if let Some(email) = personal(event, "email") {
        user["email_addr"] = json!(email);
    }
    user
}
