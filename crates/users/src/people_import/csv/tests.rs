use proptest::prelude::*;

use super::*;

fn rows(text: &str) -> Vec<PersonRow> {
    parse(text.as_bytes()).unwrap_or_else(|refused| panic!("{refused}: {:?}", refused.faults))
}

fn sentences(data: &[u8]) -> Vec<String> {
    parse(data).expect_err("the file is refused").faults.iter().map(Fault::to_string).collect()
}

#[test]
fn a_good_file_is_read_whole() {
    let text = "\u{feff}Name, EMAIL ,groups,role\r\n\
        \"Lee, Ann\",Ann@Example.com,Sales; Harbor;sales,admin\r\n\
        \r\n\
        ,,,\r\n\
        =1+1,bo@example.com,,\r\n";
    let rows = rows(text);
    assert_eq!(rows.len(), 2);
    let ann = &rows[0];
    assert_eq!((ann.line, ann.email.key(), ann.name.as_str()), (2, "ann@example.com", "Lee, Ann"));
    assert_eq!(ann.role, Some(Role::Admin));
    assert_eq!(ann.groups.iter().map(Name::as_str).collect::<Vec<_>>(), ["Sales", "Harbor"]);
    // Line 3 is blank, line 4 only commas; the formula is plain data.
    assert_eq!((rows[1].line, rows[1].name.as_str(), rows[1].role), (5, "=1+1", None));
    assert_eq!(self::rows("email,name\ra@b.co,A\rb@b.co,\"B \"\"Bo\"\" C\"")[1].name.as_str(), "B \"Bo\" C");
}

#[test]
fn each_bad_row_names_line_column_and_cure() {
    let text = "email,name,role\n\
        ann@example.com,Ann,member\n\
        bo,Bo,boss\n\
        \n\
        cy@example.com,,admin\n\
        di@example.com,Di\n\
        ANN@example.com,Ann again,\n";
    assert_eq!(
        sentences(text.as_bytes()),
        [
            "line 3, column `email`: `bo` has no @: enter the whole address, such as `ann@example.com`",
            "line 3, column `role`: `boss` is no role: use `owner`, `admin`, `auditor` or `member`",
            "line 5, column `name`: a name is needed",
            "line 6: there are 2 cells but 3 columns: add or take out commas, and quote cells that have one",
            "line 7, column `email`: `ann@example.com` is already on line 2: take one of the two out",
        ]
    );
}

#[test]
fn the_first_line_must_name_known_columns() {
    let one = |text: &str| parse(text.as_bytes()).err().unwrap().faults;
    let problems = |text: &str| one(text).into_iter().map(|fault| fault.problem).collect::<Vec<_>>();
    let unknown = |name: &str, nearest| Problem::UnknownColumn { name: name.to_owned(), nearest };
    assert_eq!(problems("e-mail,name\n"), [unknown("e-mail", "email"), Problem::MissingColumn("email")]);
    assert_eq!(problems("email,full name\n"), [unknown("full name", "name"), Problem::MissingColumn("name")]);
    assert_eq!(problems("email,name,gruops\n"), [unknown("gruops", "groups")]);
    assert_eq!(problems("email,name,rolle\n"), [unknown("rolle", "role")]);
    assert_eq!(problems("email,name,\n"), [unknown("", "name")]);
    assert_eq!(problems("email,name,email\n"), [Problem::RepeatedColumn]);
    assert_eq!(problems("email;name;role\na@b.co;A;member"), [Problem::Separator(";")]);
    assert_eq!(problems("email\tname\n"), [Problem::Separator("tab")]);
    assert_eq!(problems("ann@example.com,Ann\n"), [Problem::NoHeader]);
    assert_eq!(problems(""), [Problem::Empty]);
    assert_eq!(problems("\n\n"), [Problem::Empty]);
    assert_eq!(problems("email,name\n"), [Problem::NoRows]);
    assert_eq!(problems("email,name\n,\n"), [Problem::NoRows]);
    assert_eq!(one("\n\nemail,nam\n")[0].line, Some(3));
}

#[test]
fn other_encodings_are_named() {
    let utf16: Vec<u8> = "email,name\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(sentences(&utf16), ["the file is UTF-16: save it as `CSV UTF-8`"]);
    let marked = [&[0xff, 0xfe][..], &utf16].concat();
    assert_eq!(sentences(&marked), ["the file is UTF-16: save it as `CSV UTF-8`"]);
    let latin1 = b"email,name\r\na@b.co,Ann\r\nb@b.co,J\xf6rg\r\n";
    let expected = "line 3: there is a character that is not UTF-8: save the file as `CSV UTF-8`";
    assert_eq!(sentences(latin1), [expected]);
}

#[test]
fn a_picture_is_no_text_and_utf_16_is() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\0\0\0\x02\0\x08\x06\0\0\0";
    assert_eq!(parse(png).err().unwrap().faults[0].problem, Problem::NotText);
    assert_eq!(
        parse(b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0").err().unwrap().faults[0].problem,
        Problem::NotText
    );
    for wide in [u16::to_le_bytes, u16::to_be_bytes] {
        let text: Vec<u8> = "email,name\na@b.co,Ann\n".encode_utf16().flat_map(wide).collect();
        assert_eq!(parse(&text).err().unwrap().faults[0].problem, Problem::Utf16);
    }
}

#[test]
fn an_open_quote_is_found_where_it_is_and_swallows_nothing() {
    let text = "email,name\na@b.co,\"Ann\nb@b.co,Bo\nc@b.co,C\"y\nd@b.co,\"D \"\"x\"\"\"\n";
    let refused = parse(text.as_bytes()).err().unwrap();
    let lines: Vec<_> = refused.faults.iter().map(|fault| (fault.line, fault.problem.clone())).collect();
    assert_eq!(lines, [(Some(2), Problem::Quote), (Some(4), Problem::Quote)]);
    // A cell with a line break would be two lines with an odd number of quotes each.
    let text = "email,name\r\na@b.co,\"Ann\r\nLee\"\r\n";
    assert_eq!(parse(text.as_bytes()).err().unwrap().faults.len(), 2);
}

#[test]
fn limits_hold_and_faults_are_bounded() {
    let file = |count: usize| {
        let lines: String = (0..count).map(|n| format!("p{n}@example.com,Person {n}\n")).collect();
        format!("email,name\n{lines}")
    };
    assert_eq!(rows(&file(ROWS_MAX)).len(), ROWS_MAX);
    let over = parse(file(ROWS_MAX + 5).as_bytes()).err().unwrap();
    assert_eq!(over.faults, [Fault { line: Some(10_002), column: None, problem: Problem::Rows }]);
    assert_eq!(
        sentences(&vec![b'a'; FILE_BYTES_MAX + 1]),
        ["the file is larger than 5 MiB: split it into several"]
    );
    let bad = format!("email,name\n{}", "x,Ann\n".repeat(5000));
    let refused = parse(bad.as_bytes()).err().unwrap();
    assert_eq!((refused.faults.len(), refused.more), (FAULTS_MAX, 4900));
    assert_eq!(refused.to_string(), "nothing was imported: put 5000 faults right and try again");
    let groups = (0..=GROUPS_PER_ROW_MAX).map(|n| n.to_string()).collect::<Vec<_>>().join(";");
    let refused = parse(format!("email,name,groups\na@b.co,A,{groups}\n").as_bytes()).err().unwrap();
    assert_eq!(refused.faults[0].problem, Problem::Groups);
}

#[test]
fn a_group_name_is_checked_like_any_name() {
    let text = format!("email,name,groups\na@b.co,A,ok;{}\n", "g".repeat(101));
    let expected = "line 2, column `groups`: a name has up to 100 characters; this one has 101";
    assert_eq!(sentences(text.as_bytes()), [expected]);
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,5}@[a-z]{1,5}\\.com", "[A-Za-z ,;\"'=]{0,12}", "\\PC{0,8}", "owner|member|"]
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_with_a_reason(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        match parse(&data) {
            Ok(rows) => prop_assert!(!rows.is_empty()),
            Err(refused) => prop_assert!(!refused.faults.is_empty()),
        }
    }

    #[test]
    fn whatever_is_written_as_csv_comes_back_or_names_an_existing_line(
        people in proptest::collection::vec((cell(), cell(), cell(), cell()), 1..20)
    ) {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        writer.write_record(["email", "name", "role", "groups"]).unwrap();
        for (email, name, role, groups) in &people {
            writer.write_record([email, name, role, groups]).unwrap();
        }
        let data = writer.into_inner().unwrap();
        match parse(&data) {
            Ok(rows) => {
                for row in rows {
                    let (email, name, ..) = &people[usize::try_from(row.line).unwrap() - 2];
                    prop_assert_eq!(EmailAddress::parse(email.trim()).unwrap(), row.email);
                    // A name is kept in Unicode's composed form, whatever form it was written in.
                    prop_assert_eq!(&Name::parse(name).unwrap(), &row.name);
                }
            }
            Err(refused) => {
                for fault in refused.faults {
                    let last = u64::try_from(people.len()).unwrap() + 1;
                    prop_assert!(fault.line.is_none_or(|line| (1..=last).contains(&line)), "{}", fault);
                    prop_assert!(!fault.to_string().is_empty());
                }
            }
        }
    }
}
