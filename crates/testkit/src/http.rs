//! An HTTP client that talks to the program's router in process: cookies, CSRF and headers as a browser sends them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// One caller: a browser with its cookies, or a program with its token.
#[derive(Clone)]
pub struct Client {
    router: Router,
    origin: String,
    pub cookies: BTreeMap<String, String>,
    pub token: Option<String>,
    /// Where requests come from.
    pub ip: IpAddr,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// The same, for values that are no text.
    raw_headers: Vec<(axum::http::HeaderName, axum::http::HeaderValue)>,
    csrf: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; fails the test with the body when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    /// The value of the first field or button of this name on a page.
    pub fn value_of(&self, name: &str) -> Option<String> {
        let text = self.text();
        let rest = text.split_once(&format!("name=\"{name}\" value=\""))?.1;
        Some(rest.split('"').next()?.to_owned())
    }

    /// Fails the test, showing the body, unless the status is `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        self
    }
}

impl Client {
    pub fn new(router: Router, origin: &str) -> Self {
        Self {
            router,
            origin: origin.to_owned(),
            cookies: BTreeMap::new(),
            token: None,
            ip: IpAddr::from([203, 0, 113, 7]),
            headers: Vec::new(),
            raw_headers: Vec::new(),
            csrf: None,
        }
    }

    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A value that is no text, as a socket would bring it.
    #[must_use]
    pub fn with_header_bytes(mut self, name: &str, value: &[u8]) -> Self {
        let name = name.parse().expect("a name of a header");
        let value = axum::http::HeaderValue::from_bytes(value).expect("no line ends");
        self.raw_headers.push((name, value));
        self
    }

    #[must_use]
    pub fn from_ip(mut self, ip: &str) -> Self {
        self.ip = ip.parse().expect("an address");
        self
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, None, Vec::new()).await
    }

    pub async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    pub async fn put(&mut self, path: &str, body: Value) -> Answer {
        self.json(Method::PUT, path, body).await
    }

    pub async fn patch(&mut self, path: &str, body: Value) -> Answer {
        self.json(Method::PATCH, path, body).await
    }

    pub async fn delete(&mut self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None, Vec::new()).await
    }

    async fn json(&mut self, method: Method, path: &str, body: Value) -> Answer {
        self.send(method, path, Some("application/json"), body.to_string().into_bytes()).await
    }

    /// Submits a form as a browser does: with the CSRF token of the page it last looked at.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if let Some(csrf) = &self.csrf {
            form.push(("csrf".to_owned(), csrf.clone()));
        }
        let body = form
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect::<Vec<_>>()
            .join("&");
        self.send(Method::POST, path, Some("application/x-www-form-urlencoded"), body.into_bytes()).await
    }

    /// Submits one file with fields as `multipart/form-data`.
    pub async fn upload(&mut self, path: &str, fields: &[(&str, &str)], file: (&str, &str, &[u8])) -> Answer {
        const MARK: &str = "----bailiwick-test";
        let mut body = Vec::new();
        let mut all: Vec<(&str, &str)> = fields.to_vec();
        let csrf = self.csrf.clone().unwrap_or_default();
        all.push(("csrf", &csrf));
        for (name, value) in all {
            body.extend(
                format!("--{MARK}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .bytes(),
            );
        }
        let (name, file_name, content) = file;
        body.extend(
            format!(
                "--{MARK}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
                 Content-Type: text/csv\r\n\r\n"
            )
            .bytes(),
        );
        body.extend(content);
        body.extend(format!("\r\n--{MARK}--\r\n").bytes());
        self.send(Method::POST, path, Some(&format!("multipart/form-data; boundary={MARK}")), body).await
    }

    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Answer {
        let mut request = Request::builder().method(method.clone()).uri(path);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if method != Method::GET {
            request = request.header(header::ORIGIN, &self.origin);
            if let Some(csrf) = self.csrf.as_ref().filter(|_| self.token.is_none()) {
                request = request.header("x-csrf-token", csrf);
            }
        }
        if !self.cookies.is_empty() {
            let line: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, line.join("; "));
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut request = request.body(Body::from(body)).expect("a request");
        let mut own = axum::http::HeaderMap::new();
        for (name, value) in &self.headers {
            let name = axum::http::HeaderName::try_from(name).expect("a header's name");
            own.append(name, value.parse().expect("a header's value"));
        }
        // Replaces what stands there, each name with all the lines it was given.
        request.headers_mut().extend(own);
        for (name, value) in &self.raw_headers {
            request.headers_mut().append(name, value.clone());
        }
        request.extensions_mut().insert(platform::web::guard::Peer(SocketAddr::new(self.ip, 40_000)));
        let response = self.router.clone().oneshot(request).await.expect("the router answers");
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes().to_vec();
        self.keep_cookies(&parts.headers);
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        if let Some(csrf) = csrf_of(&answer) {
            self.csrf = Some(csrf);
        }
        answer
    }

    fn keep_cookies(&mut self, headers: &axum::http::HeaderMap) {
        for line in headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok()) {
            let Some((name, rest)) = line.split_once('=') else { continue };
            let value = rest.split(';').next().unwrap_or_default();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// The token in the first form of a page.
fn csrf_of(answer: &Answer) -> Option<String> {
    let html = answer.header("content-type").is_some_and(|value| value.starts_with("text/html"));
    let text = answer.text();
    let at = text.find("name=\"csrf\"").filter(|_| html)?;
    let rest = &text[at..];
    let value = rest.split_once("value=\"")?.1;
    Some(value.split('"').next()?.to_owned())
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

impl Client {
    pub(crate) fn set_csrf(&mut self, token: String) {
        self.csrf = Some(token);
    }
}
