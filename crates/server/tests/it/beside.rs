//! Commands on the server's machine, beside a running server.

use testkit::program::Program;

use crate::bad_start::Place;

const TOKEN: [&str; 7] = ["scim-token", "create", "--organization", "northwind", "--json", "--data", "data"];

#[tokio::test]
async fn links_lead_to_where_the_server_is() {
    let place = Place::new();
    let running = place.set_up().await;
    let made = place.run(&TOKEN).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let here = format!("http://localhost:{}/scim/v2/", place.port);
    assert!(made.stdout.contains(&here), "{made:?}");
    // Whoever configures the command has the last word.
    let mut command = place.command(&TOKEN);
    command.env("BAILIWICK_PUBLIC_URL", "https://trust.northwind.example");
    let made = Program::start(command).end().await;
    assert!(made.stdout.contains("https://trust.northwind.example/scim/v2/"), "{made:?}");
    running.stop().await;
}

/// Otherwise a wrong path would read as if all were well.
#[tokio::test]
async fn a_command_makes_no_installation() {
    let place = Place::new();
    for command in [&["job", "list", "--data", "data"][..], &["organization", "list", "--data", "data"]] {
        let ended = place.run(command).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("there is no installation in `data`"), "{ended:?}");
        assert!(!place.folder.path().join("data").exists(), "it made a folder");
    }
}
