//! Against a scripted mail server on loopback.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;

/// Plays a mail server that answers `MAIL`, `RCPT` and the end of data as told; keeps every line it hears.
async fn server(extensions: &'static str, rcpt: &'static str) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let lines = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let lines = lines.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                stream.write_all(b"220 sink\r\n").await.unwrap();
                let mut data = false;
                loop {
                    let mut line = String::new();
                    if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                        return;
                    }
                    let line = line.trim_end().to_owned();
                    lines.lock().unwrap().push(line.clone());
                    let answer = match line.split([' ', ':']).next().unwrap_or_default() {
                        "." => {
                            data = false;
                            "250 2.0.0 queued".to_owned()
                        }
                        _ if data => continue,
                        "EHLO" => format!("250-sink\r\n{extensions}250 8BITMIME"),
                        "RCPT" => rcpt.to_owned(),
                        "AUTH" => "535 5.7.8 who are you".to_owned(),
                        "DATA" => {
                            data = true;
                            "354 go".to_owned()
                        }
                        "QUIT" => "221 bye".to_owned(),
                        _ => "250 ok".to_owned(),
                    };
                    stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
                }
            });
        }
    });
    (port, heard)
}

async fn send(url: &str) -> Result<(), MailError> {
    let mailer = Mailer::new(&config(&[("smtp_url", url)]))?;
    mailer.send(&Message::text("ann@example.com", "Hello", "a line\n.\nRSET\nthe end\n"), stamp(1)).await
}

#[tokio::test]
async fn a_mail_goes_to_its_recipient_only_and_in_one_piece() {
    let (port, heard) = server("", "250 ok").await;
    send(&format!("smtp://127.0.0.1:{port}")).await.unwrap();
    let heard = heard.lock().unwrap().clone();
    let recipients: Vec<_> = heard.iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(recipients, ["RCPT TO:<ann@example.com>"]);
    // A dot alone in the text does not end the mail.
    assert!(heard.contains(&"..".to_owned()) && heard.contains(&"the end".to_owned()), "{heard:#?}");
}

#[tokio::test]
async fn a_refused_recipient_is_final_and_a_busy_server_is_not() {
    for (answer, retryable) in [("550 5.1.1 nobody here", false), ("451 4.3.0 later", true)] {
        let (port, _) = server("", answer).await;
        let error = send(&format!("smtp://127.0.0.1:{port}")).await.unwrap_err();
        assert_eq!(error.retryable, retryable, "{error}");
        assert!(error.message.starts_with("the mail server said: "), "{error}");
    }
}

#[tokio::test]
async fn refused_credentials_wait_for_the_setting_to_be_corrected() {
    let (port, _) = server("250-AUTH PLAIN\r\n", "250 ok").await;
    let error = send(&format!("smtp://user:hunter2@127.0.0.1:{port}")).await.unwrap_err();
    assert!(error.retryable && !error.message.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn required_tls_never_falls_back_to_plain() {
    let (port, heard) = server("", "250 ok").await;
    for scheme in ["smtp+starttls", "smtps"] {
        let url = format!("{scheme}://127.0.0.1:{port}");
        let error = tokio::time::timeout(std::time::Duration::from_secs(30), send(&url)).await.unwrap();
        assert!(error.is_err(), "{scheme}");
    }
    assert!(!heard.lock().unwrap().iter().any(|line| line.starts_with("MAIL")), "nothing was sent in plain");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    assert!(send(&format!("smtp://127.0.0.1:{port}")).await.unwrap_err().retryable);
}
