//! Secrets stay secret: not in what the program prints, logs or answers.

use testkit::program::{Program, ask};

use crate::bad_start::{PASSWORD, Place};

const DSN_PASSWORD: &str = "dsn-Pa55-word";
const SMTP_PASSWORD: &str = "smtp-Pa55-word";

#[tokio::test]
async fn the_configuration_is_printed_without_passwords() {
    let place = Place::new();
    for arguments in [&["config", "print"][..], &["config", "print", "--json"], &["config", "check"]] {
        let mut command = place.command(arguments);
        command.env("BAILIWICK_DATABASE", format!("postgres://us:{DSN_PASSWORD}@192.0.2.1/x"));
        command.env("BAILIWICK_SMTP_URL", format!("smtps://us:{SMTP_PASSWORD}@mail.example"));
        let ended = Program::start(command).end().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.contains(DSN_PASSWORD) && !said.contains(SMTP_PASSWORD), "{said}");
    }
}

#[tokio::test]
async fn a_database_out_of_reach_is_named_without_its_password() {
    let place = Place::new();
    let closed = testkit::program::free_port();
    for dsn in [
        format!("postgres://us:{DSN_PASSWORD}@127.0.0.1:{closed}/x"),
        format!("postgres://us:{DSN_PASSWORD}@127.0.0.1:{closed}/x?nonsense=1"),
        format!("postgres://us:{DSN_PASSWORD}@127.0.0.1:notaport/x"),
        format!("mysql://us:{DSN_PASSWORD}@127.0.0.1/x"),
    ] {
        let ended =
            Program::start(place.serve(&["--database", &dsn, "--set", "log_level=trace"])).end().await;
        assert!(matches!(ended.code, Some(1 | 2)), "{dsn}: {ended:?}");
        assert!(ended.stderr.contains("error:"), "{ended:?}");
        assert!(!format!("{ended:?}").contains(DSN_PASSWORD), "{ended:?}");
    }
}

/// A whole day's worth of secrets, with the log at its loudest.
#[tokio::test]
async fn a_served_run_logs_no_secret() {
    let place = Place::new();
    let mut program = Program::start(place.serve(&["--set", "log_level=trace"]));
    let link = program.says("set up this installation: ").await;
    program.ready(place.port).await;
    testkit::program::set_up(place.port, &link, PASSWORD).await;
    let session = crate::bad_start::sign_in(place.port).await;
    let made = place
        .run(&[
            "token",
            "create",
            "--data",
            "data",
            "--organization",
            "northwind",
            "--scopes",
            "tokens.read",
            "--json",
        ])
        .await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    let token = made["secret"].as_str().expect("the secret, this once").to_owned();
    let bearer = format!("Bearer {token}");
    let tokens = "/api/v1/organizations/northwind/api-tokens";
    let list = ask(place.port, "GET", tokens, &[("Authorization", &bearer)], "").await.unwrap().expect(200);
    assert!(!list.text().contains(&token), "a token is shown once: {}", list.text());
    ask(place.port, "GET", "/account", &[("Cookie", &session)], "").await.unwrap().expect(200);
    for body in [
        "{\"email\":\"owner@northwind.example\",\"password\":\"wrong-Pa55-word\"}",
        "{\"email\":\"owner@northwind.example\",\"password\":17}",
        "{\"password\":\"wrong-Pa55-word\"",
    ] {
        let json = [("Content-Type", "application/json")];
        let reply = ask(place.port, "POST", "/api/v1/sessions", &json, body).await.unwrap();
        assert!((400..500).contains(&reply.status), "{}", reply.status);
        assert!(!reply.text().contains("wrong-Pa55-word"), "{}", reply.text());
    }
    let body = "{\"email\":\"owner@northwind.example\"}";
    ask(place.port, "POST", "/api/v1/recoveries", &[("Content-Type", "application/json")], body)
        .await
        .unwrap();
    let ended = program.stop().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.lines().count() > 10, "the log is on: {}", ended.stderr);
    let set_up = link.rsplit('/').next().expect("a token").to_owned();
    let cookie = session.split_once('=').expect("a cookie").1.to_owned();
    let master = std::fs::read_to_string(place.folder.path().join("data/master.key")).expect("the key");
    let mut secrets = vec![PASSWORD.to_owned(), "wrong-Pa55-word".to_owned(), token, set_up, cookie];
    secrets.push(master.trim().to_owned());
    for secret in secrets {
        assert!(secret.len() > 10);
        assert!(!ended.stderr.contains(&secret), "logged: {secret}");
        assert!(!ended.stderr.contains(&secret.replace(' ', "+")), "logged: {secret}");
    }
}
