//! The load's HTTP client: one keep-alive HTTP/1.1 connection, blocking, nothing but what a measurement needs, so that
//! the load's core is never what is measured. RFC 9112: a body by `Content-Length`, chunked, or (never here) by the end
//! of the connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::error::{BenchError, Result};

const TIMEOUT: Duration = Duration::from_secs(30);
const BODY_BYTES_MAX: usize = 64 << 20;

pub struct Connection {
    address: String,
    stream: Option<BufReader<TcpStream>>,
}

#[derive(Debug, Default)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Succeeds with itself when it has the status; else says what came instead.
    pub fn expect(self, what: &str, status: u16) -> Result<Self> {
        if self.status == status {
            return Ok(self);
        }
        let start: String = self.text().chars().take(200).collect();
        Err(BenchError::Answer {
            what: what.to_owned(),
            got: format!("{} {start}", self.status),
            expected: status.to_string(),
        })
    }
}

/// What one visitor's browser keeps between two requests.
#[derive(Debug, Default)]
pub struct Cookies(Vec<(String, String)>);

impl Cookies {
    pub fn keep(&mut self, response: &Response) {
        for (name, value) in &response.headers {
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let pair = value.split(';').next().unwrap_or_default();
            let Some((key, value)) = pair.split_once('=') else { continue };
            self.0.retain(|(kept, _)| kept != key.trim());
            self.0.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }

    pub fn line(&self) -> String {
        self.0.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("; ")
    }
}

impl Connection {
    /// `base` is `http://HOST:PORT` or `HOST:PORT`.
    pub fn new(base: &str) -> Self {
        let address = base.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, stream: None }
    }

    pub fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
        self.send("GET", path, headers, b"")
    }

    pub fn post_form(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Result<Response> {
        let body = fields.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value)));
        let body = body.collect::<Vec<_>>().join("&");
        let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send("POST", path, &all, body.as_bytes())
    }

    /// Sends once; opens the connection when there is none, drops it after an error or `Connection: close`.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response> {
        let result = self.exchange(method, path, headers, body);
        let closes = |response: &Response| {
            response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
        };
        if result.as_ref().map_or(true, closes) {
            self.stream = None;
        }
        result
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response> {
        self.write(method, path, headers, body)?;
        let address = self.address.clone();
        read_response(self.stream()?, &address)
    }

    fn write(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            if !value.is_empty() {
                request.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        if !body.is_empty() || method != "GET" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut bytes = request.into_bytes();
        bytes.extend_from_slice(body);
        let failed = BenchError::io(format!("sending to {}", self.address));
        self.stream()?.get_mut().write_all(&bytes).map_err(failed)
    }

    /// Gets a body in chunks, of any length, into `sink`, over a connection of its own; gives its bytes.
    pub fn download(base: &str, path: &str, headers: &[(&str, &str)], sink: &mut impl Write) -> Result<u64> {
        let mut connection = Self::new(base);
        let address = connection.address.clone();
        connection.write("GET", path, headers, b"")?;
        let stream = connection.stream()?;
        let head = read_head(stream, &address)?.expect(path, 200)?;
        if is_chunked(&head) {
            return copy_chunks(stream, &address, sink);
        }
        Err(BenchError::Protocol { address, what: "a long body that is not in chunks" })
    }

    fn stream(&mut self) -> Result<&mut BufReader<TcpStream>> {
        if self.stream.is_none() {
            let failed = || BenchError::io(format!("connecting to {}", self.address));
            let stream = TcpStream::connect(&self.address).map_err(failed())?;
            stream.set_nodelay(true).map_err(failed())?;
            stream.set_read_timeout(Some(TIMEOUT)).map_err(failed())?;
            stream.set_write_timeout(Some(TIMEOUT)).map_err(failed())?;
            self.stream = Some(BufReader::with_capacity(64 << 10, stream));
        }
        self.stream
            .as_mut()
            .ok_or_else(|| BenchError::Protocol { address: self.address.clone(), what: "no connection" })
    }
}

fn read_head(stream: &mut impl BufRead, address: &str) -> Result<Response> {
    let wrong = |what: &'static str| BenchError::Protocol { address: address.to_owned(), what };
    let failed = || BenchError::io(format!("reading from {address}"));
    let status_line = read_line(stream).map_err(failed())?;
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let mut response =
        Response { status: status.ok_or_else(|| wrong("no status line"))?, ..Response::default() };
    loop {
        let line = read_line(stream).map_err(failed())?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| wrong("a header without a colon"))?;
        response.headers.push((name.to_owned(), value.trim().to_owned()));
    }
    Ok(response)
}

fn is_chunked(response: &Response) -> bool {
    response.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
}

fn chunk_size(line: &str) -> Option<usize> {
    usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16).ok()
}

fn read_response(stream: &mut impl BufRead, address: &str) -> Result<Response> {
    let wrong = |what: &'static str| BenchError::Protocol { address: address.to_owned(), what };
    let failed = || BenchError::io(format!("reading from {address}"));
    let mut response = read_head(stream, address)?;
    if matches!(response.status, 100..=199 | 204 | 304) {
        return Ok(response);
    }
    if is_chunked(&response) {
        loop {
            let line = read_line(stream).map_err(failed())?;
            let size = chunk_size(&line).ok_or_else(|| wrong("a chunk without a size"))?;
            if size == 0 {
                while !read_line(stream).map_err(failed())?.is_empty() {}
                return Ok(response);
            }
            read_exactly(stream, &mut response.body, size, address)?;
            if !read_line(stream).map_err(failed())?.is_empty() {
                return Err(wrong("a chunk longer than its size"));
            }
        }
    }
    let length = response.header("content-length").and_then(|value| value.parse().ok());
    let length = length.ok_or_else(|| wrong("a body without a length"))?;
    read_exactly(stream, &mut response.body, length, address)?;
    Ok(response)
}

/// A body in chunks, however long, into `sink`; gives its bytes.
fn copy_chunks(stream: &mut impl BufRead, address: &str, sink: &mut impl Write) -> Result<u64> {
    let wrong = |what: &'static str| BenchError::Protocol { address: address.to_owned(), what };
    let failed = || BenchError::io(format!("reading from {address}"));
    let mut bytes = 0;
    loop {
        let line = read_line(stream).map_err(failed())?;
        let size = chunk_size(&line).ok_or_else(|| wrong("a chunk without a size"))? as u64;
        if size == 0 {
            return Ok(bytes);
        }
        let copied = std::io::copy(&mut stream.by_ref().take(size), sink).map_err(failed())?;
        if copied != size || !read_line(stream).map_err(failed())?.is_empty() {
            return Err(wrong("a chunk of another length than its size"));
        }
        bytes += size;
    }
}

fn read_line(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = Vec::new();
    stream.by_ref().take(64 << 10).read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\n") {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn read_exactly(stream: &mut impl BufRead, body: &mut Vec<u8>, length: usize, address: &str) -> Result<()> {
    let start = body.len();
    if length > BODY_BYTES_MAX - start.min(BODY_BYTES_MAX) {
        return Err(BenchError::Protocol { address: address.to_owned(), what: "a body over 64 MiB" });
    }
    body.resize(start + length, 0);
    stream.read_exact(&mut body[start..]).map_err(BenchError::io(format!("reading from {address}")))
}

/// `application/x-www-form-urlencoded`, for names and values.
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Response> {
        read_response(&mut text.as_bytes(), "here")
    }

    #[test]
    fn reads_a_body_of_known_length_and_leaves_the_next_response() {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=1; Path=/\r\n\r\nhelloHTTP/1.1 204 No Content\r\n\r\n";
        let mut stream = text.as_bytes();
        let first = read_response(&mut stream, "here").unwrap();
        assert_eq!((first.status, first.body.as_slice()), (200, b"hello".as_slice()));
        let mut cookies = Cookies::default();
        cookies.keep(&first);
        assert_eq!(cookies.line(), "a=1");
        assert_eq!(read_response(&mut stream, "here").unwrap().status, 204);
    }

    #[test]
    fn reads_chunks_and_trailers() {
        let response = read(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n",
        );
        assert_eq!(response.unwrap().body, b"abcde");
    }

    #[test]
    fn copies_chunks_and_refuses_cut_ones() {
        let copy = |text: &str| {
            let mut sink = Vec::new();
            copy_chunks(&mut text.as_bytes(), "here", &mut sink).map(|bytes| (bytes, sink))
        };
        assert_eq!(copy("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").unwrap(), (5, b"abcde".to_vec()));
        assert!(copy("3\r\nab").is_err());
        assert!(copy("3\r\nabcd\r\n0\r\n\r\n").is_err());
    }

    #[test]
    fn refuses_what_is_cut_or_malformed() {
        assert!(read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort").is_err());
        assert!(read("HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(read("nonsense\r\n\r\n").is_err());
        assert!(read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n").is_err());
    }

    #[test]
    fn a_newer_cookie_replaces_the_older() {
        let mut cookies = Cookies::default();
        for value in ["1", "2"] {
            let headers = vec![("set-cookie".to_owned(), format!("s={value}; HttpOnly"))];
            cookies.keep(&Response { headers, ..Response::default() });
        }
        assert_eq!(cookies.line(), "s=2");
    }

    #[test]
    fn encodes_all_but_the_unreserved() {
        assert_eq!(encode("a b&ü~"), "a%20b%26%C3%BC~");
    }
}
