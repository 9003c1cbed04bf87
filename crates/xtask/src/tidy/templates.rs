//! Templates obey the content security policy by construction: no inline style, no inline script, no event
//! attribute. (Mail is styled inline, because mail readers ignore style sheets; it is never served.)

use super::Finding;
use super::repository::{File, Repository};

/// A start tag: its name and the names of its attributes, lower case.
struct Tag {
    line: usize,
    name: String,
    attributes: Vec<String>,
    text: String,
}

pub fn check(repository: &Repository) -> Vec<Finding> {
    let pages = repository.with_extension("html").filter(|file| !is_mail(file));
    pages.flat_map(check_template).collect()
}

fn is_mail(file: &File) -> bool {
    file.path.contains("/mail/") || file.name().ends_with(".mail.html")
}

fn check_template(file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for tag in tags(&file.text) {
        let mut say = |message: &str| found.push(Finding::new(&file.path, tag.line, message));
        for attribute in &tag.attributes {
            if attribute == "style" {
                say(
                    "inline style, which the content security policy refuses; use a class of the style sheet",
                );
            } else if attribute.starts_with("on")
                || attribute.starts_with("hx-on")
                || attribute.starts_with("data-hx-on")
            {
                say("event attribute, which the content security policy refuses; listen in the script file");
            }
        }
        let data = tag.text.contains("application/json") || tag.text.contains("application/ld+json");
        if tag.name == "script" && !data && !tag.attributes.iter().any(|name| name == "src") {
            say("inline script, which the content security policy refuses; move it to the script file");
        }
        if tag.name == "style" {
            say("inline style sheet, which the content security policy refuses; move it to the style sheet");
        }
        if tag.text.to_ascii_lowercase().contains("javascript:") {
            say(
                "script in a link, which the content security policy refuses; use a button and the script file",
            );
        }
    }
    found
}

/// The start tags of a template; `{{ … }}`, `{% … %}`, `{# … #}` and `<!-- … -->` are passed over.
fn tags(text: &str) -> Vec<Tag> {
    let mut found = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(at) = rest.find(['<', '{']) {
        line += rest[..at].matches('\n').count();
        rest = &rest[at..];
        let taken = if let Some(end) = skip(rest) {
            end
        } else if rest[1..].starts_with(|c: char| c.is_ascii_alphabetic()) && rest.starts_with('<') {
            let (tag, end) = tag(rest, line);
            found.push(tag);
            end
        } else {
            1
        };
        line += rest[..taken].matches('\n').count();
        rest = &rest[taken..];
    }
    found
}

/// How much of what is no markup stands at the beginning.
fn skip(text: &str) -> Option<usize> {
    for (open, close) in [("{{", "}}"), ("{%", "%}"), ("{#", "#}"), ("<!--", "-->")] {
        if text.starts_with(open) {
            return Some(text.find(close).map_or(text.len(), |at| at + close.len()));
        }
    }
    None
}

fn tag(text: &str, line: usize) -> (Tag, usize) {
    let name: String = text[1..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let mut attributes = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut at = 1 + name.len();
    while let Some(c) = text[at..].chars().next() {
        if let Some(end) = skip(&text[at..]) {
            at += end;
            continue;
        }
        at += c.len_utf8();
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '>') => break,
            (None, c) if c.is_whitespace() || c == '=' || c == '/' => {
                attributes.push(std::mem::take(&mut word))
            }
            (None, c) => word.push(c.to_ascii_lowercase()),
        }
    }
    attributes.push(word);
    attributes.retain(|word| !word.is_empty());
    (Tag { line, name: name.to_ascii_lowercase(), attributes, text: text[..at].to_owned() }, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(path: &str, text: &str) -> Vec<String> {
        check(&Repository::of(&[(path, text)]))
            .into_iter()
            .map(|f| format!("{}: {}", f.line, f.message))
            .collect()
    }

    #[test]
    fn a_clean_template_is_accepted() {
        let text = "{# style=\"x\" <b onclick=\"y\"> #}<!-- <script>x</script> -->\n\
            <p class=\"style=x\" title='on click = \"a\"' {% if a > b %}hidden{% endif %} data-once=\"{{ x(\"style=\") }}\">\n\
            <script src=\"/a.js\" defer></script><script type=\"application/json\">{}</script><svg><path d=\"M0\"/></svg>";
        assert_eq!(messages("a.html", text), Vec::<String>::new());
        assert_eq!(
            messages("crates/users/src/mail/welcome.html", "<p style=\"color:red\">"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_the_policy_refuses_is_refused() {
        assert!(messages("a.html", "<p>\n<p class=\"a\"\n style=\"b\">")[0].starts_with("2: inline style"));
        assert!(messages("a.html", "<button ONCLICK=\"x()\">")[0].contains("event attribute"));
        assert!(messages("a.html", "<div hx-on:click='x'>")[0].contains("event attribute"));
        assert!(messages("a.html", "<p>{{ a }}<script>\nx()</script>")[0].contains("inline script"));
        assert!(messages("a.html", "<style>a{}</style>")[0].contains("inline style sheet"));
        assert!(messages("a.html", "<a href=\"JavaScript:x\">")[0].contains("script in a link"));
        assert!(messages("a.html", "<p {% if a > b %}style=\"c\"{% endif %}>")[0].contains("inline style"));
    }
}
