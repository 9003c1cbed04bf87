//! `docs/reference/rows.md`, written from the table so that it cannot say anything else.
//!
//! To regenerate: `UPDATE_REFERENCE=1 cargo test -p bailiwick-responsibility reference`.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Applies, Control, Half, Row, RowArea, VERSION, all, all_cells};

/// The whole page in Markdown.
pub fn markdown() -> String {
    let mut page = String::new();
    let built = all_cells().filter(|(_, _, half)| half.is_built()).count();
    push(&mut page, "# The rows of the matrix\n");
    push(&mut page, "<!-- Written by crates/responsibility/src/rows/reference.rs; do not edit. -->\n");
    push(
        &mut page,
        &format!(
            "Version {VERSION} of the table: {} rows, {} cells, {built} of them with a built control. An id keeps its \
             meaning for ever. A cell is *held* only while its control is built, its evidence is fresh and says that \
             the duty is met, and its drill, where it has one, passed in time. A cell without a built control says \
             `unknown: not built`.\n",
            all().count(),
            all_cells().count(),
        ),
    );
    for area in RowArea::ALL {
        push(&mut page, &format!("## {}\n\nAbout: {}.\n", area.title(), area.about()));
        for row in all().filter(|row| row.area == area) {
            write_row(&mut page, row);
        }
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

fn write_row(page: &mut String, row: &'static Row) {
    push(page, &format!("### {} · {}\n\n{}\n", row.id, row.title, row.duty));
    for (side, half) in row.cells() {
        let title = row.title_of(side);
        let name = if title == row.title { String::new() } else { format!(": {title}") };
        push(
            page,
            &format!("**{}{name}**\n", if side.as_str() == "provider" { "Provider" } else { "Customer" }),
        );
        write_half(page, half);
    }
}

fn write_half(page: &mut String, half: &Half) {
    let control = half.wording.control;
    let mut list: Vec<String> = match half.control {
        Control::Built { page, not_yet } => {
            let rest = not_yet.map(|rest| format!("Not looked at yet: {rest}."));
            [format!("Control: {control}"), format!("Page: `{}`", page.0)].into_iter().chain(rest).collect()
        }
        Control::NotBuilt { planned } => {
            vec![format!("Not built. Planned: {planned}."), format!("The control, once built: {control}")]
        }
    };
    list.push(format!("Met when {}.", half.wording.met_when));
    list.push(format!("To see it break: {}.", half.wording.break_hint));
    if half.applies != Applies::Always {
        list.push(format!("Applies {}.", half.applies.words()));
    }
    list.extend(half.waits_for.map(|row| format!("Waits for the provider's half of {row}.")));
    list.push(format!("Evidence lives {}.", duration_words(half.time_to_live)));
    if let Some(drill) = half.drill {
        list.push(format!(
            "Drill `{}`: {}. Runs every {}; a pass counts for {}.",
            drill.id,
            drill.attack,
            duration_words(drill.every),
            duration_words(drill.time_to_live)
        ));
    }
    if half.attestable {
        list.push("A named person may attest it, with a reason and an expiry.".to_owned());
    }
    let lines: Vec<String> = list.into_iter().map(|line| format!("- {line}")).collect();
    push(page, &format!("{}\n", lines.join("\n")));
}

fn push(page: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{text}");
}

/// `90 days`, `26 h`, `5 min`: the largest unit that divides evenly; one day stays in hours.
fn duration_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        _ if seconds >= 172_800 && seconds.is_multiple_of(86_400) => format!("{} days", seconds / 86_400),
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}
