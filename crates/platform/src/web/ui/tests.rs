//! Shared pages escape what they quote and obey the content security policy; small rules of the shell.

use super::*;

#[test]
fn initials_take_first_and_last_word() {
    assert_eq!(initials("Mara van Lind"), "ML");
    assert_eq!(initials("ops-kiosk@harbor.example"), "O");
    assert_eq!(initials("  émile  "), "É");
    assert_eq!(initials(""), "");
}

#[test]
fn sort_turns_round_and_keeps_the_query() {
    let base = "/people?q=ann";
    assert_eq!(Sort::new("Name", "name", "", base).href, "/people?q=ann&sort=name");
    let ascending = Sort::new("Name", "name", "name", base);
    assert_eq!((ascending.href.as_str(), ascending.direction), ("/people?q=ann&sort=-name", "ascending"));
    let descending = Sort::new("Name", "name", "-name", "/people");
    assert_eq!((descending.href.as_str(), descending.direction), ("/people?sort=name", "descending"));
    assert_eq!(Sort::new("Name", "name", "-named", base).direction, "none");
}

#[test]
fn state_codes_read_back_and_strangers_are_unknown() {
    for state in State::ALL {
        assert_eq!(State::from_code(state.code()), state);
    }
    assert_eq!(State::from_code("Held"), State::Unknown);
}

#[test]
fn error_page_escapes_what_it_quotes() {
    let page = ErrorPage {
        shell: Shell::public("Not found", "Northwind <Cloud>", ""),
        status: 404,
        title: "Not found".into(),
        wrong: "there is no page `/<script>`".into(),
        mend: "check the address".into(),
        request_id: "req-1".into(),
        links: Vec::new(),
    };
    let html = page.render().expect("renders");
    assert!(!html.contains("/<script>") && !html.contains("<Cloud>"), "{html}");
    assert!(html.contains("req-1") && html.contains("404") && html.contains("check the address"));
}

#[test]
fn pages_obey_the_content_security_policy() {
    let page = ErrorPage {
        shell: Shell {
            account: Some(AccountChip::new("Mara Lind", "mara@harbor.example")),
            ..Shell::default()
        },
        status: 500,
        title: "Broken".into(),
        wrong: String::new(),
        mend: String::new(),
        request_id: String::new(),
        links: Vec::new(),
    };
    let html = page.render().expect("renders");
    assert!(!html.contains(" style=") && !html.contains("<style") && !html.contains(" onclick="));
    assert!(
        html.matches("<script").count() == html.matches("<script defer src=\"/assets/").count(),
        "{html}"
    );
}
