use super::*;
use crate::config::Sources;

mod delivery;
mod smtp;

fn config(flags: &[(&str, &str)]) -> Config {
    let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::load(&Sources { flags, ..Sources::default() }).unwrap()
}

fn stamp(number: u128) -> Stamp {
    Stamp { id: uuid::Uuid::from_u128(number), date: Timestamp::from_micros(1_700_000_000_000_000) }
}

fn written(message: &Message) -> Result<String, MailError> {
    let from =
        sender(&config(&[("provider_name", "Northwind"), ("mail_from", "no-reply@northwind.example")]))?;
    build(&from, message, stamp(1)).map(|built| String::from_utf8(built.formatted()).unwrap())
}

#[test]
fn an_installation_without_a_name_sends_from_its_address() {
    let from =
        sender(&config(&[("provider_name", "Northwind"), ("public_url", "http://127.0.0.1:8480")])).unwrap();
    assert_eq!(from.to_string(), "Northwind <no-reply@[127.0.0.1]>");
}

/// The header lines, folded ones joined.
fn headers(mail: &str) -> Vec<String> {
    let head = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    head.split("\r\n").map(str::to_owned).collect()
}

#[test]
fn a_mail_says_who_when_and_that_a_program_wrote_it() {
    let mail = written(&Message::text("ann@example.com", "Hello", "Open https://x.example/a?b=c\n")).unwrap();
    let headers = headers(&mail);
    for header in [
        "From: Northwind <no-reply@northwind.example>",
        "To: ann@example.com",
        "Subject: Hello",
        "Date: Tue, 14 Nov 2023 22:13:20 +0000",
        "Message-ID: <00000000-0000-0000-0000-000000000001@northwind.example>",
        "Auto-Submitted: auto-generated",
    ] {
        assert!(headers.iter().any(|line| line == header), "{header} is not in {headers:#?}");
    }
    assert!(mail.contains("https://x.example/a?b=c"), "links stay whole: {mail}");
    let long = format!("https://x.example/setup/{}", "a".repeat(200));
    let mail = written(&Message::text("ann@example.com", "Hello", &format!("Open\n{long}\n"))).unwrap();
    assert!(mail.contains(&format!("\r\nOpen\r\n{long}\r\n")), "long ones too: {mail}");
}

#[test]
fn no_value_adds_a_header_or_a_recipient() {
    for subject in
        ["x\r\nBcc: eve@evil.example", "x\nBcc: eve@evil.example\n\nbody", "x\u{2028}Bcc: y", "\u{0}x"]
    {
        let mail = written(&Message::text("ann@example.com", subject, "text")).unwrap();
        assert!(!headers(&mail).iter().any(|line| line.to_lowercase().starts_with("bcc")), "{mail}");
        assert_eq!(headers(&mail).iter().filter(|line| line.starts_with("Subject:")).count(), 1);
    }
    for to in [
        "ann@example.com\r\nBcc: eve@evil.example",
        "ann@example.com, eve@evil.example",
        "ann",
        "",
        "a b@example.com",
        "ann@example.com\n",
    ] {
        assert!(!written(&Message::text(to, "x", "text")).unwrap_err().retryable, "{to:?}");
    }
    let from = config(&[("provider_name", "Nor\"th <wind>, Inc")]);
    assert_eq!(sender(&from).unwrap().name.as_deref(), Some("Nor\"th <wind>, Inc"));
}

#[test]
fn sizes_are_bounded() {
    let mail = written(&Message::text("ann@example.com", &"s".repeat(5000), "text")).unwrap();
    assert!(headers(&mail).iter().all(|line| line.len() < 1000));
    let large = Message::text("ann@example.com", "x", &"t".repeat(BODY_BYTES_MAX + 1));
    assert!(!written(&large).unwrap_err().retryable);
}

#[test]
fn both_forms_are_sent() {
    let message = Message::text("ann@example.com", "x", "plain words").with_html("<p>html words</p>".into());
    let mail = written(&message).unwrap();
    assert!(
        mail.contains("multipart/alternative")
            && mail.contains("plain words")
            && mail.contains("<p>html words</p>")
    );
}

#[test]
fn smtp_urls_are_checked_without_repeating_them() {
    for good in [
        "smtps://u:p%40ss@mail.example",
        "smtp+starttls://u:p@mail.example:2525",
        "smtp://mail.example",
        "smtp://u:p@localhost:25",
        "smtp://[::1]:25",
        "smtps://mail.example/",
    ] {
        assert_eq!(check_smtp_url(good), Ok(()), "{good}");
    }
    for (bad, reason) in [
        ("smtp://u:hunter2@mail.example", "without protection"),
        ("imap://u:hunter2@mail.example", "unknown scheme"),
        ("smtps://u@mail.example", "without a password"),
        ("smtps://u:hunter%zz2@mail.example", "%25"),
        ("smtps://u:hunter2@mail.example/path?x", "after the host"),
        ("mail.example", "no URL"),
        ("smtps:///", "no host"),
    ] {
        let problem = check_smtp_url(bad).unwrap_err();
        assert!(problem.contains(reason) && !problem.contains("hunter"), "{bad}: {problem}");
    }
}

#[tokio::test]
async fn the_mailbox_holds_each_mail_once_in_order_and_private() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail");
    let mailer = Mailer::new(&config(&[("mailbox", path.to_str().unwrap())])).unwrap();
    for number in [9, 3, 3, 5] {
        let message = Message::text("ann@example.com", &format!("mail {number}"), "text");
        mailer.send(&message, stamp(number)).await.unwrap();
    }
    let mut files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let subjects: Vec<String> = files
        .iter()
        .map(|file| {
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
            let mail = std::fs::read_to_string(file).unwrap();
            headers(&mail).into_iter().find(|line| line.starts_with("Subject: ")).unwrap()
        })
        .collect();
    assert_eq!(subjects, ["Subject: mail 9", "Subject: mail 3", "Subject: mail 5"]);
}

#[tokio::test]
async fn without_a_transport_mail_waits_and_says_what_to_set() {
    let mailer = Mailer::new(&config(&[])).unwrap();
    let error = mailer.send(&Message::text("ann@example.com", "x", "y"), stamp(1)).await.unwrap_err();
    assert!(error.retryable && error.message.contains("smtp_url"), "{error}");
}

#[tokio::test]
async fn an_unwritable_mailbox_is_said() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mailer = Mailer::new(&config(&[("mailbox", file.path().to_str().unwrap())])).unwrap();
    let error = mailer.send(&Message::text("ann@example.com", "x", "y"), stamp(1)).await.unwrap_err();
    assert!(error.retryable && error.message.contains("`mailbox`"), "{error}");
}
