//! Forms with files: nothing makes the reader panic, what it takes is within its bounds, and written again it reads the
//! same.
//!
//! Compiled from its source file: the crate around it brings a database and TLS, minutes to build for the fuzzer.
#![no_main]
#![expect(dead_code, reason = "the crate uses what a target does not")]

use libfuzzer_sys::fuzz_target;
use multipart::PARTS_MAX;

#[path = "../../crates/platform/src/web/multipart.rs"]
mod multipart;

const TYPE: &str = "multipart/form-data; boundary=AaB03x";

fuzz_target!(|data: &[u8]| {
    let Ok(form) = multipart::parse(TYPE, data) else { return };
    assert!(!form.parts.is_empty() && form.parts.len() <= PARTS_MAX);
    let mut again = Vec::new();
    for part in &form.parts {
        let name = part.name.replace('"', "%22");
        again.extend(format!("--AaB03x\r\nContent-Disposition: form-data; name=\"{name}\"").bytes());
        if let Some(file) = &part.file_name {
            again.extend(format!("; filename=\"{}\"", file.replace('"', "%22")).bytes());
        }
        again.extend(b"\r\n\r\n");
        again.extend(&part.content);
        again.extend(b"\r\n");
    }
    again.extend(b"--AaB03x--\r\n");
    if again.len() <= multipart::BODY_BYTES_MAX {
        if let Ok(read) = multipart::parse(TYPE, &again) {
            assert_eq!(read.parts.len(), form.parts.len());
            assert!(read.parts.iter().zip(&form.parts).all(|(a, b)| a.content == b.content));
        }
    }
});
