//! Static files of the console, embedded in the program and served under `/assets/<hash>/<name>`.
//!
//! The hash is the start of the file's SHA-256, so an answer may be cached for ever (RFC 8246 `immutable`); a page
//! from before an upgrade that asks for an older hash gets today's file, uncached. Text is compressed once, at its
//! first use. Nothing is read from disk and no name outside the list is answered.

use std::io::Write;
use std::sync::OnceLock;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// The route under which [`serve`] is mounted.
pub const ROUTE: &str = "/assets/{hash}/{name}";

/// One embedded file.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    body: &'static [u8],
    hash: OnceLock<String>,
    gzip: OnceLock<Bytes>,
}

impl Asset {
    const fn new(name: &'static str, content_type: &'static str, body: &'static [u8]) -> Self {
        Self { name, content_type, body, hash: OnceLock::new(), gzip: OnceLock::new() }
    }

    fn hash(&self) -> &str {
        self.hash.get_or_init(|| {
            let full = hex::encode(digest::digest(&digest::SHA256, self.body));
            full.chars().take(16).collect()
        })
    }

    /// The compressed form; empty when compression fails, which callers read as "send it plain".
    fn gzip(&self) -> &Bytes {
        self.gzip.get_or_init(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(self.body).and_then(|()| encoder.finish()).map(Bytes::from).unwrap_or_default()
        })
    }
}

static ASSETS: [Asset; 5] = [
    Asset::new("app.css", "text/css; charset=utf-8", include_bytes!("assets/app.css")),
    Asset::new("app.js", "text/javascript; charset=utf-8", include_bytes!("assets/app.js")),
    Asset::new("htmx.min.js", "text/javascript; charset=utf-8", include_bytes!("assets/htmx.min.js")),
    Asset::new("passkeys.js", "text/javascript; charset=utf-8", include_bytes!("assets/passkeys.js")),
    Asset::new("logo.svg", "image/svg+xml", include_bytes!("assets/logo.svg")),
];

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// Address of an embedded file for use in a page. A name that is not embedded gets an address that answers 404.
pub fn asset_url(name: &str) -> String {
    let hash = find(name).map_or("missing", Asset::hash);
    format!("/assets/{hash}/{name}")
}

/// Answers `GET /assets/{hash}/{name}`.
pub async fn serve(Path((hash, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let Some(asset) = find(&name) else {
        return respond(StatusCode::NOT_FOUND, &[], Body::empty());
    };
    let caching = if hash == asset.hash() { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut fields = vec![
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, caching),
        (VARY, "accept-encoding"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    if accepts_gzip(&headers) && !asset.gzip().is_empty() {
        fields.push((CONTENT_ENCODING, "gzip"));
        return respond(StatusCode::OK, &fields, Body::from(asset.gzip().clone()));
    }
    respond(StatusCode::OK, &fields, Body::from(Bytes::from_static(asset.body)))
}

fn respond(status: StatusCode, fields: &[(HeaderName, &'static str)], body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in fields {
        response.headers_mut().insert(name.clone(), HeaderValue::from_static(value));
    }
    response
}

/// Whether `Accept-Encoding` names gzip with a weight above zero (RFC 9110 §12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(accepts_gzip_by)
}

fn accepts_gzip_by(offer: &str) -> bool {
    let mut parts = offer.split(';').map(str::trim);
    let named = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
    let refused = parts
        .filter_map(|part| part.strip_prefix("q="))
        .any(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0));
    named && !refused
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn header(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    /// The vendored file is the published htmx 2.0.11, byte for byte.
    #[test]
    fn htmx_is_the_published_file() {
        let htmx = find("htmx.min.js").expect("embedded");
        let hash = hex::encode(digest::digest(&digest::SHA256, htmx.body));
        assert_eq!(hash, "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717");
    }

    #[test]
    fn own_files_stay_small() {
        for (name, limit) in [("app.css", 30_000), ("app.js", 12_000)] {
            let size = find(name).expect("embedded").body.len();
            assert!(size < limit, "`{name}` has {size} bytes, the limit is {limit}");
        }
    }

    #[test]
    fn compressed_form_unpacks_to_the_file() {
        for asset in &ASSETS {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&asset.gzip()[..]).read_to_end(&mut plain).expect("gzip");
            assert_eq!(plain, asset.body, "{}", asset.name);
        }
    }

    #[test]
    fn gzip_only_where_it_is_accepted() {
        assert!(accepts_gzip(&header("br, gzip;q=0.8")));
        assert!(!accepts_gzip(&header("gzip;q=0")));
        assert!(!accepts_gzip(&header("identity")));
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn current_hash_is_immutable_and_others_are_not() {
        let url = asset_url("app.css");
        let hash = url.split('/').nth(2).expect("hash").to_owned();
        for (hash, caching) in [(hash, "public, max-age=31536000, immutable"), ("old".into(), "no-cache")] {
            let answer = serve(Path((hash, "app.css".into())), HeaderMap::new()).await;
            assert_eq!(answer.status(), StatusCode::OK);
            assert_eq!(answer.headers()[CACHE_CONTROL], caching);
            assert_eq!(answer.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
            assert!(answer.headers().get(CONTENT_ENCODING).is_none());
        }
        let packed = serve(Path(("x".into(), "app.css".into())), header("gzip")).await;
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        let stranger = serve(Path(("x".into(), "..%2fapp.rs".into())), HeaderMap::new()).await;
        assert_eq!(stranger.status(), StatusCode::NOT_FOUND);
    }
}
