use proptest::prelude::*;

use super::*;
use crate::checkpoint::tests::key;
use crate::entry::tests::sample;
use crate::entry::{Entry, FieldContent, PersonalField};
use crate::tree::{Frontier, sha256};

mod keys;

const ORIGIN: &str = "cloud.example/ledger/harbor";

fn header() -> ExportHeader {
    ExportHeader {
        organization: sample(0).organization,
        slug: "harbor".to_owned(),
        origin: ORIGIN.to_owned(),
        exported_at_us: 1_780_000_000_000_000,
    }
}

/// Every third entry is partly erased.
fn entries(count: u64) -> Vec<Entry> {
    let with_redactions = |sequence| {
        let mut entry = sample(sequence);
        assert!(!sequence.is_multiple_of(3) || entry.redact("ip"));
        entry
    };
    (0..count).map(with_redactions).collect()
}

fn export(entries: &[Entry]) -> Vec<u8> {
    let key = key(1);
    let mut writer = ExportWriter::new(Vec::new(), &header(), &key).unwrap();
    entries.iter().for_each(|entry| writer.entry(entry).unwrap());
    writer.finish().unwrap()
}

fn exported_lines(count: u64) -> Vec<String> {
    let text = String::from_utf8(export(&entries(count))).unwrap();
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn damage_of(file: &[u8]) -> (u64, Option<u64>, Damage) {
    match verify_export(file) {
        Err(ExportError::Damaged { line, entry, damage }) => (line, entry, damage),
        other => panic!("not damaged: {other:?}"),
    }
}

fn message_of(lines: &[String]) -> String {
    verify_export(lines.concat().as_bytes()).unwrap_err().to_string()
}

/// Makes the hashes of an entry line right again after a change, as a forger would.
fn with_leaf_made_right(line: &str) -> String {
    let mut scratch = lines::Scratch::default();
    let read = lines::read_entry(line.trim_end(), &header().organization, &mut scratch).unwrap();
    let digits = |bytes: &[u8]| {
        let mut digits = Vec::new();
        text::push_hex_digits(&mut digits, bytes);
        String::from_utf8(digits).unwrap()
    };
    line.replace(&digits(&read.stated), &digits(&read.leaf))
}

#[test]
fn an_export_of_any_size_verifies_and_tells_what_it_holds() {
    for count in [0, 1, 2, 255, 256, 257, 511, 512, 700] {
        let entries = entries(count);
        let file = export(&entries);
        let verified = verify_export(file.as_slice()).unwrap();
        let mut frontier = Frontier::new();
        entries.iter().for_each(|entry| frontier.append(entry.leaf_hash()));
        assert_eq!(verified.header, header());
        assert_eq!(verified.key, key(1).verify_key(ORIGIN).unwrap());
        assert_eq!((verified.entries, verified.root), (count, frontier.root()));
        assert_eq!(verified.redacted, count.div_ceil(3));
        let lines = file.iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(lines, 2 + count + count / SUBTREE_ENTRIES);
    }
}

/// Files of version 1 exist outside: what writes or reads them may change only together with the version.
#[test]
fn version_1_is_frozen() {
    let hash = sha256(&export(&entries(300)));
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "1590c4387a70f64c4f2eb06b9520afb04b951f86d172c2aa04969aecc86acccc");
}

#[test]
fn each_line_is_json_that_others_can_read() {
    let mut entry = sample(0);
    entry.action = "quote \" backslash \\ tab \t bell \u{7} nul \0 line \n ü \u{2028} 🦀 \u{7f}".to_owned();
    entry.at_us = -1;
    entry.redact("email");
    let file = export(std::slice::from_ref(&entry));
    assert_eq!(verify_export(file.as_slice()).unwrap().entries, 1);
    let lines: Vec<serde_json::Value> =
        file.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["format"], "bailiwick-ledger-export");
    assert_eq!(lines[0]["organization"], "30313233-3435-3637-3839-616263646566");
    assert_eq!(lines[1]["action"], entry.action.as_str());
    assert_eq!(lines[1]["at_us"], -1);
    assert_eq!(lines[1]["public"]["method"], "dns");
    assert_eq!(lines[1]["personal"]["ip"]["value"], "192.0.2.7");
    assert!(lines[1]["personal"]["email"]["value"].is_null());
    assert_eq!(lines[1]["personal"]["email"]["hash"].as_str().unwrap().len(), 64);
    assert!(lines[2]["checkpoint"].as_str().unwrap().starts_with(ORIGIN));
    // RFC 8785 and serde_json escape alike, so the re-encoded string is found in the line.
    let action = serde_json::to_vec(&lines[1]["action"]).unwrap();
    assert!(file.windows(action.len()).any(|window| window == action));
}

#[test]
fn any_flipped_bit_of_a_small_export_is_located() {
    let file = export(&entries(1));
    let mut line = 1;
    let mut line_start = 0;
    // To locate a bit of the checkpoint hundreds of signatures are tried: there one bit of each byte must do.
    for at in 0..file.len() {
        let bits = if line < 3 { 0..8 } else { at % 8..at % 8 + 1 };
        for bit in bits {
            let mut damaged = file.clone();
            damaged[at] ^= 1 << bit;
            let (found_line, _, damage) = damage_of(&damaged);
            let Damage::Bit { byte, found, written, .. } = damage else {
                panic!("line {line} byte {} bit {bit}: {damage}", at - line_start + 1)
            };
            assert_eq!(
                (found_line, byte, found, written),
                (line, at - line_start + 1, damaged[at], file[at])
            );
        }
        if file[at] == b'\n' {
            (line, line_start) = (line + 1, at + 1);
        }
    }
    assert_eq!(line, 4);
}

#[test]
fn flipped_bits_are_told_in_words() {
    let lines = exported_lines(300);
    let flip = |line: usize, what: &str, bit: u8| {
        let mut file: Vec<String> = lines.clone();
        let at = file[line - 1].find(what).unwrap();
        let mut bytes = std::mem::take(&mut file[line - 1]).into_bytes();
        bytes[at] ^= 1 << bit;
        file[line - 1] = String::from_utf8(bytes).unwrap();
        message_of(&file)
    };
    for (line, what, told) in [
        (1, "harbor\",", "line 1: one bit is flipped in `slug`: byte 111 is 0x69 and was 0x68"),
        (5, "harbor.", "line 5, entry 3: one bit is flipped in `target_id`: byte 147 is 0x69 and was 0x68"),
        (
            5,
            "hash\"",
            "line 5, entry 3: one bit is flipped in `personal.ip.hash`: byte 289 is 0x69 and was 0x68",
        ),
        (
            5,
            "ana@",
            "line 5, entry 3: one bit is flipped in `personal.email.value`: byte 261 is 0x60 and was 0x61",
        ),
        (5, "leaf", "line 5, entry 3: one bit is flipped in `leaf`: byte 365 is 0x6d and was 0x6c"),
        (258, "hash\"", "line 258: one bit is flipped in `hash`: byte 15 is 0x69 and was 0x68"),
        (303, "checkpoint", "line 303: one bit is flipped in `checkpoint`: byte 3 is 0x62 and was 0x63"),
        (303, "300", "line 303: one bit is flipped in `checkpoint`: byte 45 is 0x32 and was 0x33"),
    ] {
        assert_eq!(flip(line, what, 0), told);
    }
}

#[test]
fn an_export_cut_off_anywhere_is_refused_where_it_ends() {
    let file = export(&entries(3));
    for length in 0..file.len() {
        let newlines = file[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
        let (line, _, damage) = damage_of(&file[..length]);
        assert_eq!(line, newlines + 1, "first {length} bytes");
        let at_border = length == 0 || file[length - 1] == b'\n';
        let wanted = if at_border { Damage::Truncated } else { Damage::CutOff };
        // Never a flipped bit: no repair of what is left makes a whole line.
        assert_eq!(damage, wanted, "first {length} bytes");
    }
}

#[test]
fn lines_taken_out_repeated_or_moved_are_told() {
    let lines = exported_lines(260);
    let told = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.clone();
        change(&mut lines);
        message_of(&lines)
    };
    assert_eq!(
        told(&|lines| drop(lines.remove(5))),
        "line 6, entry 4: entry 4 is missing: the line holds entry 5"
    );
    assert_eq!(
        told(&|lines| lines.insert(6, lines[5].clone())),
        "line 7, entry 5: entry 4 stands where entry 5 belongs: a line was repeated or moved"
    );
    assert_eq!(
        told(&|lines| lines.swap(5, 6)),
        "line 6, entry 4: entry 4 is missing: the line holds entry 5"
    );
    assert_eq!(
        told(&|lines| drop(lines.remove(257))),
        "line 258, entry 256: the subtree line of entries 0 to 255 is missing"
    );
    assert_eq!(
        told(&|lines| lines.insert(259, lines[257].clone())),
        "line 260: a subtree line stands where an entry or the checkpoint belongs: a line was repeated or moved"
    );
    assert_eq!(
        told(&|lines| drop(lines.remove(261))),
        "line 262: the checkpoint says 260 entries, the file holds 259: lines were cut out or added"
    );
    assert_eq!(
        told(&|lines| lines.truncate(1)),
        "line 2: the file ends before its signed checkpoint: it is cut off"
    );
    assert_eq!(told(&|lines| drop(lines.remove(0))), "line 1: this is not a ledger export of version 1 or 2");
    assert_eq!(
        told(&|lines| lines.push("\n".to_owned())),
        "line 264: there is more text after the signed checkpoint, which is the end of an export"
    );
    assert_eq!(
        told(&|lines| lines.clear()),
        "line 1: the file ends before its signed checkpoint: it is cut off"
    );
    assert_eq!(
        told(&|lines| *lines = vec!["sequence,action\n".to_owned()]),
        "line 1: this is not a ledger export of version 1 or 2"
    );
}

#[test]
fn a_forged_entry_with_a_right_leaf_is_told_by_what_stands_above_it() {
    let lines = exported_lines(260);
    let forge = |line: usize| {
        let mut lines = lines.clone();
        lines[line - 1] = with_leaf_made_right(&lines[line - 1].replace("harbor.example", "rival.example"));
        message_of(&lines)
    };
    assert_eq!(
        forge(9),
        "line 258: the subtree hash is not that of entries 0 to 255: it was changed, or one of them was replaced"
    );
    assert_eq!(
        forge(260),
        "line 263: the checkpoint's root is not that of the entries: it was changed, or one of them was replaced"
    );
    let mut changed = lines.clone();
    changed[8] = changed[8].replace("harbor.example", "rival.example");
    assert_eq!(
        message_of(&changed),
        "line 9, entry 7: the fields do not match the leaf hash: something was changed in this line"
    );
}

#[test]
fn a_header_that_was_not_signed_is_refused() {
    let mut lines = exported_lines(2);
    let genuine = lines[0].clone();
    lines[0] = genuine.replace("\"slug\":\"harbor\"", "\"slug\":\"rival\"");
    assert_eq!(
        message_of(&lines),
        "line 1: the header does not match its check hash: one of its fields was changed"
    );
    // A forger also corrects the check hash, and then the signed extension line differs.
    let (body, check) = lines[0].split_once(",\"check\":").unwrap();
    assert_eq!(check.len(), 68);
    let mut forged = body.as_bytes().to_vec();
    let hash = sha256(&forged);
    forged.extend_from_slice(b",\"check\":");
    text::push_hex(&mut forged, &hash);
    forged.extend_from_slice(b"}\n");
    lines[0] = String::from_utf8(forged).unwrap();
    assert_eq!(message_of(&lines), "line 4: the checkpoint is not that of an export with this header");
    // Signed by somebody else under the same name.
    let other = key(2);
    let mut writer = ExportWriter::new(Vec::new(), &header(), &other).unwrap();
    entries(2).iter().for_each(|entry| writer.entry(entry).unwrap());
    let other = String::from_utf8(writer.finish().unwrap()).unwrap();
    lines[0] = genuine;
    lines[3] = other.split_inclusive('\n').nth(3).unwrap().to_owned();
    assert_eq!(message_of(&lines), "line 4: the checkpoint is not that of an export with this header");
}

#[test]
fn a_second_signature_is_refused_in_an_export() {
    let mut lines = exported_lines(1);
    lines[2] = lines[2].replace("\\n\"}", "\\n— witness.example AAAAAAAA\\n\"}");
    assert!(message_of(&lines).ends_with("in an export it has exactly one signature"));
}

#[test]
fn every_line_has_exactly_one_form() {
    let lines = exported_lines(2);
    let changes: [(usize, &str, &str); 17] = [
        (0, "{\"format\"", " {\"format\""),
        (0, "\"harbor\"", "\"h\\u0061rbor\""),
        (0, "3031-3233", "30313233"),
        (1, "\"sequence\":0", "\"sequence\":00"),
        (1, "\"sequence\":0", "\"sequence\":-0"),
        (1, "\"sequence\":0", "\"sequence\":0.0"),
        (1, "\"sequence\":0", "\"sequence\":18446744073709551616"),
        (1, "\"at_us\":", "\"at_us\":+"),
        (1, "\"at_us\":", "\"at_us\": "),
        (1, "domain.verified", "domain\\u002everified"),
        (1, "domain.verified", "domain\\/verified"),
        (1, "\"method\":\"dns\"", "\"method\":\"dns\",\"method\":\"dns\""),
        (1, "\"method\":\"dns\"", "\"method\":\"dns\","),
        (1, "\"method\":\"dns\"", "\"method\":\"dns\",\"a\":\"\""),
        (1, "\"leaf\":", "\"more\":1,\"leaf\":"),
        (1, "}\n", "}\r\n"),
        (3, "}\n", "} \n"),
    ];
    for (line, from, to) in changes {
        let mut changed = lines.clone();
        changed[line] = changed[line].replacen(from, to, 1);
        if changed == lines {
            assert_eq!(from, "3031-3233", "{from} is in line {line}");
            continue;
        }
        let (found, _, damage) = damage_of(changed.concat().as_bytes());
        assert_eq!(found, line as u64 + 1, "{to}: {damage}");
        assert!(matches!(damage, Damage::Syntax { .. } | Damage::Format), "{to}: {damage}");
    }
    let mut upper = lines.clone();
    let leaf_at = upper[1].find("\"leaf\":").unwrap();
    upper[1] = format!("{}{}", &upper[1][..leaf_at + 8], upper[1][leaf_at + 8..].to_uppercase());
    assert!(matches!(damage_of(upper.concat().as_bytes()).2, Damage::Syntax { .. }));
}

#[test]
fn overlong_and_binary_lines_are_refused_without_reading_on() {
    let mut lines = exported_lines(2);
    lines[2] = format!("{}\n", "x".repeat(LINE_BYTES_MAX));
    assert_eq!(damage_of(lines.concat().as_bytes()), (3, None, Damage::Long));
    // An endless line ends the reading at the limit.
    let endless = export(&entries(1));
    let input = std::io::Read::chain(&endless[..endless.len() - 9], std::io::repeat(b'x'));
    assert_eq!(verify_export(input).unwrap_err().line(), 3);
    let binary = [&export(&[])[..], &[0xff, 0xfe, b'\n']].concat();
    assert_eq!(damage_of(&binary).2, Damage::Trailing);
    assert_eq!(damage_of(&[0xff, b'\n']), (1, None, Damage::Syntax { byte: 1, expected: "UTF-8 text" }));
}

#[test]
fn a_read_error_is_told_with_its_line() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let file = export(&entries(2));
    let first_line = file.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let error = verify_export(std::io::Read::chain(&file[..first_line], Failing)).unwrap_err();
    assert_eq!(error.to_string(), "cannot read line 2 of the export: the disk is gone");
}

#[test]
fn the_writer_refuses_what_would_not_verify() {
    let key = key(1);
    let mut writer = ExportWriter::new(Vec::new(), &header(), &key).unwrap();
    let mut refuse = |change: &dyn Fn(&mut Entry)| {
        let mut entry = sample(0);
        change(&mut entry);
        writer.entry(&entry).unwrap_err().to_string()
    };
    assert_eq!(refuse(&|e| e.sequence = 1), "entry 1 comes where entry 0 belongs");
    assert_eq!(refuse(&|e| e.organization[0] = 0), "entry 0 is of another organization");
    let names = "the field names of entry 0 are not unique and ascending";
    assert_eq!(refuse(&|e| e.personal.swap(0, 1)), names);
    assert_eq!(refuse(&|e| e.public.push(e.public[0].clone())), names);
    let long = refuse(&|e| e.action = "a".repeat(LINE_BYTES_MAX));
    assert_eq!(long, "a line would be longer than 1048576 bytes, at entry 0");
    // Nothing of the refused entries is in the file.
    writer.entry(&sample(0)).unwrap();
    assert_eq!(verify_export(writer.finish().unwrap().as_slice()).unwrap().entries, 1);
    let spaced = ExportHeader { origin: "a b".to_owned(), ..header() };
    assert!(ExportWriter::new(Vec::new(), &spaced, &key).is_err());
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let text = || "\\PC{0,12}|[\\x00-\\x7f]{0,6}";
    let fields = prop::collection::btree_map(text(), text(), 0..4);
    let personal = prop::collection::btree_map(text(), (any::<bool>(), text()), 0..4);
    (prop::array::uniform5(text()), any::<i64>(), fields, personal).prop_map(
        |([action, actor_kind, actor_id, target_kind, target_id], at_us, public, personal)| Entry {
            at_us,
            action,
            actor_kind,
            actor_id,
            target_kind,
            target_id,
            public: public.into_iter().collect(),
            personal: personal
                .into_iter()
                .map(|(name, (redacted, value))| PersonalField {
                    name,
                    content: if redacted {
                        FieldContent::Redacted { hash: sha256(value.as_bytes()) }
                    } else {
                        FieldContent::Clear { salt: [9; 16], value }
                    },
                })
                .collect(),
            ..sample(0)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_entry_is_written_and_read_to_the_same_leaf(entry in any_entry(), slug in "\\PC{0,9}") {
        let key = key(1);
        let header = ExportHeader { slug, ..header() };
        let mut writer = ExportWriter::new(Vec::new(), &header, &key).unwrap();
        writer.entry(&entry).unwrap();
        let file = writer.finish().unwrap();
        let verified = verify_export(file.as_slice()).unwrap();
        prop_assert_eq!(verified.header, header);
        prop_assert_eq!(verified.root, entry.leaf_hash());
        for line in file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok());
        }
    }
}

#[test]
fn random_bits_of_a_large_export_are_located() {
    let file = export(&entries(3000));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(120));
    let places = (0..file.len(), 0..8_u8);
    let result = runner.run(&places, |(at, bit)| {
        let mut damaged = file.clone();
        damaged[at] ^= 1 << bit;
        let line = 1 + file[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
        let (found_line, _, damage) = damage_of(&damaged);
        let found_bit = matches!(damage, Damage::Bit { written, .. } if written == file[at]);
        prop_assert!(found_line == line && found_bit, "line {} not {}: {}", found_line, line, damage);
        Ok(())
    });
    result.unwrap();
}
