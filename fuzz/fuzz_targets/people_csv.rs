//! Files of people: no bytes make the reader panic, each refusal says where and why within its bounds, and nobody is
//! accepted twice.
//!
//! Compiled from its source files: the crate around them brings a database and TLS, minutes to build for the fuzzer.
#![no_main]
#![expect(dead_code, reason = "the crate uses what a target does not")]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;

// The reader names roles as `platform::access::Role`, and a file's bound as `platform::web::multipart::FILE_BYTES_MAX`.
extern crate self as platform;

#[path = "../../crates/platform/src/access.rs"]
pub mod access;
#[path = "../../crates/platform/src/web"]
pub mod web {
    pub mod multipart;
}
#[path = "../../crates/users/src/accounts"]
mod accounts {
    pub mod email;
}
#[path = "../../crates/users/src/domains"]
mod domains {
    pub mod name;
}
#[path = "../../crates/users/src/names.rs"]
mod names;
#[path = "../../crates/users/src/people_import"]
mod people_import {
    pub mod csv;
}

use people_import::csv::{FAULTS_MAX, ROWS_MAX, parse};

fuzz_target!(|data: &[u8]| {
    let ends = data.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count() as u64;
    match parse(data) {
        Ok(rows) => {
            assert!((1..=ROWS_MAX).contains(&rows.len()));
            let mut seen = HashSet::new();
            let mut last = 1;
            for row in rows {
                assert!(row.line > last && row.line <= ends + 1, "line {}", row.line);
                last = row.line;
                assert!(seen.insert(row.email.key().to_owned()), "{} is there twice", row.email);
            }
        }
        Err(refused) => {
            assert!((1..=FAULTS_MAX).contains(&refused.faults.len()));
            assert!(refused.more == 0 || refused.faults.len() == FAULTS_MAX);
            for fault in refused.faults {
                assert!(fault.line.is_none_or(|line| (1..=ends + 1).contains(&line)), "{fault}");
                assert!(fault.to_string().len() < 2000, "{fault}");
            }
        }
    }
});
