//! The guard under attack, as a browser that was led astray or a client that lies would do it. The names of the tests
//! stand in docs/security/.

use axum::http::Method;
use platform::db::DbError;
use platform::web;
use serde_json::json;
use testkit::{Kit, both};

use crate::guard::{GUARDED, LIST, count};

platform::statements! {
    KEPT: Platform = "select count(*) from idempotency_keys where body is not null";
}

async fn seen_from(kit: &Kit, from: &str, forwarded: &[&str]) -> String {
    let mut client = kit.nobody().from_ip(from);
    for line in forwarded {
        client = client.with_header("x-forwarded-for", line);
    }
    client.get("/api/v1/where").await.expect(200).json()["ip"].as_str().unwrap_or("none").to_owned()
}

/// ASVS 4.1.3: a proxy may extend the client's `X-Forwarded-For` or write a line of its own below it.
#[tokio::test]
async fn the_nearest_proxy_is_believed_and_the_client_is_not() {
    let options = || {
        let mut options = testkit::KitOptions::new(&[&GUARDED]);
        options.configure = Box::new(|config| config.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()]);
        options
    };
    testkit::both_with(
        async |kit| {
            let (proxy, lie, truth) = ("192.0.2.7", "127.0.0.1", "198.51.100.9");
            assert_eq!(seen_from(kit, proxy, &[truth]).await, truth);
            assert_eq!(seen_from(kit, proxy, &[&format!("{lie}, {truth}")]).await, truth);
            assert_eq!(seen_from(kit, proxy, &[lie, truth]).await, truth);
            assert_eq!(seen_from(kit, truth, &[lie]).await, truth, "somebody who is no proxy");
            assert_eq!(seen_from(kit, proxy, &[]).await, proxy, "its own request");
            for port in ["198.51.100.9:5555", " 198.51.100.9 ", "10.0.0.1:1, 198.51.100.9:443"] {
                assert_eq!(seen_from(kit, proxy, &[port]).await, truth, "{port}");
            }
            for port in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443"] {
                assert_eq!(seen_from(kit, proxy, &[port]).await, "2001:db8::1", "{port}");
            }
        },
        options,
    )
    .await;
}

/// Server-Timing takes the network's noise away, which is what hides a secret's cost from a stranger.
#[tokio::test]
async fn strangers_are_not_told_how_long_an_answer_took() {
    both(
        async |kit| {
            let answer = kit.nobody().get("/api/v1/where").await.expect(200);
            assert_eq!(answer.header("server-timing"), None);
            let answer = kit.owner_of("harbor").await.get(LIST).await.expect(200);
            assert!(answer.header("server-timing").is_some());
        },
        &[&GUARDED],
    )
    .await;
}

/// What a client puts in front of the proxy's word must not make it the proxy, whose network lists allow.
#[tokio::test]
async fn an_address_that_cannot_be_read_is_nobodys_and_never_the_proxys() {
    let options = || {
        let mut options = testkit::KitOptions::new(&[&GUARDED]);
        options.configure = Box::new(|config| config.trusted_proxies = vec!["192.0.2.7/32".parse().unwrap()]);
        options
    };
    testkit::both_with(
        async |kit| {
            let (proxy, truth) = ("192.0.2.7", "198.51.100.9");
            // Sent as one byte, 0xff.
            for lie in [&b"\xff"[..], b"\xff\xfe, 127.0.0.1"] {
                let line = [lie, b", ", truth.as_bytes()].concat();
                let mut client = kit.nobody().from_ip(proxy).with_header_bytes("x-forwarded-for", &line);
                let seen = client.get("/api/v1/where").await.expect(200).json()["ip"].clone();
                assert_eq!(seen, json!(truth));
            }
            for unread in ["nonsense", "", "unknown", "198.51.100.9:port", "[198.51.100.9]", "198.51.100.9,"]
            {
                assert_eq!(seen_from(kit, proxy, &[unread]).await, "none", "{unread}");
            }
        },
        options,
    )
    .await;
}

/// ASVS 3.5.1, 3.5.2: what a form or an image on another site can send, with the cookies of whoever looks at it.
#[tokio::test]
async fn a_request_another_site_can_make_changes_nothing() {
    both(
        async |kit| {
            let owner = kit.owner_of("harbor").await;
            let simple = [
                None,
                Some("text/plain"),
                Some("application/x-www-form-urlencoded"),
                Some("multipart/form-data"),
            ];
            for origin in ["https://evil.example", "null", "http://localhost.evil.example"] {
                for kind in simple.into_iter().chain([Some("application/json")]) {
                    // The browser sends its cookies; the token it keeps is out of the other site's reach.
                    let mut victim =
                        owner.clone().with_header("origin", origin).with_header("x-csrf-token", "");
                    victim.send(Method::POST, LIST, kind, b"{}".to_vec()).await.expect(403);
                    victim.send(Method::POST, "/o/harbor/things", kind, b"csrf=".to_vec()).await.expect(403);
                }
            }
            // A program's token comes with no cookie, but then the body must be JSON, which takes a preflight.
            let harbor = kit.organization("harbor").await;
            for kind in simple {
                let mut token = kit.token_of(harbor, "domains.manage");
                token.send(Method::POST, LIST, kind, b"{}".to_vec()).await.expect(415);
            }
            assert_eq!(count(kit).await, 0);
        },
        &[&GUARDED],
    )
    .await;
}

/// ASVS 3.4.2, 3.5.6.
#[tokio::test]
async fn other_sites_are_never_let_in() {
    both(
        async |kit| {
            let owner = kit.owner_of("harbor").await;
            for origin in ["https://evil.example", "null"] {
                let mut other = owner.clone().with_header("origin", origin);
                let read = other.get(&format!("{LIST}?callback=alert")).await.expect(200);
                let preflight = other.send(Method::OPTIONS, LIST, None, Vec::new()).await.expect(405);
                for answer in [&read, &preflight] {
                    let opened =
                        answer.headers.keys().find(|name| name.as_str().starts_with("access-control-"));
                    assert_eq!(opened, None);
                }
                assert!(read.text().starts_with('{'), "no script: {}", read.text());
            }
        },
        &[&GUARDED],
    )
    .await;
}

/// ASVS 4.1.4, 13.4.4.
#[tokio::test]
async fn methods_that_are_not_declared_are_refused() {
    both(
        async |kit| {
            let owner = kit.owner_of("harbor").await;
            for method in ["TRACE", "CONNECT", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "QUERY"] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let mut owner = owner.clone().with_header("x-secret", "told-back");
                let answer = owner.send(method.clone(), LIST, None, Vec::new()).await;
                assert_eq!(answer.status, 405, "{method}");
                assert!(!answer.text().contains("told-back"));
            }
            // Nor does a header turn one method into another.
            for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
                owner.clone().with_header(name, "POST").get(LIST).await.expect(200);
            }
            assert_eq!(count(kit).await, 0);
        },
        &[&GUARDED],
    )
    .await;
}

/// ASVS 15.3.7.
#[tokio::test]
async fn a_parameter_given_twice_is_refused() {
    both(
        async |kit| {
            let mut token = kit.token_of(kit.organization("harbor").await, "domains.manage,domains.read");
            let twice = b"{\"name\":\"a\",\"name\":\"b\"}".to_vec();
            let path = "/api/v1/organizations/harbor/named";
            token.send(Method::POST, path, Some("application/json"), twice).await.expect(422);
            token.get("/api/v1/organizations/harbor/named?limit=1&limit=2").await.expect(400);
        },
        &[&GUARDED],
    )
    .await;
}

/// ASVS 14.2.2, 14.2.5, 14.3.2.
#[tokio::test]
async fn answers_about_people_are_not_stored() {
    both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            for path in
                [LIST, "/o/harbor/things", "/api/v1/organizations/nowhere/things", "/o/nowhere/things"]
            {
                let answer = owner.get(path).await;
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
            }
            // A path that looks like a file is no other page.
            owner.get("/o/harbor/things/style.css").await.expect(404);
            owner.get("/o/harbor/things;style.css").await.expect(404);
        },
        &[&GUARDED],
    )
    .await;
}

/// ASVS 14.2.2: what is shown once is not kept to be shown again.
#[tokio::test]
async fn an_idempotency_key_does_not_keep_a_secret() {
    both(
        async |kit| {
            let mut keyed = kit.owner_of("harbor").await.with_header("idempotency-key", "one");
            let path = "/api/v1/organizations/harbor/secrets";
            for _ in 0..2 {
                let answer = keyed.post(path, json!({})).await.expect(200);
                assert_eq!(answer.header("idempotency-replayed"), None);
            }
            let kept = kit.app.db().read(|tx| {
                let count: Option<u64> = tx.scalar(&KEPT, platform::params![])?;
                Ok::<_, DbError>(count.unwrap_or(0))
            });
            assert_eq!(kept.await.unwrap(), 0);
        },
        &[&GUARDED],
    )
    .await;
}

/// ASVS 3.3: every cookie is for this host alone, over TLS alone, small, and not for scripts.
#[tokio::test]
async fn cookies_are_bound_to_this_host() {
    both(
        async |kit| {
            kit.organization("harbor").await;
            let answer = kit.nobody().get("/o/harbor/things").await.expect(303);
            let mut response = axum::response::Response::new(axum::body::Body::empty());
            web::browser::set_cookie(&mut response, web::browser::SESSION_COOKIE, &"A".repeat(43), Some(60));
            let told = web::browser::see_other_with("/", web::ui::Tone::Good, &"ü".repeat(5000)).unwrap();
            let lines = [&answer.headers, response.headers(), told.headers()];
            let lines: Vec<_> = lines.iter().flat_map(|headers| headers.get_all("set-cookie")).collect();
            assert_eq!(lines.len(), 3);
            for line in lines.iter().map(|line| line.to_str().unwrap()) {
                let (name, rest) = line.split_once('=').unwrap();
                let parts: Vec<&str> = rest.split("; ").collect();
                assert!(name.starts_with("__Host-"), "{line}");
                for wanted in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
                    assert!(parts.contains(&wanted), "{line}");
                }
                assert!(!rest.contains("Domain="), "{line}");
                assert!(name.len() + parts[0].len() < 4096, "{line}");
            }
        },
        &[&GUARDED],
    )
    .await;
}

/// ASVS 3.4.1.
#[tokio::test]
async fn strict_transport_is_said_where_there_is_tls() {
    for (url, said) in [
        ("https://trust.example", Some("max-age=63072000; includeSubDomains")),
        ("http://localhost:8480", None),
    ] {
        let options = || {
            let mut options = testkit::KitOptions::new(&[&GUARDED]);
            options.configure = Box::new(|config| config.public_url = url.parse().unwrap());
            options
        };
        testkit::both_with(
            async |kit| {
                for path in ["/api/v1/where", "/nowhere", "/o/harbor/things"] {
                    let answer = kit.nobody().get(path).await;
                    assert_eq!(answer.header("strict-transport-security"), said, "{path}");
                }
            },
            options,
        )
        .await;
    }
}

/// ASVS 16.5.1: nothing of the inside.
#[tokio::test]
async fn a_fault_tells_nothing_inner() {
    both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            for path in ["/api/v1/organizations/harbor/broken", "/o/harbor/broken"] {
                let answer = owner.get(path).await.expect(500);
                let text = answer.text();
                for inner in ["secret_table", "select", "panicked", ".rs"] {
                    assert!(!text.contains(inner), "{path} tells `{inner}`: {text}");
                }
                let id = answer.header("x-request-id").unwrap().to_owned();
                assert!(id.len() > 30, "it can be found in the log");
            }
        },
        &[&GUARDED],
    )
    .await;
}
