//! Charts draw what they are given, escape what they quote, and survive odd numbers.

use super::lines::nice_ceiling;
use super::*;

const HOSTILE: &str = r#"<script>"x"</script>"#;

fn lines(values: Vec<f64>) -> Lines {
    let labels = (1..=values.len()).map(|day| format!("{day} Nov")).collect();
    Lines {
        title: HOSTILE.into(),
        labels,
        series: vec![Series { label: HOSTILE.into(), values, class: "c1" }],
    }
}

fn heat() -> HeatMap {
    HeatMap {
        title: HOSTILE.into(),
        columns: vec!["USR-P1".into(), "USR-P2".into()],
        rows: vec![HeatRow {
            label: HOSTILE.into(),
            href: "/o/\"><b>".into(),
            cells: vec![State::Held, State::Gap],
        }],
    }
}

#[test]
fn nothing_hostile_and_no_inline_style_gets_through() {
    let parts = [Part::new(HOSTILE, 3.0, "c1"), Part::state(State::Gap, 2)];
    let bars = Bars { title: HOSTILE.into(), rows: parts.to_vec() };
    let drawn = [
        stacked_bar(HOSTILE, &parts),
        legend(&parts),
        stacked_bar_table(HOSTILE, &parts),
        lines(vec![1.0, 2.0]).figure(),
        sparkline(HOSTILE, &[1.0, 2.0], "c1"),
        bars.figure(),
        heat().figure(),
    ];
    for html in drawn {
        let html = html.as_str();
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("style="), "{html}");
    }
}

#[test]
fn stacked_bar_fills_its_width_in_proportion() {
    let html = stacked_bar("Rows", &[Part::state(State::Held, 3), Part::state(State::Gap, 1)]);
    assert!(html.as_str().contains(r#"class="f s-held" x="0.0" y="0" width="745.0""#), "{html}");
    assert!(html.as_str().contains(r#"class="f s-gap" x="750.0" y="0" width="245.0""#), "{html}");
    assert!(html.as_str().contains(r#"aria-label="Rows: 3 Held, 1 Gap""#), "{html}");
    assert!(stacked_bar("Rows", &[]).as_str().contains("Rows: nothing yet"));
}

#[test]
fn lines_put_the_highest_value_at_the_top_of_a_round_axis() {
    let svg = lines(vec![0.0, 40.0]).svg();
    assert!(svg.as_str().contains(r#"points="44.0 158.0 520.0 8.0""#), "{svg}");
    assert!(svg.as_str().contains(">20</text>") && svg.as_str().contains(">40</text>"), "{svg}");
}

#[test]
fn odd_numbers_and_empty_series_draw_without_nan() {
    for values in [vec![], vec![f64::NAN], vec![f64::INFINITY, -3.0, 1.0]] {
        for html in [lines(values.clone()).figure(), sparkline("x", &values, "c1")] {
            assert!(!html.as_str().contains("NaN") && !html.as_str().contains("inf"), "{html}");
        }
    }
    let empty = Bars { title: "None".into(), rows: vec![] };
    assert!(!empty.figure().as_str().contains("NaN"));
}

#[test]
fn longest_bar_sets_the_scale() {
    let bars =
        Bars { title: "Grants".into(), rows: vec![Part::new("a", 50.0, "c1"), Part::new("b", 100.0, "c1")] };
    let html = bars.figure();
    assert!(
        html.as_str().contains(r#"width="500.0""#) && html.as_str().contains(r#"width="1000.0""#),
        "{html}"
    );
    assert!(html.as_str().contains(r#"<td class="num">100</td>"#), "{html}");
}

#[test]
fn tables_hold_the_same_numbers_as_the_pictures() {
    let table = lines(vec![1_204.0, 61.5]).table();
    assert!(table.as_str().contains(r#"<td class="num">1,204</td>"#), "{table}");
    assert!(table.as_str().contains(r#"<td class="num">61.5</td>"#), "{table}");
    let table = heat().table();
    assert!(table.as_str().contains(r#"<td class="num">Held</td><td class="num">Gap</td>"#), "{table}");
}

#[test]
fn heat_map_says_what_its_colours_say() {
    let svg = heat().svg();
    assert!(svg.as_str().contains("1 held, 1 gap"), "{svg}");
    assert!(svg.as_str().contains(r#"class="m""#), "{svg}");
}

#[test]
fn numbers_read_well() {
    let spoken: Vec<String> =
        [0.0, 61.44, 999.96, 1_204.0, 1_234_567.0, -2.5].into_iter().map(number).collect();
    assert_eq!(spoken, ["0", "61.4", "1,000", "1,204", "1,234,567", "−2.5"]);
}

#[test]
fn axis_ends_on_a_round_number() {
    let tops: Vec<f64> = [0.0, 3.0, 7.0, 34.0, 410.0].into_iter().map(nice_ceiling).collect();
    assert_eq!(tops, [4.0, 4.0, 10.0, 40.0, 500.0]);
}
