//! How answers are printed: JSON for programs, aligned columns for people.

use serde_json::Value;

/// Prints the rows of `items` as columns; each column is a member's name.
pub fn table(items: &[Value], columns: &[&str]) {
    let cell = |item: &Value, column: &str| match item.get(column) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.replace(char::is_control, " "),
        Some(other) => other.to_string(),
    };
    let rows: Vec<Vec<String>> =
        items.iter().map(|item| columns.iter().map(|column| cell(item, column)).collect()).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            rows.iter().map(|row| row[index].chars().count()).chain([column.len()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: Vec<String>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("{}", padded.join("  ").trim_end());
    };
    line(columns.iter().map(|column| column.to_uppercase()).collect());
    for row in rows {
        line(row);
    }
}

/// Prints the members of one object, a line each.
pub fn facts(item: &Value) {
    let Some(members) = item.as_object() else {
        println!("{item}");
        return;
    };
    let width = members.keys().map(String::len).max().unwrap_or(0);
    for (name, value) in members {
        match value {
            Value::String(text) => println!("{name:width$}  {}", text.replace(char::is_control, " ")),
            other => println!("{name:width$}  {other}"),
        }
    }
}
